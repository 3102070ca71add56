/**
 * A backend for trying the proxy out: answers PING, GET, SET, INFO, QUIT and SHUTDOWN in Redis' protocol, typed by hand or sent by
 * a client. `GET group` answers with the group it belongs to. Not for anything else.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

/** Enough for trying out, and a bound. */
const maxRequestBytes = 65_536;
const maxKeys = 1000;

export interface RunningBackend {
  /** Resolves when it has ended by itself or was stopped. */
  readonly ended: Promise<unknown>;
  stop(): Promise<void>;
}

export interface BackendAddress {
  readonly group: string;
  readonly host: string;
  readonly port: number;
}

/** Rejects when the address cannot be listened on. */
export async function startBackend({ group, host, port }: BackendAddress): Promise<RunningBackend> {
  const sockets = new Set<Socket>();
  const values = new Map([['group', group]]);
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serve(socket, words => {
      if (words[0]?.toUpperCase() === 'SHUTDOWN') void stop();
      return answer(words, values, group);
    });
  });
  const stop = async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  server.listen(port, host);
  await once(server, 'listening');
  return { ended: once(server, 'close'), stop };
}

function serve(socket: Socket, answerTo: (words: readonly string[]) => string): void {
  let input = '';
  socket.setEncoding('latin1');
  socket.on('error', () => socket.destroy());
  socket.on('data', (text: string) => {
    input += text;
    for (let request = nextRequest(input); request !== undefined; request = nextRequest(input)) {
      input = input.slice(request.length);
      if (request.words.length === 0) continue;
      socket.write(answerTo(request.words), 'latin1');
      if (request.words[0].toUpperCase() === 'QUIT') return void socket.end();
    }
    if (input.length > maxRequestBytes) socket.end('-ERR request too long\r\n');
  });
}

interface Request {
  readonly words: readonly string[];
  /** How much of the input it took. */
  readonly length: number;
}

/** A line of words, or an array of bulk strings; undefined while it is not complete. */
function nextRequest(input: string): Request | undefined {
  const lineEnd = input.indexOf('\n');
  if (lineEnd < 0) return undefined;
  const line = input.slice(0, lineEnd).trimEnd();
  let at = lineEnd + 1;
  if (!/^\*\d{1,3}$/.test(line)) return { words: line.split(/\s+/).filter(Boolean), length: at };
  const words: string[] = [];
  for (let left = Number(line.slice(1)); left > 0; left--) {
    const header = /^\$(\d{1,6})\r\n/.exec(input.slice(at, at + 16));
    if (header === null) return input.length - at < 16 ? undefined : { words: ['?'], length: input.length };
    const start = at + header[0].length;
    const end = start + Number(header[1]);
    if (input.length < end + 2) return undefined;
    words.push(input.slice(start, end));
    at = end + 2;
  }
  return { words, length: at };
}

function answer(
  [command, key = '', value = '']: readonly string[],
  values: Map<string, string>,
  group: string,
): string {
  switch (command.toUpperCase()) {
    case 'PING':
      return '+PONG\r\n';
    case 'GET':
      return bulk(values.get(key));
    case 'SET':
      if (!values.has(key) && values.size >= maxKeys) return '-ERR too many keys for an example\r\n';
      values.set(key, value);
      return '+OK\r\n';
    case 'INFO':
      return bulk(`# Server\r\ngroup:${group}\r\nbackend:built into linkerd-tcp, for trying it out\r\n`);
    case 'QUIT':
      return '+OK\r\n';
    default:
      return '-ERR unknown command; this example knows PING, GET, SET, INFO and QUIT\r\n';
  }
}

const bulk = (text: string | undefined): string => (text === undefined ? '$-1\r\n' : `$${text.length}\r\n${text}\r\n`);
