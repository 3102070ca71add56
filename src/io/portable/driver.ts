/**
 * The portable driver: node:net behind the driver contract. The reference for behaviour, and the driver of every platform
 * that has no native one.
 *
 * node:net cannot leave connections in the kernel's queue, so a listener that does not accept parks what arrives, unread, up
 * to its backlog; to the client both look the same. Buffers are the stream's own chunks: an id is only a place in a table.
 */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { constants } from 'node:os';
import { monotonicNow } from '../clock.ts';
import { reserveCeiling } from '../descriptor-reserve.ts';
import type {
  BufferId,
  Driver,
  DriverEvents,
  ListenerSettings,
  ListenOptions,
  SocketAddress,
  SocketOptions,
} from '../driver.ts';
import { keepAliveIntervalSecs, keepAliveProbes, showAddress } from '../driver.ts';
import { errnoOf } from '../errno.ts';
import { type Handle, HandleTable, noHandle, slotOf } from '../handle.ts';
import { SendQueues } from './send-queue.ts';

const nothing = Buffer.alloc(0);
/** An alarm this late means that the loop was busy. */
const latenessMs = 20;

/** The driver's state of a socket, kept on it so that one set of listeners serves all sockets. */
const state = Symbol('driver state');
interface SocketState {
  readonly driver: PortableDriver;
  readonly handle: Handle;
  /** The owner has called close() or reset(): nothing but `closed` may follow. */
  released: boolean;
  /** node:net has destroyed the socket. */
  gone: boolean;
  failed: boolean;
  reading: boolean;
  /** The peer's FIN came while reading was off: `ended` is delivered when it is on. */
  endWaits: boolean;
  awaitingDrain: boolean;
  /** `shutdown` came while writes waited: FIN goes out after them. */
  finWaits: boolean;
  /** When bytes were last handed to the kernel. */
  wroteAt: number;
}
type DriverSocket = net.Socket & { [state]: SocketState };

interface Listener {
  readonly server: net.Server;
  readonly handle: Handle;
  backlog: number;
  keepAliveSecs: number;
  accepting: boolean;
  closed: boolean;
  readonly parked: net.Socket[];
}

export class PortableDriver implements Driver {
  readonly kind = 'portable';
  readonly isBehind = false;
  readonly #events: DriverEvents;
  readonly #handles = new HandleTable();
  readonly #sockets: (DriverSocket | null)[] = [];
  readonly #listeners: (Listener | null)[] = [];
  readonly #buffers: (Buffer | null)[] = [];
  readonly #freeBuffers: BufferId[] = [];
  #alarm: NodeJS.Timeout | undefined;
  #alarmAt = Number.POSITIVE_INFINITY;
  readonly #descriptorCeiling = descriptorCeiling();

  readonly #sendQueues = new SendQueues();

  constructor(events: DriverEvents) {
    this.#events = events;
  }

  now(): number {
    return monotonicNow();
  }

  wakeAt(time: number): void {
    if (time === this.#alarmAt) return;
    clearTimeout(this.#alarm);
    this.#alarmAt = time;
    if (time === Number.POSITIVE_INFINITY) return;
    this.#setAlarm();
  }

  listen(options: ListenOptions): Handle {
    const handle = this.#handles.take();
    if (handle === noHandle) throw new RangeError('more than 2^20 sockets');
    const server = net.createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: true,
    });
    const listener: Listener = {
      server,
      handle,
      backlog: options.backlog,
      keepAliveSecs: options.socket.keepAliveSecs,
      accepting: true,
      closed: false,
      parked: [],
    };
    this.#listeners[slotOf(handle)] = listener;
    server.on('connection', socket => {
      if (listener.accepting && listener.parked.length === 0) this.#accept(listener, socket);
      else if (listener.parked.length < listener.backlog) listener.parked.push(socket.on('error', ignoreParked));
      else resetNow(socket);
    });
    server.on('error', error => {
      if (listener.closed) return;
      if (server.listening) this.#events.acceptFailed(handle, errnoOf(error));
      else this.#events.failed(handle, errnoOf(error));
    });
    server.listen(
      { host: options.ip, port: options.port, backlog: options.backlog, reusePort: options.reusePort, exclusive: true },
      () => {
        if (listener.closed) return;
        const address = server.address() as net.AddressInfo;
        this.#events.listening(handle, { ip: address.address, port: address.port });
      },
    );
    return handle;
  }

