/** Peers that speak TLS by node:tls: clients over a wire that can split and cut what is on it, and servers with certificates. */
import { once } from 'node:events';
import net from 'node:net';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import type { Issued } from './certificates.ts';
import { Peer } from './peer.ts';
import type { Scope } from './scope.ts';
import { within } from './waiting.ts';

/** The TCP connection below a TLS client. Each write leaves in pieces as long as `pieceOf` says. */
export class Wire extends Duplex {
  readonly socket: net.Socket;
  readonly #pieceOf: (left: number) => number;

  constructor(socket: net.Socket, pieceOf: (left: number) => number = left => left) {
    super({ allowHalfOpen: true });
    this.socket = socket;
    this.#pieceOf = pieceOf;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.push(chunk) || socket.pause());
    socket.on('end', () => this.push(null));
    socket.on('error', error => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    const piece = Math.max(1, Math.min(chunk.length, this.#pieceOf(chunk.length)));
    this.socket.write(chunk.subarray(0, piece), error => {
      if (error || piece === chunk.length) done(error);
      else setImmediate(() => this._write(chunk.subarray(piece), 'binary', done));
    });
  }

  override _final(done: (error?: Error | null) => void): void {
    this.socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }

  /** A FIN below TLS, which knows nothing of it. */
  cut(): void {
    this.socket.end();
  }
}

export interface TlsClient {
  readonly wire: Wire;
  readonly secure: tls.TLSSocket;
  /** `ip:port` of this end. */
  readonly address: string;
}

export type TlsClientOptions = tls.ConnectionOptions & { readonly pieceOf?: (left: number) => number };

/** A client after its handshake. One that the server refuses is an error. */
export async function tlsClient(t: Scope, port: number, options: TlsClientOptions): Promise<TlsClient> {
  const { pieceOf, ...rest } = options;
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  t.after(() => socket.destroy());
  const wire = new Wire(socket, pieceOf);
  await within(once(socket, 'connect'), `a connection to port ${port}`);
  const address = `127.0.0.1:${socket.localPort}`;
  const secure = tls.connect({ ...rest, socket: wire });
  const over = Promise.withResolvers<never>();
  // Without a socket below, node:tls reports no error if a server disconnects during the handshake.
  wire.once('close', () => over.reject(new Error('the connection was closed')));
  await within(Promise.race([once(secure, 'secureConnect'), over.promise]), `a handshake with port ${port}`);
  return { wire, secure, address };
}

/** The first bytes that node:tls sends. */
export async function clientHello(servername: string): Promise<Buffer> {
  const said = Promise.withResolvers<Buffer>();
  const wire = new Duplex({ read() {}, write: (chunk: Buffer) => said.resolve(chunk) });
  const secure = tls.connect({ socket: wire, servername });
  secure.on('error', () => {});
  const hello = await said.promise;
  secure.destroy();
  return hello;
}

export interface SecurePeer {
  readonly peer: Peer;
  readonly wire: Wire;
}

/** A client that speaks the payload over TLS; see peer.ts. */
export async function securePeer(t: Scope, port: number, options: TlsClientOptions): Promise<SecurePeer> {
  const { secure, wire } = await tlsClient(t, port, options);
  return { peer: new Peer('client', secure, { sends: 1, expects: 2 }), wire };
}

export interface Backend {
  readonly port: number;
}

/** Listens on a free port until the test is over. */
export async function backend(t: Scope, server: net.Server): Promise<Backend> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  server.on('tlsClientError', () => {});
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 });
  await once(server, 'listening');
  return { port: (server.address() as net.AddressInfo).port };
}

/** Says one line, and ends when the client does. */
export const greets = (text: string) => (socket: net.Socket) => {
  socket.on('error', () => socket.destroy());
  socket.resume().end(`${text}\n`);
};

/** Sends back all it gets. */
export const echoes = (socket: net.Socket): void => {
  socket.on('error', () => socket.destroy());
  socket.pipe(socket);
};

/** A server of that certificate. */
export function tlsServer({ chain, key }: Issued, play: (socket: tls.TLSSocket) => void, more: tls.TlsOptions = {}) {
  return tls.createServer({ cert: chain, key, allowHalfOpen: true, ...more } as tls.TlsOptions, socket => {
    socket.on('error', () => socket.destroy());
    play(socket);
  });
}
