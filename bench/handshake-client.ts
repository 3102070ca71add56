/**
 * The load of the handshake rows, a child process of the benchmark: `node handshake-client.ts PORT AUTHORITY full|resumed`.
 *
 * A few lanes, each one connection after the other: handshake, one request to the redis-server behind the proxy, its answer, end.
 * Every connection sees one answer, so that the tickets of its handshake have come; a lane resumes with the last one it got.
 * Says `ready` when each lane has a ticket, and on `{ connections }` opens that many.
 */
import tls from 'node:tls';
import { checkAgreement, clientOptions } from './tls-agreement.ts';

export interface HandshakeOrder {
  readonly connections: number;
}

export interface HandshakeResult {
  readonly connections: number;
  readonly seconds: number;
}

const lanes = 8;
const request = Buffer.from('*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n');
/** The key is not there. */
const answer = '$-1\r\n';

class Lane {
  readonly #options: tls.ConnectionOptions;
  #session: Buffer | undefined;

  constructor(options: tls.ConnectionOptions) {
    this.#options = options;
  }

  async connect({ resumed }: { readonly resumed: boolean }): Promise<void> {
    const session = resumed ? this.#session : undefined;
    if (resumed && session === undefined) throw new Error('no session ticket came');
    const ended = Promise.withResolvers<void>();
    const socket = tls.connect({ ...this.#options, session });
    let isAnswered = false;
    socket.on('session', (ticket: Buffer) => {
      this.#session = ticket;
    });
    socket.on('error', ended.reject);
    socket.on('secureConnect', () => {
      try {
        checkAgreement(socket, { resumed });
        socket.write(request);
      } catch (error) {
        ended.reject(error);
      }
    });
    socket.on('data', (chunk: Buffer) => {
      if (isAnswered || chunk.toString() !== answer) ended.reject(new Error(`an unexpected answer: ${chunk}`));
      isAnswered = true;
      socket.end();
    });
    socket.on('close', () => {
      if (isAnswered) ended.resolve();
      else ended.reject(new Error('a connection was closed before the answer'));
    });
    return ended.promise;
  }
}

async function load(all: readonly Lane[], { connections }: HandshakeOrder, resumed: boolean): Promise<HandshakeResult> {
  let left = connections;
  const start = performance.now();
  const work = async (lane: Lane): Promise<void> => {
    while (left-- > 0) await lane.connect({ resumed });
  };
  await Promise.all(all.map(work));
  return { connections, seconds: (performance.now() - start) / 1000 };
}

function fail(error: unknown): never {
  console.error(`handshake-client: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}

const send = (message: unknown): void => void process.send?.(message);

async function main(port: number, authorityFile: string, resumed: boolean): Promise<void> {
  const options = clientOptions(port, authorityFile);
  const all = Array.from({ length: lanes }, () => new Lane(options));
  await Promise.all(all.map(lane => lane.connect({ resumed: false })));
  process.on('message', (order: HandshakeOrder) => void load(all, order, resumed).then(send, fail));
  send('ready');
}

process.on('disconnect', () => process.exit(0));
main(Number(process.argv[2]), process.argv[3] as string, process.argv[4] === 'resumed').catch(fail);