  accepting(handle: Handle, on: boolean): void {
    const listener = this.#listeners[slotOf(handle)];
    if (!listener || listener.accepting === on) return;
    listener.accepting = on;
    if (on && listener.parked.length > 0) setImmediate(() => this.#unpark(listener));
  }

  adjust(handle: Handle, { backlog, socket }: ListenerSettings): void {
    const listener = this.#listeners[slotOf(handle)];
    if (!listener) return;
    listener.backlog = backlog;
    // Node has no call for it: its handle's listen() is uv_listen(), which may be called again.
    (listener.server as net.Server & { _handle?: { listen(backlog: number): number } })._handle?.listen(backlog);
    listener.keepAliveSecs = socket.keepAliveSecs;
  }

  connect(address: SocketAddress, options: SocketOptions): Handle {
    const handle = this.#handles.take();
    if (handle === noHandle) return noHandle;
    const socket = net.connect({
      host: address.ip,
      port: address.port,
      allowHalfOpen: true,
      noDelay: true,
    });
    keepAlive(socket, options.keepAliveSecs);
    socket.pause();
    this.#adopt(socket, handle);
    socket.on('connect', onConnect);
    return handle;
  }

  reading(handle: Handle, on: boolean): void {
    const socket = this.#socket(handle);
    const own = socket[state];
    own.reading = on;
    if (!on) socket.pause();
    else if (own.endWaits) setImmediate(() => own.endWaits && onEnd.call(socket));
    else socket.resume();
  }

  write(handle: Handle, buffer: BufferId, offset: number, length: number): void {
    const socket = this.#socket(handle);
    const bytes = this.#take(buffer);
    if (socket[state].gone) return;
    socket[state].wroteAt = monotonicNow();
    socket.write(length === bytes.length ? bytes : bytes.subarray(offset, offset + length));
    if (socket.writableLength > 0 && !socket[state].awaitingDrain) {
      socket[state].awaitingDrain = true;
      // The callback of an empty write runs when all before it are in the kernel, whatever the stream's high-water mark.
      socket.write(nothing, onFlushed.bind(socket));
    }
  }

  pending(handle: Handle): number {
    return this.#socket(handle).writableLength;
  }

  unacknowledged(handle: Handle): number | undefined {
    const socket = this.#socket(handle);
    return this.#sendQueues.of(socket, socket[state].wroteAt);
  }

  /** Node has no way to. */
  splice(): boolean {
    return false;
  }

  /** Node's chunks are large anyway. */
  bulkRead(): void {}

  shutdown(handle: Handle): void {
    const socket = this.#socket(handle);
    // end() at once would let node wait in a state in which it can neither write nor reset.
    if (socket[state].awaitingDrain) socket[state].finWaits = true;
    else socket.end();
  }

  close(handle: Handle): void {
    const listener = this.#listeners[slotOf(handle)];
    if (listener) this.#closeListener(listener);
    else this.#release(handle, socket => socket.destroy());
  }

  reset(handle: Handle): void {
    this.#release(handle, resetNow);
  }

  bytes(buffer: BufferId): Uint8Array {
    return this.#buffers[buffer] as Buffer;
  }

  keep(buffer: BufferId, offset: number, length: number): BufferId {
    this.#buffers[buffer] = (this.#buffers[buffer] as Buffer).subarray(offset, offset + length);
    return buffer;
  }

  release(buffer: BufferId): void {
    this.#take(buffer);
  }

  wrap(bytes: Uint8Array): BufferId {
    return this.#put(Buffer.from(bytes));
  }

  peer(handle: Handle): string {
    const { remoteAddress: ip, remotePort: port } = this.#socket(handle);
    return ip === undefined || port === undefined ? '' : showAddress({ ip, port });
  }

  ledger(): { sockets: number; buffers: number } {
    return { sockets: this.#handles.live, buffers: this.#buffers.length - this.#freeBuffers.length };
  }

  /** For the listeners below: node's chunk becomes a buffer of the driver, owned by the receiver of the event. */
  chunk(handle: Handle, bytes: Buffer): void {
    this.#events.data(handle, this.#put(bytes), 0, bytes.length);
  }

  get events(): DriverEvents {
    return this.#events;
  }

  /** The socket is closed and its owner has been notified: frees the handle. */
  bury(handle: Handle): void {
    this.#sockets[slotOf(handle)] = null;
    this.#handles.release(handle);
    this.#events.closed(handle);
  }

  #socket(handle: Handle): DriverSocket {
    return this.#sockets[slotOf(handle)] as DriverSocket;
  }

  #put(bytes: Buffer): BufferId {
    const id = this.#freeBuffers.pop() ?? this.#buffers.length;
    this.#buffers[id] = bytes;
    return id;
  }

