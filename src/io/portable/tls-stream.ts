/**
 * A stream of TLS: a TLSSocket of node over a duplex stream of this module, whose other end is the sink.
 *
 * The TLSSocket never sees the peer's FIN, since it would mistake that for close_notify. A FIN is truncation when everything before it
 * was delivered without an end. Chunks are copied: node keeps their memory for longer than this stream owns them.
 */
import { Duplex } from 'node:stream';
import type tls from 'node:tls';
import type { BufferId } from '../driver.ts';
import type { Handle } from '../handle.ts';
import type { TlsBuffers, TlsSink, TlsStream } from '../tls/engine.ts';
import { flood, opensslTrouble, renegotiation, type TlsRole, type TlsTrouble } from '../tls/trouble.ts';

/** Held for a reader that does not read, before the stream takes no more. */
const mostHeldBytes = 64 * 1024;
/** Ciphertext without a byte of plaintext: one record, which may be there in part, and as much again. More is an attack. */
const mostBytesWithoutData = 48 * 1024;

export interface NodeTlsStreamOptions {
  readonly role: TlsRole;
  readonly socket: Handle;
  /** DER of the peer's certificate, where it counts. */
  readonly certificateOf: (socket: tls.TLSSocket) => Uint8Array | null;
  /** Begins the handshake over a stream of ciphertext. */
  readonly open: (wire: Duplex) => tls.TLSSocket;
}

export class NodeTlsStream implements TlsStream {
  readonly #sink: TlsSink;
  readonly #buffers: TlsBuffers;
  readonly #options: NodeTlsStreamOptions;
  readonly #wire: Duplex;
  #tls: tls.TLSSocket | undefined;
  #isSecured = false;
  #isReading = false;
  #isTaking = true;
  /** The peer's close_notify came; it is delivered once reading is on. */
  #isEnded = false;
  #isEndTold = false;
  #hasFin = false;
  #looksForEnd = false;
  #pending = 0;
  /** Ciphertext since there was plaintext. */
  #bytesWithoutData = 0;
  /** Destroyed or failed: nothing more is delivered. */
  #isOver = false;

