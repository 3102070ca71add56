/**
 * The contract between `TlsDriver`, which has the sockets, and what knows TLS: ciphertext in, ciphertext out, no socket.
 *
 * Two engines keep it (test/io/tls/engine-contract.ts): OpenSSL through node:ffi for the native drivers, node:tls for the portable one.
 */
import type { ClientHello } from '../../wire/client-hello.ts';
import type { BufferId } from '../driver.ts';
import type { Handle } from '../handle.ts';
import type { TlsContext, TlsContextId } from './context.ts';
import type { TlsTrouble } from './trouble.ts';

/** The parameters a finished handshake has agreed on. */
export interface TlsDetails {
  /** 'TLSv1.2' or 'TLSv1.3'. */
  readonly version: string;
  /** OpenSSL's name: TLS_AES_128_GCM_SHA256, ECDHE-RSA-AES128-GCM-SHA256. */
  readonly cipher: string;
  /** X25519MLKEM768, X25519, P-256 …; '' where the engine cannot tell, or no group was used. */
  readonly group: string;
  readonly resumed: boolean;
  /** ALPN; '' when none was agreed on. */
  readonly protocol: string;
  /** DER of the certificate of the peer that was verified; null without one. */
  readonly peerCertificate: Uint8Array | null;
}

/**
 * Whom streams tell what happens; the socket is the one their stream is for. `plaintext`, `secured` and `finished` come only from within
 * `receive`, `receivedEnd` and `tell`, or from the event loop; the others may also come from within any other call.
 */
export interface TlsSink {
  /** To be sent. The receiver takes the buffer over. */
  ciphertext(socket: Handle, buffer: BufferId, offset: number, length: number): void;
  /** Only while reading is on. The receiver takes the buffer over. */
  plaintext(socket: Handle, buffer: BufferId, offset: number, length: number): void;
  secured(socket: Handle, details: TlsDetails): void;
  /** The peer's close_notify, after all of its plaintext. Only while reading is on. */
  finished(socket: Handle): void;
  /** At most once, and the last event. An alert for the peer, if there is one, came as `ciphertext` before. */
  troubled(socket: Handle, trouble: TlsTrouble): void;
  /** Whether the stream takes more ciphertext for now; it starts with taking. Ciphertext that comes all the same is kept. */
  taking(socket: Handle, on: boolean): void;
  /** All written bytes are ciphertext now: `pending` is 0 again after it was not. */
  encrypted(socket: Handle): void;
}

export interface TlsStream {
  /** Begins the handshake: a client's first flight. */
  start(): void;
  /** Takes over ciphertext. The events this causes may make the sink destroy the stream. */
  receive(buffer: BufferId, offset: number, length: number): void;
  /** The peer's FIN came after all that was received: truncation, unless close_notify was in it. */
  receivedEnd(): void;
  /** Off at first. The handshake continues either way. */
  reading(on: boolean): void;
  /** Whether there is something that `tell` would tell, now that reading is on: never so where the event loop tells it. */
  readonly holds: boolean;
  /** Delivers the events held while reading was off. */
  tell(): void;
  /** Takes plaintext over. Only after `secured`. */
  write(buffer: BufferId, offset: number, length: number): void;
  /** Bytes written, close_notify included, that are not yet delivered to the sink as ciphertext: always 0 where it is made at once. */
  readonly pending: number;
  /** Sends close_notify after all written bytes. Reading continues. */
  end(): void;
  /** Releases all buffers it holds; delivers no more events. */
  destroy(): void;
}

export interface TlsEngine {
  /** @throws Error saying why it is unusable */
  define(id: TlsContextId, context: TlsContext): void;
  /** Streams that have begun continue. */
  forget(id: TlsContextId): void;
  /** @param hello what the client has said; its bytes come in `receive` */
  accept(socket: Handle, context: TlsContextId, hello: ClientHello): TlsStream;
  connect(socket: Handle, context: TlsContextId, peer: TlsPeer): TlsStream;
}

/** Whom a client means to reach. Sessions are resumed with the same one. */
export interface TlsPeer {
  /** Sent as SNI when it is a host name, and looked for in the certificate: among DNS names, or IP addresses where it is one. */
  readonly serverName: string;
  /** `ip:port`. */
  readonly endpoint: string;
}

/** The part of the driver below that an engine needs: buffers. */
export interface TlsBuffers {
  bytes(buffer: BufferId): Uint8Array;
  release(buffer: BufferId): void;
  wrap(bytes: Uint8Array): BufferId;
}
