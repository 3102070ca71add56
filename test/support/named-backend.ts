/**
 * Backends that say who they are: each greets with a letter, its name, and echoes every byte from then on. A session through
 * the proxy therefore identifies its backend and can check later, byte for byte, that it still reaches the same one.
 */
import { once } from 'node:events';
import net from 'node:net';
import { Peer } from './peer.ts';
import type { Scope } from './scope.ts';
import { within } from './waiting.ts';

export interface NamedBackend {
  readonly name: string;
  readonly port: number;
  /** `ip:port` */
  readonly address: string;
}

export interface Session {
  /** Name of the backend that greeted. */
  readonly backend: string;
  readonly peer: Peer;
  /** Sends some more bytes and waits until they are back, unharmed. */
  exchange(amount?: string): Promise<void>;
  /** Finishes sending, and waits until the other side has finished too. */
  finish(): Promise<void>;
}

/** @param name a single letter */
export async function namedBackend(t: Scope, name: string): Promise<NamedBackend> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.write(name);
    socket.pipe(socket);
  });
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  return { name, port, address: `127.0.0.1:${port}` };
}

const echoSeed = 3;

/** A session that was greeted; a connection that is ended before that is an error. */
export async function openSession(t: Scope, port: number): Promise<Session> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  t.after(() => socket.destroy());
  const backend = await within(greeting(socket), `a greeting through port ${port}`);
  const peer = new Peer('client', socket, { sends: echoSeed, expects: echoSeed });
  return {
    backend,
    peer,
    exchange: (amount = '10k') => peer.play(`send ${amount}`, `expect ${amount}`),
    finish: () => peer.play('shutdown', 'expect end'),
  };
}

/** Name of the backend that a new connection reaches. */
export async function whoAnswers(port: number): Promise<string> {
  const socket = net.connect({ port, host: '127.0.0.1' });
  try {
    return await within(greeting(socket), `a greeting through port ${port}`);
  } finally {
    socket.destroy();
  }
}

/** Reads the first byte; later bytes stay for the next reader. */
async function greeting(socket: net.Socket): Promise<string> {
  const over = Promise.withResolvers<never>();
  const ended = (): void => over.reject(new Error('the connection ended without a greeting'));
  socket.once('end', ended);
  const [first] = (await Promise.race([once(socket, 'data'), over.promise])) as [Buffer];
  socket.pause();
  socket.off('end', ended);
  if (first.length > 1) socket.unshift(first.subarray(1));
  return first.toString('latin1', 0, 1);
}
