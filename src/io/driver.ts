/**
 * The contract between what a proxy decides (`proxy/`) and what moves bytes (`io/portable`, `io/native`).
 *
 * A driver belongs to one thread. Commands never call back: every event is delivered later, from the driver's loop.
 *
 * Life of a socket:
 *   connect() → connected | failed          accepted → …
 *   then (data | moved)* , ended (peer's FIN) while reading is on; drained when writes that had to wait are all in the kernel;
 *   failed at most once, after which only close() or reset() make sense;
 *   close() or reset() → exactly one `closed`, and nothing else for that handle ever after.
 *
 * Invariants every driver keeps (test/io/contract.ts):
 *   - `data`, `moved` and `ended` come only while reading is on, in order, `ended` last;
 *   - only the receiver of `data` owns a chunk, until it passes it to `write` or `release`;
 *   - `shutdown` sends FIN after all written bytes; reading continues;
 *   - `close` drops what the kernel has not taken yet: to end cleanly, wait until `pending` is 0.
 */
import type { Handle } from './handle.ts';

export interface SocketAddress {
  /** Numeric IPv4 or IPv6 address. */
  readonly ip: string;
  readonly port: number;
}

/** Settings that can change while the socket listens. */
export interface ListenerSettings {
  /** Length of the kernel's queue of connections not yet accepted. */
  readonly backlog: number;
  /** Of the connections accepted from then on. */
  readonly socket: SocketOptions;
}

export interface ListenOptions extends SocketAddress, ListenerSettings {
  /** Share the port with the same listener of other threads (SO_REUSEPORT). */
  readonly reusePort: boolean;
}

export interface SocketOptions {
  /**
   * Idle seconds before TCP keepalive probes start; 0 turns them off. A peer that answers none of {@link keepAliveProbes} probes,
   * one each {@link keepAliveIntervalSecs}, fails with ETIMEDOUT. TCP_NODELAY is always set.
   */
  readonly keepAliveSecs: number;
}
export const keepAliveIntervalSecs = 10;
export const keepAliveProbes = 6;

/** An index into the driver's buffers; see {@link Driver.bytes}. */
export type BufferId = number;

export interface DriverEvents {
  /** `address` is the bound one: the real port where 0 was asked for. */
  listening(listener: Handle, address: SocketAddress): void;
  accepted(listener: Handle, socket: Handle): void;
  /** One connection could not be accepted (EMFILE, ECONNABORTED …); the listener continues. */
  acceptFailed(listener: Handle, errno: number): void;
  connected(socket: Handle): void;
  data(socket: Handle, buffer: BufferId, offset: number, length: number): void;
  /** Received bytes were passed to the socket this one is spliced to; those its kernel has not taken yet are `pending` there. */
  moved(socket: Handle, length: number): void;
  drained(socket: Handle): void;
  ended(socket: Handle): void;
  /** `errno` is positive, as in errno.h. Also for a listener that cannot listen. */
  failed(socket: Handle, errno: number): void;
  closed(socket: Handle): void;
  /** The time given to `wakeAt` has come. */
  woken(): void;
}

export interface Driver {
  readonly kind: 'portable' | 'epoll' | 'uring';
  /**
   * The kernel has more ready than was delivered yet. A deadline that has passed may then look missed only because this thread is late:
   * judge it when the driver has caught up, which is soon. `woken` waits for that, too.
   */
  readonly isBehind: boolean;
  /** Milliseconds of the monotonic clock all threads of the process share; may be cached for one turn of the loop. */
  now(): number;
  /** Requests `woken` at that time; a later call replaces an earlier one; Infinity requests none. */
  wakeAt(time: number): void;

  listen(options: ListenOptions): Handle;
  /** Off: connections stay in the queue. Listeners start with it on. */
  accepting(listener: Handle, on: boolean): void;
  /** Changes a listener in place: it keeps its port and every connection in its queue. */
  adjust(listener: Handle, options: ListenerSettings): void;
  connect(address: SocketAddress, options: SocketOptions): Handle;
  /** Sockets start with reading off. */
  reading(socket: Handle, on: boolean): void;
  /** Takes ownership of the buffer. */
  write(socket: Handle, buffer: BufferId, offset: number, length: number): void;
  /** Bytes written that the kernel has not taken yet. */
  pending(socket: Handle): number;
  /** Bytes taken by the kernel that the peer has not acknowledged; undefined where the driver cannot know. */
  unacknowledged(socket: Handle): number | undefined;
  /**
   * From now on, bytes that `from` receives are `moved` to `to` inside the kernel, which is cheaper for bulk data. Only these
   * bytes may be written to `to`. Bytes received before still come as `data`, and so do all later ones when either
   * socket is closed, or little comes at a time for a while.
   * @returns false when the driver cannot, or not now: nothing has changed then
   */
  splice(from: Handle, to: Handle): boolean;
  /**
   * Much is coming from the socket, and it cannot be spliced: it may be read in larger chunks, until little comes at a time again.
   * The bytes are delivered as always.
   */
  bulkRead(socket: Handle): void;
  shutdown(socket: Handle): void;
  close(socket: Handle): void;
  /** Closes with RST. */
  reset(socket: Handle): void;

  bytes(buffer: BufferId): Uint8Array;
  /**
   * For a chunk that will be kept for long: the buffer returned has just these bytes, at offset 0, and replaces the one given.
   * A driver that runs short of buffers copies them elsewhere, so that waiting sockets cannot starve active ones.
   */
  keep(buffer: BufferId, offset: number, length: number): BufferId;
  release(buffer: BufferId): void;
  /** A chunk with a copy of the caller's bytes, to be written. */
  wrap(bytes: Uint8Array): BufferId;
  /** `ip:port` of the other end, also after a reset; '' where the platform no longer knows. */
  peer(socket: Handle): string;
  /** Sockets and listeners not yet `closed`, and buffers not yet released: both are 0 at the end, or something leaks. */
  ledger(): { readonly sockets: number; readonly buffers: number };
}

/** Shows an address the way people write it: `127.0.0.1:80`, `[::1]:80`. */
export function showAddress({ ip, port }: SocketAddress): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}