  constructor(sink: TlsSink, buffers: TlsBuffers, options: NodeTlsStreamOptions) {
    this.#sink = sink;
    this.#buffers = buffers;
    this.#options = options;
    this.#wire = new Duplex({
      read() {},
      write: (bytes: Buffer, _encoding, done) => {
        if (!this.#isOver) sink.ciphertext(options.socket, buffers.wrap(bytes), 0, bytes.length);
        done();
      },
    });
  }

  get holds(): boolean {
    return false;
  }

  tell(): void {
    // The event loop delivers everything that was held.
  }

  get pending(): number {
    return this.#isOver ? 0 : this.#pending;
  }

  start(): void {
    const socket = this.#options.open(this.#wire);
    this.#tls = socket;
    socket.pause();
    if (this.#isReading) socket.resume();
    socket.on('data', (bytes: Buffer) => this.#plaintext(bytes));
    socket.on('end', () => this.#ended());
    socket.on(this.#options.role === 'server' ? 'secure' : 'secureConnect', () => this.#secured());
    socket.on('error', (error: Error) => this.#trouble(troubleOf(this.#options.role, error)));
    // Until the handshake of a server's socket is done, node reports its errors here, and leaves it to its creator.
    socket.on('_tlsError', (error: Error) => this.#trouble(troubleOf(this.#options.role, error)));
    socket.on('close', () => this.#closed());
  }

  receive(buffer: BufferId, offset: number, length: number): void {
    const bytes = this.#copy(buffer, offset, length);
    if (this.#isOver || this.#wire.destroyed) return;
    this.#bytesWithoutData += length;
    this.#wire.push(bytes);
    this.#watchForFlood();
    if (!this.#isTaking || this.#isReading || this.#heldBytes <= mostHeldBytes || this.#isOver) return;
    this.#isTaking = false;
    this.#sink.taking(this.#options.socket, false);
  }

  receivedEnd(): void {
    this.#hasFin = true;
    this.#lookForEnd();
  }

  reading(on: boolean): void {
    if (this.#isOver || this.#isReading === on) return;
    this.#isReading = on;
    if (!on) return void this.#tls?.pause();
    this.#tls?.resume();
    setImmediate(() => {
      this.#tellEnd();
      this.#takeAgain();
      this.#lookForEnd();
    });
  }

  write(buffer: BufferId, offset: number, length: number): void {
    const bytes = this.#copy(buffer, offset, length);
    if (this.#isOver || length === 0) return;
    this.#pending += length;
    this.#tls?.write(bytes, () => this.#written(length));
  }

  end(): void {
    if (this.#isOver) return;
    // close_notify counts as one byte.
    this.#pending += 1;
    this.#tls?.end(() => this.#written(1));
  }

  destroy(): void {
    this.#isOver = true;
    // Not at once: OpenSSL may be what has called.
    setImmediate(() => {
      this.#tls?.destroy();
      this.#wire.destroy();
    });
  }

  #copy(buffer: BufferId, offset: number, length: number): Buffer {
    const bytes = Buffer.from(this.#buffers.bytes(buffer).subarray(offset, offset + length));
    this.#buffers.release(buffer);
    return bytes;
  }

  get #heldBytes(): number {
    return this.#wire.readableLength + (this.#tls?.readableLength ?? 0);
  }

  /** Node decrypts in the same turn or in a later one. */
  #watchForFlood(): void {
    if (this.#bytesWithoutData <= mostBytesWithoutData || !this.#isSecured) return;
    const isFlooded = (): boolean =>
      this.#bytesWithoutData > mostBytesWithoutData && this.#isReading && this.#heldBytes === 0;
    setImmediate(() => isFlooded() && setImmediate(() => isFlooded() && this.#trouble(flood)));
  }

  #plaintext(bytes: Buffer): void {
    if (this.#isOver) return;
    this.#bytesWithoutData = 0;
    this.#sink.plaintext(this.#options.socket, this.#buffers.wrap(bytes), 0, bytes.length);
    this.#takeAgain();
  }

  #takeAgain(): void {
    if (this.#isOver || this.#isTaking || !this.#isReading || this.#heldBytes > mostHeldBytes / 2) return;
    this.#isTaking = true;
    this.#sink.taking(this.#options.socket, true);
  }

  #written(length: number): void {
    if (this.#isOver) return;
    this.#pending -= length;
    if (this.#pending === 0) this.#sink.encrypted(this.#options.socket);
  }

  #secured(): void {
    const socket = this.#tls;
    if (this.#isOver || !socket) return;
    // Node reports this again when it has refused to renegotiate. The alert that says so to the peer is written after this event.
    if (this.#isSecured) return void setImmediate(() => this.#trouble(renegotiation));
    const { role, certificateOf } = this.#options;
    const peerCertificate = certificateOf(socket);
    // A client's certificate check is done: node would have reported an error.
    const refusal = role === 'server' && peerCertificate ? verifyError(socket) : null;
    if (refusal) return this.#trouble(troubleOf(role, refusal));
    this.#isSecured = true;
    this.#sink.secured(this.#options.socket, {
      version: socket.getProtocol() ?? '',
      cipher: socket.getCipher().name,
      group: groupOf(socket),
      resumed: socket.isSessionReused(),
      protocol: socket.alpnProtocol || '',
      peerCertificate,
    });
    // Sent along with the end of the handshake.
    this.#lookForEnd();
  }

  #ended(): void {
    if (this.#isOver || this.#isEnded) return;
    if (!this.#isSecured) return this.#trouble(left);
    this.#isEnded = true;
    this.#tellEnd();
  }

  #tellEnd(): void {
    if (this.#isOver || !this.#isEnded || this.#isEndTold || !this.#isReading) return;
    this.#isEndTold = true;
    this.#sink.finished(this.#options.socket);
  }

  /** In a turn in which nothing is left of what came before the FIN, an end would have come. */
  #lookForEnd(): void {
    if (!this.#hasFin || this.#isEnded || this.#isOver || this.#looksForEnd) return;
    if (this.#isSecured && !this.#isReading) return;
    const isConsumed = this.#heldBytes === 0;
    this.#looksForEnd = true;
    setImmediate(() => {
      this.#looksForEnd = false;
      if (isConsumed && this.#heldBytes === 0) this.#tellFin();
      else this.#lookForEnd();
    });
  }

  #tellFin(): void {
    if (this.#isEnded || (this.#isSecured && !this.#isReading)) return;
    this.#trouble(this.#isSecured ? truncated(this.#options.role) : left);
  }

  /** Node closes a socket that was ended both ways. */
  #closed(): void {
    if (!this.#isEnded) this.#trouble({ kind: 'other', text: 'node has closed its TLS socket' });
  }

  #trouble(trouble: TlsTrouble): void {
    if (this.#isOver) return;
    this.destroy();
    this.#sink.troubled(this.#options.socket, trouble);
  }
}

const left: TlsTrouble = { kind: 'left', text: 'the peer left during the handshake' };
const truncated = (role: TlsRole): TlsTrouble => opensslTrouble(role, 'unexpected eof while reading', '');

/** Of the peer's certificate; in the types only for who uses node's own server. */
function verifyError(socket: tls.TLSSocket): Error | null {
  return (socket as tls.TLSSocket & { readonly ssl: { verifyError(): Error | null } }).ssl.verifyError();
}

function groupOf(socket: tls.TLSSocket): string {
  const key = socket.getEphemeralKeyInfo();
  const name = (key !== null && 'name' in key && key.name) || '';
  return name === 'prime256v1' ? 'P-256' : name;
}

function troubleOf(role: TlsRole, error: Error & { readonly code?: string; readonly reason?: unknown }): TlsTrouble {
  const { code = '', reason } = error;
  if (typeof reason === 'string' && code.startsWith('ERR_SSL_')) return opensslTrouble(role, reason, '');
  // Node reports this when the peer closes before it is verified.
  if (code === 'ECONNRESET') return left;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || !code.startsWith('ERR_')) {
    return opensslTrouble(role, 'certificate verify failed', code);
  }
  return { kind: 'other', text: error.message };
}
