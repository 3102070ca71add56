/**
 * The epoll driver: edge-triggered readiness, non-blocking calls from JavaScript. For Linux where io_uring is refused, as in most
 * containers.
 *
 * Each edge is remembered as a flag of its socket until a call answers EAGAIN, so that no edge is lost while reading is off.
 * A turn handles every ready socket once, each for a bounded number of reads: none can starve the others.
 */
import { constants } from 'node:os';
import { monotonicNow } from '../../clock.ts';
import type { BufferId, DriverEvents, ListenOptions, SocketAddress, SocketOptions } from '../../driver.ts';
import { type Handle, noHandle, slotOf } from '../../handle.ts';
import { BufferPool } from '../base/buffer-pool.ts';
import { longestWaitMs, type NativeDriver, type NativeDriverOptions, wakeHandle } from '../base/native-driver.ts';
import { firstDriverBit, SocketTable, TableFlag } from '../base/socket-table.ts';
import { type Splice, Splices } from '../base/splices.ts';
import { WaitingWrites } from '../base/waiting-writes.ts';
import * as c from '../kernel/constants.ts';
import { errno, libc, nullPointer } from '../kernel/libc.ts';
import { mapMemory } from '../kernel/memory.ts';
import {
  adjustListener,
  isGone,
  localAddress,
  openConnector,
  openListener,
  peerAddress,
  resetOnClose,
  socketError,
  startConnect,
  unacknowledged,
} from '../kernel/sockets.ts';

const { EAGAIN, EINPROGRESS, EINTR, ECONNABORTED, ECONNRESET } = constants.errno;

const Flag = {
  ...TableFlag,
  readable: firstDriverBit,
  writable: firstDriverBit << 1,
  /** The peer's FIN is in the receive queue, or behind it. */
  hangup: firstDriverBit << 2,
  reading: firstDriverBit << 3,
  connecting: firstDriverBit << 4,
  listening: firstDriverBit << 5,
  accepting: firstDriverBit << 6,
  /** The end of input was delivered. */
  ended: firstDriverBit << 7,
  shutdown: firstDriverBit << 8,
  /** `listening` was delivered. */
  announced: firstDriverBit << 9,
} as const;

const eventsPerWait = 512;
const readsPerTurn = 4;
const acceptsPerTurn = 64;
const bufferBytes = 64 * 1024;
const bufferLimit = 1024;
const acceptRetryMs = 100;

export class EpollDriver implements NativeDriver {
  readonly kind = 'epoll';
  readonly #events: DriverEvents;
  readonly #onWake: () => void;
  readonly #pool: BufferPool;
  readonly #sockets = new SocketTable();
  readonly #splices = new Splices(this.#sockets);
  readonly #epoll: number;
  readonly #ready = mapMemory(eventsPerWait * 16);
  readonly #readyInts = new Int32Array(this.#ready.buffer);
  readonly #control = mapMemory(16);
  readonly #controlInts = new Int32Array(this.#control.buffer);

  readonly #waiting = this.#sockets.column<WaitingWrites>();

  #closed: Handle[] = [];
  #starved: Handle[] = [];
  #blockedListeners: Handle[] = [];
  #retryAcceptAt = Number.POSITIVE_INFINITY;
  #wakeAt = Number.POSITIVE_INFINITY;
  #now = monotonicNow();

  constructor(events: DriverEvents, { wake, buffers = bufferLimit, debug = false }: NativeDriverOptions = {}) {
    this.#events = events;
    this.#pool = new BufferPool({ bytes: bufferBytes, step: 16, limit: buffers, debug });
    this.#epoll = libc.epoll_create1(c.EPOLL_CLOEXEC);
    this.#onWake = wake?.onWake ?? (() => {});
    if (wake) this.#watch(wake.fd, wakeHandle, c.EPOLLIN | c.EPOLLET);
  }

  get pool(): BufferPool {
    return this.#pool;
  }

  now(): number {
    return this.#now;
  }

  wakeAt(time: number): void {
    this.#wakeAt = time;
  }

