/**
 * The epoll driver: edge-triggered readiness, non-blocking calls from JavaScript. For Linux where io_uring is refused, as in most
 * containers.
 *
 * Each edge is remembered as a flag of its socket until a call answers EAGAIN, so that no edge is lost while reading is off.
 * A turn handles every ready socket once, each for a bounded number of reads: none can starve the others.
 */
import { constants } from 'node:os';
import { monotonicNow } from '../clock.ts';
import type { BufferId, DriverEvents, ListenOptions, SocketAddress, SocketOptions } from '../driver.ts';
import { type Handle, HandleTable, noHandle, slotOf } from '../handle.ts';
import { BufferPool } from './buffer-pool.ts';
import * as c from './constants.ts';
import { errno, libc, nullPointer } from './libc.ts';
import { mapMemory } from './memory.ts';
import { longestWaitMs, type NativeDriver, type NativeDriverOptions, wakeHandle } from './native-driver.ts';
import {
  localAddress,
  openConnector,
  openListener,
  peerAddress,
  resetOnClose,
  socketError,
  startConnect,
} from './sockets.ts';
import { WaitingWrites } from './waiting-writes.ts';

const { EAGAIN, EINPROGRESS, EINTR, ECONNABORTED } = constants.errno;

const Flag = {
  readable: 1,
  writable: 2,
  /** The peer's FIN is in the receive queue, or behind it. */
  hangup: 4,
  reading: 8,
  connecting: 16,
  listening: 32,
  accepting: 64,
  /** The end of input was delivered. */
  ended: 128,
  failed: 256,
  shutdown: 512,
  /** In the list of this or the next turn. */
  queued: 1024,
  /** `listening` was delivered. */
  announced: 2048,
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
  readonly #handles = new HandleTable();
  readonly #epoll: number;
  readonly #ready = mapMemory(eventsPerWait * 16);
  readonly #readyInts = new Int32Array(this.#ready.buffer);
  readonly #control = mapMemory(16);
  readonly #controlInts = new Int32Array(this.#control.buffer);

  #fd = new Int32Array(0);
  #flags = new Uint16Array(0);
  /** The errno that is to be delivered, 0 for none. */
  #failure = new Int32Array(0);
  readonly #waiting: (WaitingWrites | undefined)[] = [];

  #work: Handle[] = [];
  #nextWork: Handle[] = [];
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
    const work = this.#work;
    this.#work = this.#nextWork;
    this.#nextWork = work;
    for (const handle of work) {
      if (!this.#handles.isCurrent(handle)) continue;
      this.#flags[slotOf(handle)] &= ~Flag.queued;
      this.#step(handle);
    }
    work.length = 0;
    this.#deliverClosed();
    if (this.#starved.length > 0 && !this.#pool.isExhausted) this.#feedStarved();
  }

  listen(options: ListenOptions): Handle {
    const fd = openListener(options);
    const handle = this.#adopt(fd, Flag.listening | Flag.accepting);
    if (handle === noHandle) throw new RangeError('more than 2^20 sockets');
    if (fd >= 0) this.#watch(fd, handle, c.EPOLLIN | c.EPOLLET);
    this.#queue(handle);
    return handle;
  }

  accepting(handle: Handle, on: boolean): void {
    const slot = slotOf(handle);
    if (on) this.#flags[slot] |= Flag.accepting;
    else this.#flags[slot] &= ~Flag.accepting;
    if (on && this.#flags[slot] & Flag.readable) this.#queue(handle);
  }

  connect(address: SocketAddress, options: SocketOptions): Handle {
    const fd = openConnector(address, options);
    const handle = this.#adopt(fd, Flag.connecting);
    if (handle === noHandle || fd < 0) return handle;
    const failure = startConnect(fd, address);
    if (failure === 0 || failure === EINPROGRESS) this.#watch(fd, handle, watched);
    else this.#fail(handle, failure);
    return handle;
  }

  reading(handle: Handle, on: boolean): void {
    const slot = slotOf(handle);
    if (on) {
      this.#flags[slot] |= Flag.reading;
      if (this.#flags[slot] & Flag.readable) this.#queue(handle);
    } else this.#flags[slot] &= ~Flag.reading;
  }

  write(handle: Handle, buffer: BufferId, offset: number, length: number): void {
    const slot = slotOf(handle);
    if (this.#failure[slot] !== 0 || this.#flags[slot] & Flag.failed) {
      this.#pool.give(buffer);
      return;
    }
    const waiting = this.#waiting[slot];
    if (waiting && waiting.bytes > 0) {
      waiting.push(buffer, offset, length);
      return;
    }
    const sent = this.#send(handle, buffer, offset, length);
    if (sent === length || this.#failure[slot] !== 0) this.#pool.give(buffer);
    else {
      this.#waiting[slot] ??= new WaitingWrites(this.#pool);
      this.#waiting[slot].push(buffer, offset + sent, length - sent);
    }
  }

  pending(handle: Handle): number {
    return this.#waiting[slotOf(handle)]?.bytes ?? 0;
  }

  shutdown(handle: Handle): void {
    const slot = slotOf(handle);
    this.#flags[slot] |= Flag.shutdown;
    if (this.pending(handle) === 0) libc.shutdown(this.#fd[slot], c.SHUT_WR);
  }

  close(handle: Handle): void {
    const slot = slotOf(handle);
    if (this.#fd[slot] >= 0) libc.close(this.#fd[slot]);
    this.#waiting[slot]?.clear();
    this.#waiting[slot] = undefined;
    this.#fd[slot] = -1;
    // Retired at once: what is still queued for the handle finds it gone. The slot is free when `closed` has been delivered.
    this.#flags[slot] = Flag.failed;
    this.#failure[slot] = 0;
    this.#closed.push(handle);
  }

  reset(handle: Handle): void {
    if (this.#fd[slotOf(handle)] >= 0) resetOnClose(this.#fd[slotOf(handle)]);
    this.close(handle);
  }

  bytes(buffer: BufferId): Uint8Array {
    return this.#pool.view(buffer);
  }

  keep(buffer: BufferId, offset: number, length: number): BufferId {
    return offset === 0 && !this.#pool.isScarce ? buffer : this.#pool.copyOut(buffer, offset, length);
  }

  release(buffer: BufferId): void {
    this.#pool.give(buffer);
  }

  peer(handle: Handle): string {
    return peerAddress(this.#fd[slotOf(handle)]);
  }

  ledger(): { sockets: number; buffers: number } {
    return { sockets: this.#handles.live, buffers: this.#pool.inUse };
  }

  /** Closes the driver's own descriptors; its sockets are closed before. */
  destroy(): void {
    libc.close(this.#epoll);
  }

  #timeout(longestMs: number): number {
    if (this.#work.length > 0 || this.#closed.length > 0) return 0;
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
    if (!this.#handles.isCurrent(handle)) return;
    let noted = 0;
    if (ready & (c.EPOLLIN | c.EPOLLRDHUP | c.EPOLLHUP | c.EPOLLERR)) noted |= Flag.readable;
    if (ready & (c.EPOLLRDHUP | c.EPOLLHUP | c.EPOLLERR)) noted |= Flag.hangup;
    if (ready & (c.EPOLLOUT | c.EPOLLHUP | c.EPOLLERR)) noted |= Flag.writable;
    this.#flags[slotOf(handle)] |= noted;
    this.#queue(handle);
  }

  /** All that can go on at a socket. Every event may close it, so each step looks whether it is still there. */
  #step(handle: Handle): void {
    const slot = slotOf(handle);
    const flags = this.#flags[slot];
    if (flags & Flag.failed) return;
    if (this.#failure[slot] !== 0) return this.#deliverFailure(handle);
    if (flags & Flag.listening) return this.#stepListener(handle);
    if (flags & Flag.connecting) return this.#stepConnecting(handle);
    if (flags & Flag.writable && this.#waiting[slot]?.bytes) this.#flush(handle);
    if (this.#isOpen(handle) && (this.#flags[slot] & readMask) === readNow) this.#read(handle);
    if (this.#isOpen(handle) && (this.#flags[slot] & endedHangup) === endedHangup) this.#afterEnd(handle);
  }

  #isOpen(handle: Handle): boolean {
    return this.#handles.isCurrent(handle) && (this.#flags[slotOf(handle)] & Flag.failed) === 0;
  }

  #stepListener(handle: Handle): void {
    const slot = slotOf(handle);
    if (!(this.#flags[slot] & Flag.announced)) {
      this.#flags[slot] |= Flag.announced;
      this.#events.listening(handle, localAddress(this.#fd[slot]));
    }
    for (let i = 0; i < acceptsPerTurn; i++) {
      if ((this.#flags[slot] & acceptNow) !== acceptNow || !this.#isOpen(handle)) return;
      const fd = libc.accept4(this.#fd[slot], nullPointer, nullPointer, c.SOCK_NONBLOCK | c.SOCK_CLOEXEC);
      if (fd >= 0) this.#accepted(handle, fd);
      else if (!this.#acceptFailed(handle, errno())) return;
    }
    this.#queue(handle);
  }

  #accepted(listener: Handle, fd: number): void {
    const socket = this.#adopt(fd, Flag.writable);
    if (socket === noHandle) {
      libc.close(fd);
      return;
    }
    this.#watch(fd, socket, watched);
    this.#events.accepted(listener, socket);
  }

  /** @returns whether the next connection may be tried at once */
  #acceptFailed(listener: Handle, failure: number): boolean {
    if (failure === EINTR) return true;
    if (failure === EAGAIN) {
      this.#flags[slotOf(listener)] &= ~Flag.readable;
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
    for (const listener of this.#blockedListeners.splice(0)) if (this.#isOpen(listener)) this.#queue(listener);
  }

  #stepConnecting(handle: Handle): void {
    const slot = slotOf(handle);
    if (!(this.#flags[slot] & Flag.writable)) return;
    const failure = socketError(this.#fd[slot]);
    if (failure !== 0) {
      this.#failure[slot] = failure;
      return this.#deliverFailure(handle);
    }
    this.#flags[slot] &= ~Flag.connecting;
    this.#events.connected(handle);
    if (this.#isOpen(handle) && (this.#flags[slot] & readMask) === readNow) this.#queue(handle);
  }

  #flush(handle: Handle): void {
    const slot = slotOf(handle);
    const waiting = this.#waiting[slot] as WaitingWrites;
    for (let first = waiting.first; first; first = waiting.first) {
      const { buffer, offset, length } = first;
      const sent = this.#send(handle, buffer, offset, length);
      if (this.#failure[slot] !== 0) return this.#deliverFailure(handle);
      waiting.took(sent);
      if (sent < length) return;
    }
    if (this.#flags[slot] & Flag.shutdown) libc.shutdown(this.#fd[slot], c.SHUT_WR);
    this.#events.drained(handle);
  }

  /** @returns the bytes the kernel took; fewer than `length` clears `writable`. A failure is kept for its delivery. */
  #send(handle: Handle, buffer: BufferId, offset: number, length: number): number {
    const slot = slotOf(handle);
    const start = this.#pool.pointer(buffer);
    const pointer = offset === 0 ? start : start + BigInt(offset);
    let sent = libc.write(this.#fd[slot], pointer, length);
    if (sent < 0) {
      const failure = errno();
      if (failure !== EAGAIN && failure !== EINTR) this.#fail(handle, failure);
      sent = 0;
    }
    if (sent < length) this.#flags[slot] &= ~Flag.writable;
    return sent;
  }

  #read(handle: Handle): void {
    const slot = slotOf(handle);
    const pool = this.#pool;
    for (let i = 0; i < readsPerTurn; i++) {
      const buffer = pool.take();
      if (buffer < 0) {
        this.#starved.push(handle);
        return;
      }
      const received = libc.read(this.#fd[slot], pool.pointer(buffer), bufferBytes);
      if (received <= 0) {
        pool.give(buffer);
        return received === 0 ? this.#end(handle) : this.#readFailed(handle, errno());
      }
      // A short read has emptied the queue: what comes later comes with a new edge, but a FIN may be there already.
      const isEmpty = received < bufferBytes && !(this.#flags[slot] & Flag.hangup);
      if (isEmpty) this.#flags[slot] &= ~Flag.readable;
      this.#events.data(handle, buffer, 0, received);
      if (isEmpty || !this.#isOpen(handle) || !(this.#flags[slot] & Flag.reading)) return;
    }
    this.#queue(handle);
  }

  #end(handle: Handle): void {
    const slot = slotOf(handle);
    this.#flags[slot] = (this.#flags[slot] | Flag.ended) & ~(Flag.readable | Flag.hangup);
    this.#events.ended(handle);
  }

  #readFailed(handle: Handle, failure: number): void {
    const slot = slotOf(handle);
    if (failure === EAGAIN) this.#flags[slot] &= ~Flag.readable;
    else if (failure === EINTR) this.#queue(handle);
    else {
      this.#failure[slot] = failure;
      this.#deliverFailure(handle);
    }
  }

  /** An edge after the end of input: the peer has reset what it had only half closed, or both sides are done. */
  #afterEnd(handle: Handle): void {
    const slot = slotOf(handle);
    this.#flags[slot] &= ~Flag.hangup;
    const failure = socketError(this.#fd[slot]);
    if (failure === 0) return;
    this.#failure[slot] = failure;
    this.#deliverFailure(handle);
  }

  /** Keeps a failure met in a command for the next turn: commands never call back. */
  #fail(handle: Handle, failure: number): void {
    this.#failure[slotOf(handle)] = failure;
    this.#queue(handle);
  }

  #deliverFailure(handle: Handle): void {
    const slot = slotOf(handle);
    const failure = this.#failure[slot];
    this.#failure[slot] = 0;
    this.#flags[slot] |= Flag.failed;
    this.#waiting[slot]?.clear();
    this.#events.failed(handle, failure);
  }

  #deliverClosed(): void {
    if (this.#closed.length === 0) return;
    for (const handle of this.#closed.splice(0)) {
      this.#events.closed(handle);
      this.#handles.release(handle);
    }
  }

  #feedStarved(): void {
    for (const handle of this.#starved.splice(0)) if (this.#isOpen(handle)) this.#queue(handle);
  }

  #queue(handle: Handle): void {
    const slot = slotOf(handle);
    if (this.#flags[slot] & Flag.queued) return;
    this.#flags[slot] |= Flag.queued;
    this.#work.push(handle);
  }

  #adopt(fd: number, flags: number): Handle {
    const handle = this.#handles.take();
    if (handle === noHandle) return handle;
    const slot = slotOf(handle);
    if (slot >= this.#fd.length) this.#grow(slot);
    this.#fd[slot] = fd < 0 ? -1 : fd;
    this.#flags[slot] = flags;
    this.#failure[slot] = 0;
    if (fd < 0) this.#fail(handle, -fd);
    return handle;
  }

  #watch(fd: number, handle: Handle, events: number): void {
    this.#controlInts[0] = events;
    this.#controlInts[c.epollDataInt] = handle;
    libc.epoll_ctl(this.#epoll, c.EPOLL_CTL_ADD, fd, this.#control.pointer);
  }

  #grow(slot: number): void {
    const size = Math.max(256, slot + 1, this.#fd.length * 2);
    const fd = new Int32Array(size);
    fd.set(this.#fd);
    this.#fd = fd;
    const flags = new Uint16Array(size);
    flags.set(this.#flags);
    this.#flags = flags;
    const failure = new Int32Array(size);
    failure.set(this.#failure);
    this.#failure = failure;
  }
}

const watched = c.EPOLLIN | c.EPOLLOUT | c.EPOLLRDHUP | c.EPOLLET;
const readNow = Flag.readable | Flag.reading;
const readMask = readNow | Flag.ended;
const acceptNow = Flag.readable | Flag.accepting;
const endedHangup = Flag.ended | Flag.hangup;
