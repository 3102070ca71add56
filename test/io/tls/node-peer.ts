/** A TLS peer of node:tls at the end of a lane: what engines are held against. */
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import type { Bench, Lane, Receiver } from './rig.ts';

export class NodePeer implements Receiver {
  readonly #bench: Bench;
  readonly #wire: Duplex;
  #socket: tls.TLSSocket | undefined;
  #plaintext: Uint8Array[] = [];
  receivedBytes = 0;
  isSecure = false;
  /** close_notify, or FIN without it. */
  isEnded = false;
  error: (Error & { readonly code?: string; readonly reason?: string }) | undefined;
  readonly sessions: Buffer[] = [];
  staple: Buffer | null | undefined;
  readonly takes = true;
  onSecure: () => void = () => {};

  constructor(bench: Bench, out: Lane, open: (wire: Duplex) => tls.TLSSocket) {
    this.#bench = bench;
    this.#wire = new Duplex({
      read() {},
      write(bytes: Buffer, _encoding, done) {
        out.send(bytes);
        done();
      },
      final(done) {
        done();
      },
    });
    setImmediate(() => this.#open(open));
    bench.atEnd(() => this.#socket?.destroy());
  }

  #open(open: (wire: Duplex) => tls.TLSSocket): void {
    const socket = open(this.#wire);
    this.#socket = socket;
    const failed = (error: Error): void => {
      this.error ??= error;
      this.#bench.changed();
    };
    socket.on('error', failed);
    // A server's socket reports errors here before its handshake is done.
    socket.on('_tlsError', failed);
    socket.on('secure', () => {
      this.isSecure = true;
      this.onSecure();
      this.#bench.changed();
    });
    socket.on('data', (bytes: Buffer) => {
      this.#plaintext.push(bytes);
      this.receivedBytes += bytes.length;
      this.#bench.changed();
    });
    socket.on('end', () => {
      this.isEnded = true;
      this.#bench.changed();
    });
    socket.on('session', session => {
      this.sessions.push(session);
      this.#bench.changed();
    });
    socket.on('OCSPResponse', response => {
      this.staple = response;
    });
  }

  get tls(): tls.TLSSocket {
    return this.#socket as tls.TLSSocket;
  }

  get received(): Buffer {
    return Buffer.concat(this.#plaintext);
  }

  get text(): string {
    return this.received.toString('latin1');
  }

  write(bytes: Uint8Array | string): void {
    this.tls.write(bytes as Uint8Array);
  }

  deliver(bytes: Uint8Array): void {
    if (!this.#wire.destroyed) this.#wire.push(Buffer.from(bytes));
  }

  deliverEnd(): void {
    if (!this.#wire.destroyed) this.#wire.push(null);
  }
}

export const nodeClient = (options: tls.ConnectionOptions) => (wire: Duplex) =>
  tls.connect({ rejectUnauthorized: false, servername: 'server.test', ...options, socket: wire });

/** A server of node:tls; `listeners` may add what it does for clients who ask. */
export const nodeServer = (options: tls.TlsOptions & tls.SecureContextOptions) => (wire: Duplex) =>
  new tls.TLSSocket(wire, { ...options, isServer: true, secureContext: tls.createSecureContext(options) });