  #take(buffer: BufferId): Buffer {
    const bytes = this.#buffers[buffer] as Buffer;
    this.#buffers[buffer] = null;
    this.#freeBuffers.push(buffer);
    return bytes;
  }

  /** See descriptor-reserve.ts. */
  isReserved(socket: net.Socket): boolean {
    return ((socket as net.Socket & { _handle?: { fd?: number } })._handle?.fd ?? -1) >= this.#descriptorCeiling;
  }

  #accept(listener: Listener, socket: net.Socket): void {
    const handle = this.isReserved(socket) ? noHandle : this.#handles.take();
    if (handle === noHandle) {
      resetNow(socket);
      this.#events.acceptFailed(listener.handle, constants.errno.EMFILE);
      return;
    }
    keepAlive(socket, listener.keepAliveSecs);
    this.#adopt(socket, handle);
    this.#events.accepted(listener.handle, handle);
  }

  #unpark(listener: Listener): void {
    while (listener.accepting && listener.parked.length > 0) {
      const socket = listener.parked.shift() as net.Socket;
      socket.off('error', ignoreParked);
      if (!socket.destroyed) this.#accept(listener, socket);
    }
  }

  #adopt(socket: net.Socket, handle: Handle): void {
    const own = socket as DriverSocket;
    own[state] = {
      driver: this,
      handle,
      released: false,
      gone: false,
      failed: false,
      reading: false,
      endWaits: false,
      awaitingDrain: false,
      finWaits: false,
      wroteAt: Number.NEGATIVE_INFINITY,
    };
    this.#sockets[slotOf(handle)] = own;
    own.on('data', onData);
    own.on('end', onEnd);
    own.on('error', onError);
    own.on('close', onClose);
  }

  #release(handle: Handle, destroy: (socket: DriverSocket) => void): void {
    const socket = this.#socket(handle);
    socket[state].released = true;
    if (socket[state].gone) setImmediate(() => this.bury(handle));
    else destroy(socket);
  }

  #closeListener(listener: Listener): void {
    const { handle, server } = listener;
    this.#listeners[slotOf(handle)] = null;
    listener.closed = true;
    for (const socket of listener.parked.splice(0)) resetNow(socket);
    server.close();
    // Not in node's 'close', which waits for the accepted connections to end too.
    setImmediate(() => {
      // One that was closed before it could listen listens only now.
      server.close();
      this.#handles.release(handle);
      this.#events.closed(handle);
    });
  }

  /** setTimeout takes at most 2^31 - 1 ms and rounds: a later time is reached in steps. */
  #setAlarm(): void {
    const delay = Math.min(Math.max(0, Math.ceil(this.#alarmAt - monotonicNow())), 2 ** 31 - 1);
    this.#alarm = setTimeout(() => {
      const lateMs = monotonicNow() - this.#alarmAt;
      if (lateMs < 0) return this.#setAlarm();
      // A deadline may look missed only because this thread is late: first comes what the system has ready.
      if (lateMs < latenessMs) return this.#ring();
      const due = this.#alarmAt;
      setImmediate(() => due === this.#alarmAt && this.#ring());
    }, delay);
  }

  #ring(): void {
    this.#alarmAt = Number.POSITIVE_INFINITY;
    this.#events.woken();
  }
}

