/**
 * The io_uring driver: multishot accept and receive, everything submitted and reaped by one system call per turn.
 *
 * A multishot receive cannot be paused, only cancelled: reading is turned off by keeping what still comes (`held`), and the
 * receive is cancelled when that grows. A socket's slot is given back when the kernel has no operation of it any more.
 */
import { constants } from 'node:os';
import { monotonicNow } from '../clock.ts';
import type { BufferId, DriverEvents, ListenOptions, SocketAddress, SocketOptions } from '../driver.ts';
import { type Handle, HandleTable, noHandle, slotOf } from '../handle.ts';
import { BufferPool } from './buffer-pool.ts';
import * as c from './constants.ts';
import { libc } from './libc.ts';
import { mapMemory } from './memory.ts';
import { longestWaitMs, type NativeDriver, type NativeDriverOptions, wakeHandle } from './native-driver.ts';
import { ReceiveRing, receiveGroup } from './receive-ring.ts';
import { Ring } from './ring.ts';
import { writeSockaddr } from './sockaddr.ts';
import { localAddress, openConnector, openListener, peerAddress, resetOnClose } from './sockets.ts';
import { WaitingWrites } from './waiting-writes.ts';

const { EAGAIN, ENOBUFS, ECANCELED, EINTR, ECONNABORTED } = constants.errno;

/** Opcodes, flags and priorities of submission entries, from io_uring.h. */
const Op = { accept: 13, cancel: 14, connect: 16, close: 19, read: 22, send: 26, receive: 27, shutdown: 34 } as const;
const acceptWord = Op.accept | (1 << 16);
const receiveWord = Op.receive | (0x20 << 8) | (2 << 16);
const cancelAllOfFd = 3;
const completionMore = 2;

const Flag = {
  reading: 1,
  listening: 2,
  accepting: 4,
  connecting: 8,
  /** Operations the kernel has of this socket. */
  receiveArmed: 16,
  sending: 32,
  shuttingDown: 64,
  acceptArmed: 128,
  cancelled: 256,
  /** Input has ended: no receive will be armed again. */
  inputOver: 1024,
  ended: 2048,
  failed: 4096,
  shutdown: 8192,
  closing: 16384,
  queued: 32768,
} as const;
const inKernel = Flag.receiveArmed | Flag.sending | Flag.shuttingDown | Flag.acceptArmed | Flag.connecting;

const receiving = Flag.receiveArmed | Flag.cancelled;

const entries = 4096;
const bufferBytes = 16 * 1024;
const bufferLimit = 4096;
/** Chunks kept while reading is off before the receive is cancelled. */
const heldBeforeCancel = 4;
const acceptRetryMs = 100;

interface Held {
  readonly buffers: BufferId[];
  readonly lengths: number[];
}

export class UringDriver implements NativeDriver {
  readonly kind = 'uring';
  readonly #events: DriverEvents;
  readonly #wake: NativeDriverOptions['wake'];
  readonly #wakeMemory = mapMemory(8);
  readonly #handles = new HandleTable();
  readonly #pool: BufferPool;
  readonly #ring: Ring;
  readonly #receives: ReceiveRing;

  #fd = new Int32Array(0);
  #flags = new Uint16Array(0);
  #failure = new Int32Array(0);
  #sendBuffer = new Int32Array(0);
  #sendOffset = new Int32Array(0);
  #sendLength = new Int32Array(0);
  readonly #waiting: (WaitingWrites | undefined)[] = [];
  readonly #held: (Held | undefined)[] = [];
  readonly #parked: (number[] | undefined)[] = [];

  #work: Handle[] = [];
  #nextWork: Handle[] = [];
  #starved: Handle[] = [];
  #retryAcceptAt = Number.POSITIVE_INFINITY;
  readonly #blockedListeners: Handle[] = [];
  #wakeAt = Number.POSITIVE_INFINITY;
  #now = monotonicNow();

  constructor(events: DriverEvents, { wake, buffers = bufferLimit, debug = false }: NativeDriverOptions = {}) {
    this.#events = events;
    this.#wake = wake;
    this.#ring = new Ring(entries);
    this.#pool = new BufferPool({ bytes: bufferBytes, step: 64, limit: buffers, debug });
    this.#receives = new ReceiveRing(this.#ring, this.#pool);
    if (wake) this.#armWake();
  }

  now(): number {
    return this.#now;
  }

  wakeAt(time: number): void {
    this.#wakeAt = time;
  }