  turn(longestMs = longestWaitMs): void {
    const count = libc.epoll_wait(this.#epoll, this.#ready.pointer, eventsPerWait, this.#timeout(longestMs));
    this.#now = monotonicNow();
    for (let i = 0; i < count; i++) this.#noteReady(i * c.epollEventInts);
    if (this.#now >= this.#retryAcceptAt) this.#retryAccept();
    if (this.#now >= this.#wakeAt) {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      this.#events.woken();
    }
    this.#sockets.work(this.#step);
    this.#deliverClosed();
    if (this.#starved.length > 0 && !this.#pool.isExhausted) this.#feedStarved();
  }

  listen(options: ListenOptions): Handle {
    const fd = openListener(options);
    const handle = this.#sockets.adopt(fd, Flag.listening | Flag.accepting);
    if (handle === noHandle) throw new RangeError('more than 2^20 sockets');
    if (fd >= 0) this.#watch(fd, handle, c.EPOLLIN | c.EPOLLET);
    this.#sockets.queue(handle);
    return handle;
  }

  accepting(handle: Handle, on: boolean): void {
    const slot = slotOf(handle);
    if (on) this.#sockets.flags[slot] |= Flag.accepting;
    else this.#sockets.flags[slot] &= ~Flag.accepting;
    if (on && this.#sockets.flags[slot] & Flag.readable) this.#sockets.queue(handle);
  }

  adjust(handle: Handle, options: Pick<ListenOptions, 'backlog' | 'socket'>): void {
    const fd = this.#sockets.fd[slotOf(handle)];
    if (fd >= 0) adjustListener(fd, options);
  }

  connect(address: SocketAddress, options: SocketOptions): Handle {
    const fd = openConnector(address, options);
    const handle = this.#sockets.adopt(fd, Flag.connecting);
    if (handle === noHandle || fd < 0) return handle;
    const failure = startConnect(fd, address);
    if (failure === 0 || failure === EINPROGRESS) this.#watch(fd, handle, watched);
    else this.#sockets.fail(handle, failure);
    return handle;
  }

  reading(handle: Handle, on: boolean): void {
    const slot = slotOf(handle);
    if (on) {
      this.#sockets.flags[slot] |= Flag.reading;
      if (this.#sockets.flags[slot] & Flag.readable) this.#sockets.queue(handle);
    } else this.#sockets.flags[slot] &= ~Flag.reading;
  }

  write(handle: Handle, buffer: BufferId, offset: number, length: number): void {
    const slot = slotOf(handle);
    if (this.#sockets.failure[slot] !== 0 || this.#sockets.flags[slot] & Flag.over) {
      this.#pool.give(buffer);
      return;
    }
    const waiting = this.#waiting[slot];
    if (waiting && waiting.bytes > 0) {
      waiting.push(buffer, offset, length);
      return;
    }
    const sent = this.#send(handle, buffer, offset, length);
    if (sent === length || this.#sockets.failure[slot] !== 0) this.#pool.give(buffer);
    else {
      this.#waiting[slot] ??= new WaitingWrites(this.#pool);
      this.#waiting[slot].push(buffer, offset + sent, length - sent);
    }
  }

  pending(handle: Handle): number {
    const slot = slotOf(handle);
    return (this.#waiting[slot]?.bytes ?? 0) + this.#splices.pending(slot);
  }

  unacknowledged(handle: Handle): number {
    return unacknowledged(this.#sockets.fd[slotOf(handle)]);
  }

  splice(from: Handle, to: Handle): boolean {
    return this.#splices.begin(from, to);
  }

  /** It always reads large chunks. */
  gulp(): void {}

  shutdown(handle: Handle): void {
    const slot = slotOf(handle);
    this.#sockets.flags[slot] |= Flag.shutdown;
    if (this.pending(handle) === 0) libc.shutdown(this.#sockets.fd[slot], c.SHUT_WR);
  }

  close(handle: Handle): void {
    const slot = slotOf(handle);
    if (this.#sockets.fd[slot] >= 0) libc.close(this.#sockets.fd[slot]);
    this.#waiting[slot]?.clear();
    this.#waiting[slot] = undefined;
    this.#splices.forget(handle);
    this.#sockets.fd[slot] = -1;
    // Retired at once: what is still queued for the handle finds it gone. The slot is free when `closed` has been delivered.
    this.#sockets.flags[slot] = Flag.over;
    this.#sockets.failure[slot] = 0;
    this.#closed.push(handle);
  }

  reset(handle: Handle): void {
    if (this.#sockets.fd[slotOf(handle)] >= 0) resetOnClose(this.#sockets.fd[slotOf(handle)]);
    this.close(handle);
  }

  bytes(buffer: BufferId): Uint8Array {
    return this.#pool.view(buffer);
  }

  keep(buffer: BufferId, offset: number, length: number): BufferId {
    return this.#pool.keep(buffer, offset, length);
  }

  release(buffer: BufferId): void {
    this.#pool.give(buffer);
  }

  wrap(bytes: Uint8Array): BufferId {
    return this.#pool.copyIn(bytes);
  }

  peer(handle: Handle): string {
    return peerAddress(this.#sockets.fd[slotOf(handle)]);
  }

  ledger(): { sockets: number; buffers: number } {
    return { sockets: this.#sockets.handles.live, buffers: this.#pool.inUse };
  }

  /** Closes the driver's own descriptors; its sockets are closed before. */
  destroy(): void {
    this.#splices.close();
    libc.close(this.#epoll);
  }

  #timeout(longestMs: number): number {
    if (this.#sockets.hasWork || this.#closed.length > 0) return 0;
    const next = Math.min(this.#wakeAt, this.#retryAcceptAt) - monotonicNow();
    return Math.max(0, Math.ceil(Math.min(next, longestMs)));
  }

  #noteReady(at: number): void {
    const ready = this.#readyInts[at];
    const handle = this.#readyInts[at + c.epollDataInt] as Handle;
    if (handle === wakeHandle) {
      this.#onWake();
      return;
    }
    if (!this.#sockets.handles.isCurrent(handle)) return;
    let noted = 0;
    if (ready & (c.EPOLLIN | c.EPOLLRDHUP | c.EPOLLHUP | c.EPOLLERR)) noted |= Flag.readable;
    if (ready & (c.EPOLLRDHUP | c.EPOLLHUP | c.EPOLLERR)) noted |= Flag.hangup;
    if (ready & (c.EPOLLOUT | c.EPOLLHUP | c.EPOLLERR)) noted |= Flag.writable;
    this.#sockets.flags[slotOf(handle)] |= noted;
    this.#sockets.queue(handle);
  }

  /** All that can go on at a socket. Every event may close it, so each step looks whether it is still there. */
  readonly #step = (handle: Handle): void => {
    const slot = slotOf(handle);
    const flags = this.#sockets.flags[slot];
    if (flags & Flag.over) return;
    if (this.#sockets.failure[slot] !== 0) return this.#deliverFailure(handle);
    if (flags & Flag.listening) return this.#stepListener(handle);
    if (flags & Flag.connecting) return this.#stepConnecting(handle);
    if (flags & Flag.writable && this.pending(handle) > 0) this.#flush(handle);
    if (this.#sockets.isOpen(handle) && (this.#sockets.flags[slot] & readMask) === readNow) this.#read(handle);
    if (this.#sockets.isOpen(handle) && (this.#sockets.flags[slot] & endedHangup) === endedHangup)
      this.#afterEnd(handle);
  };

  #stepListener(handle: Handle): void {
    const slot = slotOf(handle);
    if (!(this.#sockets.flags[slot] & Flag.announced)) {
      this.#sockets.flags[slot] |= Flag.announced;
      this.#events.listening(handle, localAddress(this.#sockets.fd[slot]));
    }
    for (let i = 0; i < acceptsPerTurn; i++) {
      if ((this.#sockets.flags[slot] & acceptNow) !== acceptNow || !this.#sockets.isOpen(handle)) return;
      const fd = libc.accept4(this.#sockets.fd[slot], nullPointer, nullPointer, c.SOCK_NONBLOCK | c.SOCK_CLOEXEC);
      if (fd >= 0) this.#accepted(handle, fd);
      else if (!this.#acceptFailed(handle, errno())) return;
    }
    this.#sockets.queue(handle);
  }

  #accepted(listener: Handle, fd: number): void {
    const socket = this.#sockets.adopt(fd, Flag.writable);
    if (socket === noHandle) return;
    this.#watch(fd, socket, watched);
    this.#events.accepted(listener, socket);
  }

  /** @returns whether the next connection may be tried at once */
  #acceptFailed(listener: Handle, failure: number): boolean {
    if (failure === EINTR) return true;
    if (failure === EAGAIN) {
      this.#sockets.flags[slotOf(listener)] &= ~Flag.readable;
      return false;
    }
    this.#events.acceptFailed(listener, failure);
    if (failure === ECONNABORTED) return true;
    // Out of descriptors or memory: the connections stay in the queue, without a new edge. Look again a little later.
    this.#blockedListeners.push(listener);
    this.#retryAcceptAt = this.#now + acceptRetryMs;
    return false;
  }

  #retryAccept(): void {
    this.#retryAcceptAt = Number.POSITIVE_INFINITY;
    for (const listener of this.#blockedListeners.splice(0))
      if (this.#sockets.isOpen(listener)) this.#sockets.queue(listener);
  }

  #stepConnecting(handle: Handle): void {
    const slot = slotOf(handle);
    if (!(this.#sockets.flags[slot] & Flag.writable)) return;
    const failure = socketError(this.#sockets.fd[slot]);
    if (failure !== 0) {
      this.#sockets.failure[slot] = failure;
      return this.#deliverFailure(handle);
    }
    this.#sockets.flags[slot] &= ~Flag.connecting;
    this.#events.connected(handle);
    if (this.#sockets.isOpen(handle) && (this.#sockets.flags[slot] & readMask) === readNow) this.#sockets.queue(handle);
  }

  #flush(handle: Handle): void {
    const slot = slotOf(handle);
    const waiting = this.#waiting[slot];
    for (let first = waiting?.first; first; first = waiting?.first) {
      const { buffer, offset, length } = first;
      const sent = this.#send(handle, buffer, offset, length);
      if (this.#sockets.failure[slot] !== 0) return this.#deliverFailure(handle);
      waiting?.took(sent);
      if (sent < length) return;
    }
    const splice = this.#splices.into(slot);
    if (splice && !this.#emptyPipe(splice)) return;
    if (this.#sockets.flags[slot] & Flag.shutdown) libc.shutdown(this.#sockets.fd[slot], c.SHUT_WR);
    this.#events.drained(handle);
    if (splice && !splice.isDetached) this.#sockets.queue(splice.from);
  }

  /** @returns the bytes the kernel took; fewer than `length` clears `writable`. A failure is kept for its delivery. */
  #send(handle: Handle, buffer: BufferId, offset: number, length: number): number {
    const slot = slotOf(handle);
    const start = this.#pool.pointer(buffer);
    const pointer = offset === 0 ? start : start + BigInt(offset);
    let sent = libc.write(this.#sockets.fd[slot], pointer, length);
    if (sent < 0) {
      const failure = errno();
      if (failure !== EAGAIN && failure !== EINTR) this.#sockets.fail(handle, failure);
      sent = 0;
    }
    if (sent < length) this.#sockets.flags[slot] &= ~Flag.writable;
    return sent;
  }

  #read(handle: Handle): void {
    const slot = slotOf(handle);
    const splice = this.#splices.from(slot);
    if (splice) return this.#move(splice);
    const pool = this.#pool;
    for (let i = 0; i < readsPerTurn; i++) {
      const buffer = pool.take();
      if (buffer < 0) {
        this.#starved.push(handle);
        return;
      }
      const received = libc.read(this.#sockets.fd[slot], pool.pointer(buffer), bufferBytes);
      if (received <= 0) {
        pool.give(buffer);
        return received === 0 ? this.#end(handle) : this.#readFailed(handle, errno());
      }
      // A short read has emptied the queue: what comes later comes with a new edge, but a FIN may be there already.
      const isEmpty = received < bufferBytes && !(this.#sockets.flags[slot] & Flag.hangup);
      if (isEmpty) this.#sockets.flags[slot] &= ~Flag.readable;
      this.#events.data(handle, buffer, 0, received);
      if (isEmpty || !this.#sockets.isOpen(handle) || !(this.#sockets.flags[slot] & Flag.reading)) return;
    }
    this.#sockets.queue(handle);
  }

  /** Fills the pipe and empties it, as often as both sockets go along. When it stays full, `to` will go on with it. */
  #move(splice: Splice): void {
    const { from, pipe } = splice;
    const slot = slotOf(from);
    for (let i = 0; i < readsPerTurn && !splice.isDetached; i++) {
      if (pipe.bytes > 0) return;
      const moved = pipe.fill(this.#sockets.fd[slot]);
      if (moved <= 0) return moved === 0 ? this.#end(from) : this.#readFailed(from, errno());
      this.#emptyPipe(splice);
      this.#splices.moved(splice, moved);
      this.#events.moved(from, moved);
      if (!this.#sockets.isOpen(from) || !(this.#sockets.flags[slot] & Flag.reading)) return;
    }
    this.#sockets.queue(from);
  }

  /** @returns whether the pipe is empty now; if not, `writable` is cleared */
  #emptyPipe(splice: Splice): boolean {
    const { to, pipe } = splice;
    const slot = slotOf(to);
    if (this.#waiting[slot]?.bytes || !(this.#sockets.flags[slot] & Flag.writable)) return false;
    while (pipe.bytes > 0) {
      if (pipe.empty(this.#sockets.fd[slot]) > 0) continue;
      this.#sockets.flags[slot] &= ~Flag.writable;
      const failure = errno();
      if (failure !== EAGAIN) this.#sockets.fail(to, failure);
      return false;
    }
    this.#splices.emptied(splice);
    return true;
  }

  #end(handle: Handle): void {
    const slot = slotOf(handle);
    if (this.pending(handle) > 0 && isGone(this.#sockets.fd[slot])) return this.#readFailed(handle, ECONNRESET);
    this.#sockets.flags[slot] = (this.#sockets.flags[slot] | Flag.ended) & ~(Flag.readable | Flag.hangup);
    this.#events.ended(handle);
  }

  #readFailed(handle: Handle, failure: number): void {
    const slot = slotOf(handle);
    if (failure === EAGAIN) this.#sockets.flags[slot] &= ~Flag.readable;
    else if (failure === EINTR) this.#sockets.queue(handle);
    else {
      this.#sockets.failure[slot] = failure;
      this.#deliverFailure(handle);
    }
  }

  /** An edge after the end of input: the peer has reset what it had only half closed, or both sides are done. */
  #afterEnd(handle: Handle): void {
    const slot = slotOf(handle);
    this.#sockets.flags[slot] &= ~Flag.hangup;
    const failure = socketError(this.#sockets.fd[slot]);
    if (failure === 0) return;
    this.#sockets.failure[slot] = failure;
    this.#deliverFailure(handle);
  }

  #deliverFailure(handle: Handle): void {
    const slot = slotOf(handle);
    const failure = this.#sockets.failure[slot];
    this.#sockets.failure[slot] = 0;
    this.#sockets.flags[slot] |= Flag.over;
    this.#waiting[slot]?.clear();
    this.#splices.forget(handle);
    this.#events.failed(handle, failure);
  }

  #deliverClosed(): void {
    if (this.#closed.length === 0) return;
    for (const handle of this.#closed.splice(0)) {
      this.#events.closed(handle);
      this.#sockets.handles.release(handle);
    }
  }

  #feedStarved(): void {
    for (const handle of this.#starved.splice(0)) if (this.#sockets.isOpen(handle)) this.#sockets.queue(handle);
  }

  #watch(fd: number, handle: Handle, events: number): void {
    this.#controlInts[0] = events;
    this.#controlInts[c.epollDataInt] = handle;
    libc.epoll_ctl(this.#epoll, c.EPOLL_CTL_ADD, fd, this.#control.pointer);
  }
}

const watched = c.EPOLLIN | c.EPOLLOUT | c.EPOLLRDHUP | c.EPOLLET;
const readNow = Flag.readable | Flag.reading;
const readMask = readNow | Flag.ended;
const acceptNow = Flag.readable | Flag.accepting;
const endedHangup = Flag.ended | Flag.hangup;