/** @returns the lowest file descriptor that is left to the control plane; Infinity where the limit is not known */
function descriptorCeiling(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft === undefined ? Number.POSITIVE_INFINITY : reserveCeiling(Number(soft));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/**
 * Resets at once. Node's resetAndDestroy() waits for all writes to be flushed, then sends a FIN before the RST, so that the
 * peer mistakes a truncated answer for a complete one.
 */
function resetNow(socket: net.Socket): void {
  const isFinishing = socket.writableEnded && !socket.writableFinished;
  // Nothing waits to be written then, so it takes one turn of the loop; the system refuses a reset during it.
  if (isFinishing && !socket.destroyed) socket.once('finish', () => resetNow(socket));
  else {
    if (!socket.connecting) (socket as net.Socket & { resetAndClosing: boolean }).resetAndClosing = true;
    socket.destroy();
  }
}

function keepAlive(socket: net.Socket, secs: number): void {
  if (secs > 0) socket.setKeepAlive(true, secs * 1000, keepAliveIntervalSecs * 1000, keepAliveProbes);
}

function ignoreParked(): void {
  // A parked connection that dies is dropped when its turn comes.
}

function onConnect(this: net.Socket): void {
  const { driver, handle, released } = (this as DriverSocket)[state];
  if (released) return;
  const { errno } = constants;
  // Where nothing listens on a port of the ephemeral range, a socket may get that very port and connect to itself.
  if (this.localPort === this.remotePort && this.localAddress === this.remoteAddress) refuse(this, errno.ECONNREFUSED);
  else if (driver.isReserved(this)) refuse(this, errno.EMFILE);
  else driver.events.connected(handle);
}

/** A connection that must not be used: it is reset, and has failed. */
function refuse(socket: net.Socket, errno: number): void {
  const own = (socket as DriverSocket)[state];
  own.failed = true;
  resetNow(socket);
  own.driver.events.failed(own.handle, errno);
}

function onData(this: net.Socket, bytes: Buffer): void {
  const { driver, handle, released } = (this as DriverSocket)[state];
  if (!released) driver.chunk(handle, bytes);
}

function onEnd(this: net.Socket): void {
  const own = (this as DriverSocket)[state];
  own.endWaits = !own.reading;
  if (own.reading && !own.released) own.driver.events.ended(own.handle);
}

function onError(this: net.Socket, error: Error): void {
  const own = (this as DriverSocket)[state];
  if (own.released || own.failed) return;
  own.failed = true;
  own.driver.events.failed(own.handle, errnoOf(error));
}

function onClose(this: net.Socket): void {
  const own = (this as DriverSocket)[state];
  own.gone = true;
  if (own.released) own.driver.bury(own.handle);
}

function onFlushed(this: DriverSocket, error?: Error | null): void {
  const own = this[state];
  own.awaitingDrain = false;
  if (error || own.released || own.gone) return;
  if (this.writableLength > 0) {
    own.awaitingDrain = true;
    this.write(nothing, onFlushed.bind(this));
    return;
  }
  own.wroteAt = monotonicNow();
  if (own.finWaits) this.end();
  own.driver.events.drained(own.handle);
}