  turn(longestMs = longestWaitMs): void {
    const isIdle = this.#work.length === 0;
    const next = Math.min(this.#wakeAt, this.#retryAcceptAt) - monotonicNow();
    this.#ring.enter(isIdle ? 1 : 0, isIdle ? Math.min(next, longestMs) : 0);
    this.#now = monotonicNow();
    this.#ring.reap(this.#complete);
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
    if (this.#receives.refill() && this.#starved.length > 0) {
      for (const handle of this.#starved.splice(0)) if (this.#handles.isCurrent(handle)) this.#armReceive(handle);
    }
  }

  listen(options: ListenOptions): Handle {
    const handle = this.#adopt(openListener(options), Flag.listening | Flag.accepting);
    if (handle === noHandle) throw new RangeError('more than 2^20 sockets');
    this.#queue(handle);
    return handle;
  }

  accepting(handle: Handle, on: boolean): void {
    const slot = slotOf(handle);
    if (on) {
      this.#flags[slot] |= Flag.accepting;
      this.#queue(handle);
    } else {
      this.#flags[slot] &= ~Flag.accepting;
      if (this.#flags[slot] & Flag.acceptArmed) this.#cancel(handle);
    }
  }

  connect(address: SocketAddress, options: SocketOptions): Handle {
    const fd = openConnector(address, options);
    const handle = this.#adopt(fd, fd < 0 ? 0 : Flag.connecting);
    if (handle === noHandle || fd < 0) return handle;
    const ring = this.#ring;
    const at = ring.prepare(Op.connect, fd, Op.connect, handle);
    const offset = ring.scratchOffset(at);
    ring.entry[at + 2] = writeSockaddr(ring.scratch, address, offset);
    this.#setAddress(at, ring.scratch.pointer + BigInt(offset));
    return handle;
  }

  reading(handle: Handle, on: boolean): void {
    const slot = slotOf(handle);
    if (!on) {
      this.#flags[slot] &= ~Flag.reading;
      return;
    }
    this.#flags[slot] |= Flag.reading;
    if (this.#held[slot] || this.#flags[slot] & Flag.inputOver) this.#queue(handle);
    else this.#armReceive(handle);
  }

  write(handle: Handle, buffer: BufferId, offset: number, length: number): void {
    const slot = slotOf(handle);
    if (this.#failure[slot] !== 0 || this.#flags[slot] & Flag.failed) {
      this.#pool.give(buffer);
      return;
    }
    if (this.#flags[slot] & Flag.sending) {
      this.#waiting[slot] ??= new WaitingWrites(this.#pool);
      this.#waiting[slot].push(buffer, offset, length);
      return;
    }
    this.#sendBuffer[slot] = buffer;
    this.#sendOffset[slot] = offset;
    this.#sendLength[slot] = length;
    this.#submitSend(handle);
  }

  pending(handle: Handle): number {
    const slot = slotOf(handle);
    const direct = this.#sendBuffer[slot] >= 0 ? this.#sendLength[slot] : 0;
    return direct + (this.#waiting[slot]?.bytes ?? 0);
  }

  shutdown(handle: Handle): void {
    this.#flags[slotOf(handle)] |= Flag.shutdown;
    if (this.pending(handle) === 0) this.#submitShutdown(handle);
  }

  close(handle: Handle): void {
    const slot = slotOf(handle);
    this.#flags[slot] |= Flag.closing | Flag.failed;
    this.#dropHeld(slot);
    for (const fd of this.#parked[slot]?.splice(0) ?? []) libc.close(fd);
    this.#parked[slot] = undefined;
    if ((this.#flags[slot] & (inKernel & ~Flag.shuttingDown)) !== 0) this.#cancel(handle);
    this.#closeWhenIdle(handle);
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
    return { sockets: this.#handles.live, buffers: this.#pool.inUse - this.#receives.size };
  }

  destroy(): void {
    this.#ring.close();
  }

  // ---- completions ----------------------------------------------------------------------------------------------------

  readonly #complete = (tag: number, data: number, result: number, flags: number): void => {
    const handle = data as Handle;
    switch (tag) {
      case Op.receive:
        return this.#received(handle, result, flags);
      case Op.send:
        return this.#sent(handle, result);
      case Op.accept:
        return this.#acceptedOne(handle, result, flags);
      case Op.connect:
        return this.#connectDone(handle, result);
      case Op.shutdown:
        this.#flags[slotOf(handle)] &= ~Flag.shuttingDown;
        return this.#closeWhenIdle(handle);
      case Op.close:
        this.#events.closed(handle);
        this.#handles.release(handle);
        return;
      case Op.read:
        this.#wake?.onWake();
        return this.#armWake();
    }
  };

  #received(handle: Handle, result: number, flags: number): void {
    const slot = slotOf(handle);
    if (!(flags & completionMore)) this.#flags[slot] &= ~(Flag.receiveArmed | Flag.cancelled);
    if (result > 0) {
      this.#receives.taken();
      const buffer = flags >>> 16;
      if (this.#flags[slot] & Flag.closing) this.#pool.give(buffer);
      else if (this.#flags[slot] & Flag.reading && !this.#held[slot]) this.#events.data(handle, buffer, 0, result);
      else this.#hold(handle, buffer, result);
    } else if (result === -ENOBUFS) this.#receives.ranOut();
    else if (result !== -ECANCELED && result !== -EINTR) {
      this.#flags[slot] |= Flag.inputOver;
      if (result < 0 && this.#failure[slot] === 0) this.#failure[slot] = -result;
      this.#queue(handle);
    }
    if (flags & completionMore) return;
    if (this.#flags[slot] & Flag.closing) this.#closeWhenIdle(handle);
    else if (result === -ENOBUFS) this.#starved.push(handle);
    else this.#armReceive(handle);
  }

  #hold(handle: Handle, buffer: BufferId, length: number): void {
    const slot = slotOf(handle);
    this.#held[slot] ??= { buffers: [], lengths: [] };
    const { buffers, lengths } = this.#held[slot];
    buffers.push(this.#pool.isScarce ? this.#pool.copyOut(buffer, 0, length) : buffer);
    lengths.push(length);
    const flags = this.#flags[slot];
    if (flags & Flag.reading) this.#queue(handle);
    else if (buffers.length >= heldBeforeCancel && (flags & receiving) === Flag.receiveArmed)
      this.#cancelReceive(handle);
  }

  #sent(handle: Handle, result: number): void {
    const slot = slotOf(handle);
    this.#flags[slot] &= ~Flag.sending;
    if (this.#flags[slot] & Flag.closing) return this.#closeWhenIdle(handle);
    if (result < 0 && result !== -EAGAIN && result !== -EINTR) {
      this.#dropWrites(slot);
      if (this.#failure[slot] === 0) this.#failure[slot] = -result;
      return this.#queue(handle);
    }
    this.#took(handle, Math.max(0, result));
    if (this.#sendBuffer[slot] >= 0) return this.#submitSend(handle);
    if (this.#flags[slot] & Flag.shutdown) this.#submitShutdown(handle);
    this.#events.drained(handle);
  }

  /** The kernel has taken `n` bytes of the send in flight. What is left, or waits next, takes its place. */
  #took(handle: Handle, n: number): void {
    const slot = slotOf(handle);
    if (n < this.#sendLength[slot]) {
      this.#sendOffset[slot] += n;
      this.#sendLength[slot] -= n;
      if (!this.#pool.isScarce || this.#pool.isCopy(this.#sendBuffer[slot])) return;
      // The reader is slow and buffers are short: its bytes wait elsewhere.
      this.#sendBuffer[slot] = this.#pool.copyOut(
        this.#sendBuffer[slot],
        this.#sendOffset[slot],
        this.#sendLength[slot],
      );
      this.#sendOffset[slot] = 0;
      return;
    }
    this.#pool.give(this.#sendBuffer[slot]);
    this.#sendBuffer[slot] = -1;
    const waiting = this.#waiting[slot];
    if (!waiting?.bytes) return;
    const { buffer, offset, length } = waiting.shift();
    this.#sendBuffer[slot] = buffer;
    this.#sendOffset[slot] = offset;
    this.#sendLength[slot] = length;
  }

  #acceptedOne(listener: Handle, result: number, flags: number): void {
    const slot = slotOf(listener);
    if (!(flags & completionMore)) this.#flags[slot] &= ~Flag.acceptArmed;
    if (result >= 0) {
      if ((this.#flags[slot] & (Flag.accepting | Flag.closing)) === Flag.accepting)
        this.#deliverAccepted(listener, result);
      else if (this.#flags[slot] & Flag.closing) libc.close(result);
      else {
        this.#parked[slot] ??= [];
        this.#parked[slot].push(result);
      }
    } else if (result !== -ECANCELED && result !== -EINTR && result !== -EAGAIN) {
      this.#events.acceptFailed(listener, -result);
      if (result !== -ECONNABORTED) {
        this.#blockedListeners.push(listener);
        this.#retryAcceptAt = this.#now + acceptRetryMs;
        return;
      }
    }
    if (flags & completionMore) return;
    if (this.#flags[slot] & Flag.closing) this.#closeWhenIdle(listener);
    else if (this.#flags[slot] & Flag.accepting) this.#armAccept(listener);
  }

  #connectDone(handle: Handle, result: number): void {
    const slot = slotOf(handle);
    this.#flags[slot] &= ~Flag.connecting;
    if (this.#flags[slot] & Flag.closing) return this.#closeWhenIdle(handle);
    if (result < 0) {
      this.#failure[slot] = -result;
      return this.#deliverFailure(handle);
    }
    this.#events.connected(handle);
  }

  // ---- work of a turn -------------------------------------------------------------------------------------------------

  /** What could not be delivered from a command, or was held: now it can. */
  #step(handle: Handle): void {
    const slot = slotOf(handle);
    if (this.#flags[slot] & Flag.failed) return;
    if (this.#flags[slot] & Flag.listening) return this.#stepListener(handle);
    this.#deliverHeld(handle);
    if (!this.#isOpen(handle)) return;
    if (this.#failure[slot] !== 0 && !this.#held[slot]) return this.#deliverFailure(handle);
    const readable = this.#flags[slot] & (Flag.reading | Flag.inputOver | Flag.ended);
    if (readable === (Flag.reading | Flag.inputOver) && !this.#held[slot]) {
      this.#flags[slot] |= Flag.ended;
      this.#events.ended(handle);
    } else this.#armReceive(handle);
  }

  #deliverHeld(handle: Handle): void {
    const slot = slotOf(handle);
    while (this.#held[slot] && this.#isOpen(handle) && this.#flags[slot] & Flag.reading) {
      const { buffers, lengths } = this.#held[slot];
      const buffer = buffers.shift() as BufferId;
      const length = lengths.shift() as number;
      if (buffers.length === 0) this.#held[slot] = undefined;
      this.#events.data(handle, buffer, 0, length);
    }
  }

  #stepListener(handle: Handle): void {
    const slot = slotOf(handle);
    if (this.#failure[slot] !== 0) return this.#deliverFailure(handle);
    if (!(this.#flags[slot] & Flag.ended)) {
      // A listener has no input that could end: the flag says that it was announced.
      this.#flags[slot] |= Flag.ended;
      this.#events.listening(handle, localAddress(this.#fd[slot]));
    }
    while (this.#isOpen(handle) && this.#flags[slot] & Flag.accepting) {
      const fd = this.#parked[slot]?.shift();
      if (fd === undefined) break;
      this.#deliverAccepted(handle, fd);
    }
    if (this.#isOpen(handle) && this.#flags[slot] & Flag.accepting) this.#armAccept(handle);
  }

  #deliverAccepted(listener: Handle, fd: number): void {
    const socket = this.#adopt(fd, 0);
    if (socket === noHandle) libc.close(fd);
    else this.#events.accepted(listener, socket);
  }

  #deliverFailure(handle: Handle): void {
    const slot = slotOf(handle);
    const failure = this.#failure[slot];
    this.#flags[slot] |= Flag.failed;
    this.#dropHeld(slot);
    this.#events.failed(handle, failure);
  }

  #retryAccept(): void {
    this.#retryAcceptAt = Number.POSITIVE_INFINITY;
    for (const listener of this.#blockedListeners.splice(0)) if (this.#isOpen(listener)) this.#queue(listener);
  }

  // ---- submissions ----------------------------------------------------------------------------------------------------

  #armReceive(handle: Handle): void {
    const slot = slotOf(handle);
    const wanted =
      this.#flags[slot] & (Flag.reading | Flag.receiveArmed | Flag.inputOver | Flag.failed | Flag.connecting);
    if (wanted !== Flag.reading || this.#held[slot]) return;
    const at = this.#ring.prepare(receiveWord, this.#fd[slot], Op.receive, handle);
    this.#ring.entry[at + 10] = receiveGroup;
    this.#flags[slot] |= Flag.receiveArmed;
  }

  #submitSend(handle: Handle): void {
    const slot = slotOf(handle);
    const at = this.#ring.prepare(Op.send, this.#fd[slot], Op.send, handle);
    const entry = this.#ring.entry;
    const buffer = this.#sendBuffer[slot];
    const low = (this.#pool.low(buffer) >>> 0) + this.#sendOffset[slot];
    this.#flags[slot] |= Flag.sending;
    entry[at + 4] = low | 0;
    entry[at + 5] = this.#pool.high(buffer) + (low > 0xffff_ffff ? 1 : 0);
    entry[at + 6] = this.#sendLength[slot];
    // The kernel keeps the bytes until the reader takes them all; but a buffer of the pool, when they are short, only if it need not wait.
    const mayWait = !this.#pool.isScarce || this.#pool.isCopy(buffer);
    entry[at + 7] = c.MSG_NOSIGNAL | (mayWait ? c.MSG_WAITALL : c.MSG_DONTWAIT);
  }

  #submitShutdown(handle: Handle): void {
    const slot = slotOf(handle);
    const at = this.#ring.prepare(Op.shutdown, this.#fd[slot], Op.shutdown, handle);
    this.#ring.entry[at + 6] = c.SHUT_WR;
    this.#flags[slot] |= Flag.shuttingDown;
  }

  #armAccept(listener: Handle): void {
    const slot = slotOf(listener);
    if (this.#flags[slot] & Flag.acceptArmed) return;
    const at = this.#ring.prepare(acceptWord, this.#fd[slot], Op.accept, listener);
    this.#ring.entry[at + 7] = c.SOCK_CLOEXEC | c.SOCK_NONBLOCK;
    this.#flags[slot] |= Flag.acceptArmed;
  }

  #armWake(): void {
    const { fd } = this.#wake as { fd: number };
    const at = this.#ring.prepare(Op.read, fd, Op.read, wakeHandle);
    this.#setAddress(at, this.#wakeMemory.pointer);
    this.#ring.entry[at + 6] = 8;
  }

  /** Cancels every operation the kernel has of the socket. */
  #cancel(handle: Handle): void {
    const at = this.#ring.prepare(Op.cancel, this.#fd[slotOf(handle)], Op.cancel, handle);
    this.#ring.entry[at + 7] = cancelAllOfFd;
  }

  #cancelReceive(handle: Handle): void {
    const at = this.#ring.prepare(Op.cancel, -1, Op.cancel, handle);
    this.#ring.entry[at + 4] = handle;
    this.#ring.entry[at + 5] = Op.receive;
    this.#flags[slotOf(handle)] |= Flag.cancelled;
  }

  /** The descriptor is closed, and the slot free, only when the kernel has nothing of it any more. */
  #closeWhenIdle(handle: Handle): void {
    const slot = slotOf(handle);
    if (!(this.#flags[slot] & Flag.closing) || this.#flags[slot] & inKernel) return;
    this.#dropWrites(slot);
    const fd = this.#fd[slot];
    this.#fd[slot] = -1;
    // A close of -1 fails and completes all the same: `closed` always comes by this way, once.
    this.#ring.prepare(Op.close, fd, Op.close, handle);
  }

  #setAddress(at: number, pointer: bigint): void {
    this.#ring.entry[at + 4] = Number(BigInt.asIntN(32, pointer));
    this.#ring.entry[at + 5] = Number(pointer >> 32n);
  }

  // ---- rows -----------------------------------------------------------------------------------------------------------

  #isOpen(handle: Handle): boolean {
    return this.#handles.isCurrent(handle) && (this.#flags[slotOf(handle)] & Flag.failed) === 0;
  }

  #queue(handle: Handle): void {
    const slot = slotOf(handle);
    if (this.#flags[slot] & Flag.queued) return;
    this.#flags[slot] |= Flag.queued;
    this.#work.push(handle);
  }

  #dropHeld(slot: number): void {
    for (const buffer of this.#held[slot]?.buffers ?? []) this.#pool.give(buffer);
    this.#held[slot] = undefined;
  }

  #dropWrites(slot: number): void {
    if (this.#sendBuffer[slot] >= 0) this.#pool.give(this.#sendBuffer[slot]);
    this.#sendBuffer[slot] = -1;
    this.#waiting[slot]?.clear();
    this.#waiting[slot] = undefined;
  }

  #adopt(fd: number, flags: number): Handle {
    const handle = this.#handles.take();
    if (handle === noHandle) {
      if (fd >= 0) libc.close(fd);
      return handle;
    }
    const slot = slotOf(handle);
    if (slot >= this.#fd.length) this.#grow(slot);
    this.#fd[slot] = fd < 0 ? -1 : fd;
    this.#flags[slot] = flags;
    this.#failure[slot] = 0;
    this.#sendBuffer[slot] = -1;
    if (fd < 0) {
      this.#failure[slot] = -fd;
      this.#queue(handle);
    }
    return handle;
  }

  #grow(slot: number): void {
    const size = Math.max(256, slot + 1, this.#fd.length * 2);
    const grown = (old: Int32Array): Int32Array<ArrayBuffer> => {
      const larger = new Int32Array(size);
      larger.set(old);
      return larger;
    };
    this.#fd = grown(this.#fd);
    this.#failure = grown(this.#failure);
    this.#sendBuffer = grown(this.#sendBuffer);
    this.#sendOffset = grown(this.#sendOffset);
    this.#sendLength = grown(this.#sendLength);
    const flags = new Uint16Array(size);
    flags.set(this.#flags);
    this.#flags = flags;
  }
}
