/**
 * The io_uring driver: multishot accept and receive, everything submitted and reaped by one system call per turn.
 *
 * A multishot receive cannot be paused, only cancelled: reading is turned off by keeping what still comes (`held`), and the
 * receive is cancelled when that grows. A socket's slot is given back when the kernel has no operation of it any more.
 */
import { constants } from 'node:os';
import { monotonicNow } from '../../clock.ts';
import type { BufferId, DriverEvents, ListenOptions, SocketAddress, SocketOptions } from '../../driver.ts';
import { type Handle, noHandle, slotOf } from '../../handle.ts';
import { BufferPool } from '../base/buffer-pool.ts';
import { longestWaitMs, type NativeDriver, type NativeDriverOptions, wakeHandle } from '../base/native-driver.ts';
import { SocketTable } from '../base/socket-table.ts';
import { type Splice, Splices } from '../base/splices.ts';
import { SHUT_WR } from '../kernel/constants.ts';
import { errno, libc } from '../kernel/libc.ts';
import { mapMemory } from '../kernel/memory.ts';
import {
  adjustListener,
  isGone,
  localAddress,
  openConnector,
  openListener,
  peerAddress,
  resetOnClose,
  unacknowledged,
} from '../kernel/sockets.ts';
import { Gulps } from './bulk-reads.ts';
import { DirectDescriptors } from './direct-descriptors.ts';
import { Flag, inKernel, inputBusy, receiving } from './flags.ts';
import { Operation, Operations } from './operations.ts';
import { ReceiveRing } from './receive-ring.ts';
import { Ring } from './ring.ts';
import { Sends } from './sends.ts';

const { EAGAIN, ENOBUFS, ECANCELED, EINTR, ECONNABORTED, ECONNRESET } = constants.errno;

const completionMore = 2;

const entries = 4096;
const chunkBytes = 16 * 1024;
const bufferBytes = 64 * 1024;
const bufferLimit = 2048;
/** Chunks kept while reading is off before the receive is cancelled. */
const heldBeforeCancel = 4;
const movesPerTurn = 4;
const gulpsPerTurn = 4;
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
  readonly #sockets = new SocketTable(rows => {
    this.#sends.grow(rows);
    this.#gulps.grow(rows);
  });
  readonly #splices = new Splices(this.#sockets);
  readonly #pool: BufferPool;
  readonly #ring: Ring;
  readonly #operations: Operations;
  readonly #sends: Sends;
  readonly #direct: DirectDescriptors;
  readonly #receives: ReceiveRing;
  readonly #gulps: Gulps;

  readonly #held = this.#sockets.column<Held>();
  /** Descriptors accepted after a listener was told to stop. */
  readonly #parked = this.#sockets.column<number[]>();

  #starved: Handle[] = [];
  #retryAcceptAt = Number.POSITIVE_INFINITY;
  readonly #blockedListeners: Handle[] = [];
  #wakeAt = Number.POSITIVE_INFINITY;
  #now = monotonicNow();

  constructor(events: DriverEvents, { wake, buffers = bufferLimit, debug = false }: NativeDriverOptions = {}) {
    this.#events = events;
    this.#wake = wake;
    this.#ring = new Ring(entries);
    this.#operations = new Operations(this.#ring);
    this.#pool = new BufferPool({ bytes: bufferBytes, step: 64, limit: buffers, debug });
    this.#direct = new DirectDescriptors(this.#ring);
    this.#sends = new Sends(this.#sockets, this.#pool, this.#operations);
    this.#receives = new ReceiveRing(this.#ring, this.#pool, chunkBytes);
    this.#gulps = new Gulps(this.#sockets, this.#pool);
    if (wake) this.#armWake();
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
    const next = Math.min(this.#wakeAt, this.#retryAcceptAt) - monotonicNow();
    const wait = this.#sockets.hasWork ? 0 : Math.max(0, Math.min(next, longestMs));
    this.#ring.enter(wait > 0 ? 1 : 0, wait);
    this.#now = monotonicNow();
    this.#ring.reap(this.#complete);
    if (this.#now >= this.#retryAcceptAt) this.#retryAccept();
    if (this.#now >= this.#wakeAt) {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      this.#events.woken();
    }
    this.#sockets.work(this.#step);
    if (this.#receives.refill() && this.#starved.length > 0) {
      for (const handle of this.#starved.splice(0))
        if (this.#sockets.handles.isCurrent(handle)) this.#armReceive(handle);
    }
  }

  listen(options: ListenOptions): Handle {
    const handle = this.#sockets.adopt(openListener(options), Flag.listening | Flag.accepting);
    if (handle === noHandle) throw new RangeError('more than 2^20 sockets');
    this.#sockets.queue(handle);
    return handle;
  }

  accepting(handle: Handle, on: boolean): void {
    const slot = slotOf(handle);
    if (on) {
      this.#sockets.flags[slot] |= Flag.accepting;
      this.#sockets.queue(handle);
    } else {
      this.#sockets.flags[slot] &= ~Flag.accepting;
      if (this.#sockets.flags[slot] & Flag.acceptArmed) this.#operations.cancel(handle, this.#sockets.fd[slot]);
    }
  }

  adjust(handle: Handle, options: Pick<ListenOptions, 'backlog' | 'socket'>): void {
    const fd = this.#sockets.fd[slotOf(handle)];
    if (fd >= 0) adjustListener(fd, options);
  }

  connect(address: SocketAddress, options: SocketOptions): Handle {
    const fd = openConnector(address, options);
    const handle = this.#sockets.adopt(fd, fd < 0 ? 0 : Flag.connecting);
    if (handle === noHandle || fd < 0) return handle;
    this.#operations.connect(handle, fd, address);
    return handle;
  }

  reading(handle: Handle, on: boolean): void {
    const slot = slotOf(handle);
    if (!on) {
      this.#sockets.flags[slot] &= ~Flag.reading;
      return;
    }
    this.#sockets.flags[slot] |= Flag.reading;
    if (this.#held[slot] || this.#sockets.flags[slot] & Flag.inputOver) this.#sockets.queue(handle);
    else this.#armReceive(handle);
  }

  write(handle: Handle, buffer: BufferId, offset: number, length: number): void {
    const slot = slotOf(handle);
    if (this.#sockets.failure[slot] !== 0 || this.#sockets.flags[slot] & Flag.over) {
      this.#pool.give(buffer);
      return;
    }
    const sent = this.#sends.writeNow(slot, this.#sockets.fd[slot], buffer, offset, length);
    if (sent === length) return this.#pool.give(buffer);
    if (this.#sends.push(slot, buffer, offset + sent, length - sent)) this.#submitSend(handle);
  }

  pending(handle: Handle): number {
    const slot = slotOf(handle);
    return this.#sends.pending(slot) + this.#splices.pending(slot);
  }

  unacknowledged(handle: Handle): number {
    return unacknowledged(this.#sockets.fd[slotOf(handle)]);
  }

  splice(from: Handle, to: Handle): boolean {
    if (!this.#splices.begin(from, to)) {
      this.gulp(from);
      return false;
    }
    this.#gulps.end(slotOf(from));
    if ((this.#sockets.flags[slotOf(from)] & receiving) === Flag.receiveArmed) this.#cancelReceive(from);
    return true;
  }

  gulp(handle: Handle): void {
    const slot = slotOf(handle);
    if (this.#splices.from(slot) || !this.#gulps.begin(slot)) return;
    if ((this.#sockets.flags[slot] & receiving) === Flag.receiveArmed) this.#cancelReceive(handle);
  }

  shutdown(handle: Handle): void {
    this.#sockets.flags[slotOf(handle)] |= Flag.shutdown;
    if (this.pending(handle) === 0) this.#shutdown(handle);
  }

  close(handle: Handle): void {
    const slot = slotOf(handle);
    this.#sockets.flags[slot] |= Flag.closing | Flag.over;
    this.#dropHeld(slot);
    this.#splices.forget(handle);
    this.#gulps.end(slot);
    for (const fd of this.#parked[slot]?.splice(0) ?? []) libc.close(fd);
    this.#parked[slot] = undefined;
    if ((this.#sockets.flags[slot] & inKernel) !== 0) this.#operations.cancel(handle, this.#sockets.fd[slot]);
    this.#closeWhenIdle(handle);
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
    return { sockets: this.#sockets.handles.live, buffers: this.#pool.inUse - this.#receives.size };
  }

  destroy(): void {
    this.#splices.close();
    this.#ring.close();
  }

  // ---- completions ----------------------------------------------------------------------------------------------------

  readonly #complete = (tag: number, data: number, result: number, flags: number): void => {
    const handle = data as Handle;
    switch (tag) {
      case Operation.receive:
        return this.#received(handle, result, flags);
      case Operation.send:
        return this.#sent(handle, result);
      case Operation.accept:
        return this.#acceptedOne(handle, result, flags);
      case Operation.connect:
        return this.#connectDone(handle, result);
      case Operation.pollIn:
        return this.#readable(handle);
      case Operation.pollOut:
        return this.#writable(handle);
      case Operation.register:
        return this.#registered(handle, result);
      case Operation.close:
        this.#events.closed(handle);
        this.#sockets.handles.release(handle);
        return;
      case Operation.read:
        this.#wake?.onWake();
        return this.#armWake();
    }
  };

  #received(handle: Handle, result: number, flags: number): void {
    const slot = slotOf(handle);
    if (!(flags & completionMore)) this.#sockets.flags[slot] &= ~(Flag.receiveArmed | Flag.cancelled);
    if (result > 0) {
      this.#receives.taken();
      const buffer = flags >>> 16;
      // After a failed send what was held is gone: what came behind it must not take its place.
      const isLost = this.#sockets.failure[slot] !== 0 || this.#sockets.flags[slot] & Flag.closing;
      if (isLost) this.#pool.give(buffer);
      else if (this.#sockets.flags[slot] & Flag.reading && !this.#held[slot])
        this.#events.data(handle, buffer, 0, result);
      else this.#hold(handle, buffer, result);
    } else if (result === -ENOBUFS) this.#receives.ranOut();
    else if (result !== -ECANCELED && result !== -EINTR) {
      this.#inputOver(handle, -result);
    }
    if (flags & completionMore) return;
    if (this.#sockets.flags[slot] & Flag.closing) this.#closeWhenIdle(handle);
    else if (result === -ENOBUFS) this.#starved.push(handle);
    else this.#armReceive(handle);
  }

  /** Nothing more will be received: the peer has finished, or the connection has failed. */
  #inputOver(handle: Handle, failure: number): void {
    const slot = slotOf(handle);
    this.#sockets.flags[slot] |= Flag.inputOver;
    if (failure !== 0) this.#sockets.fail(handle, failure);
    else if (this.pending(handle) > 0 && isGone(this.#sockets.fd[slot])) this.#sockets.fail(handle, ECONNRESET);
    else this.#sockets.queue(handle);
  }

  #hold(handle: Handle, buffer: BufferId, length: number): void {
    const slot = slotOf(handle);
    this.#held[slot] ??= { buffers: [], lengths: [] };
    const { buffers, lengths } = this.#held[slot];
    buffers.push(this.#pool.isScarce ? this.#pool.copyOut(buffer, 0, length) : buffer);
    lengths.push(length);
    const flags = this.#sockets.flags[slot];
    if (flags & Flag.reading) this.#sockets.queue(handle);
    else if (buffers.length >= heldBeforeCancel && (flags & receiving) === Flag.receiveArmed)
      this.#cancelReceive(handle);
  }

  #sent(handle: Handle, result: number): void {
    const slot = slotOf(handle);
    this.#sockets.flags[slot] &= ~Flag.sending;
    if (this.#sockets.flags[slot] & Flag.closing) return this.#closeWhenIdle(handle);
    if (result < 0 && result !== -EAGAIN && result !== -EINTR) {
      this.#sends.drop(slot);
      // Whether reading is on or off: who waits for the bytes to be sent must hear of it.
      this.#dropHeld(slot);
      return this.#sockets.fail(handle, -result);
    }
    this.#sends.took(slot, Math.max(0, result));
    if (this.#sends.isEmpty(slot)) this.#flushed(handle);
    else this.#submitSend(handle);
  }

  /** All that was written is in the kernel; the pipe comes after it. */
  #flushed(handle: Handle): void {
    const slot = slotOf(handle);
    const splice = this.#splices.into(slot);
    if (splice && !this.#emptyPipe(splice)) return;
    if (this.#sockets.flags[slot] & Flag.shutdown) this.#shutdown(handle);
    this.#events.drained(handle);
    if (splice && !splice.isDetached) this.#armReceive(splice.from);
  }

  #acceptedOne(listener: Handle, result: number, flags: number): void {
    const slot = slotOf(listener);
    if (!(flags & completionMore)) this.#sockets.flags[slot] &= ~Flag.acceptArmed;
    if (result >= 0) {
      if ((this.#sockets.flags[slot] & (Flag.accepting | Flag.closing)) === Flag.accepting)
        this.#deliverAccepted(listener, result);
      else if (this.#sockets.flags[slot] & Flag.closing) libc.close(result);
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
    if (this.#sockets.flags[slot] & Flag.closing) this.#closeWhenIdle(listener);
    else if (this.#sockets.flags[slot] & Flag.accepting) this.#armAccept(listener);
  }

  #connectDone(handle: Handle, result: number): void {
    const slot = slotOf(handle);
    this.#sockets.flags[slot] &= ~Flag.connecting;
    if (this.#sockets.flags[slot] & Flag.closing) return this.#closeWhenIdle(handle);
    if (result < 0) {
      this.#sockets.failure[slot] = -result;
      return this.#deliverFailure(handle);
    }
    this.#events.connected(handle);
  }

  #registered(handle: Handle, result: number): void {
    const slot = slotOf(handle);
    this.#sockets.flags[slot] &= ~Flag.registering;
    if (result === 1) this.#sockets.flags[slot] |= Flag.direct;
    if (this.#sockets.flags[slot] & Flag.closing) this.#closeWhenIdle(handle);
  }

  // ---- bytes that go through a pipe -----------------------------------------------------------------------------------

  #readable(handle: Handle): void {
    const slot = slotOf(handle);
    this.#sockets.flags[slot] &= ~Flag.pollingIn;
    if (this.#sockets.flags[slot] & Flag.closing) return this.#closeWhenIdle(handle);
    const splice = this.#splices.from(slot);
    const isSound = this.#sockets.isOpen(handle) && this.#sockets.failure[slot] === 0;
    const mayRead = this.#sockets.flags[slot] & Flag.reading && isSound;
    if (mayRead && splice) this.#move(splice);
    else if (mayRead && this.#gulps.has(slot) && !this.#held[slot] && !this.#gulp(handle)) return;
    this.#armReceive(handle);
  }

  /** @returns whether there was a buffer to read into */
  #gulp(handle: Handle): boolean {
    const slot = slotOf(handle);
    for (let i = 0; i < gulpsPerTurn && this.#gulps.has(slot) && this.#sockets.flags[slot] & Flag.reading; i++) {
      const length = this.#gulps.read(slot);
      if (length === undefined) {
        this.#starved.push(handle);
        return false;
      }
      if (length <= 0) {
        this.#filledNothing(handle, length < 0 ? errno() : 0);
        return true;
      }
      this.#events.data(handle, this.#gulps.buffer, 0, length);
      if (!this.#sockets.isOpen(handle) || length < this.#pool.bytes) return true;
    }
    return true;
  }

  #writable(handle: Handle): void {
    const slot = slotOf(handle);
    this.#sockets.flags[slot] &= ~Flag.pollingOut;
    if (this.#sockets.flags[slot] & Flag.closing) this.#closeWhenIdle(handle);
    else if (this.#sockets.isOpen(handle)) this.#flushed(handle);
  }

  /** Fills the pipe and empties it, as often as both sockets go along. When it stays full, `to` will go on with it. */
  #move(splice: Splice): void {
    const { from, pipe } = splice;
    const slot = slotOf(from);
    for (let i = 0; i < movesPerTurn && pipe.bytes === 0 && !splice.isDetached; i++) {
      const moved = pipe.fill(this.#sockets.fd[slot]);
      if (moved <= 0) return this.#filledNothing(from, moved < 0 ? errno() : 0);
      this.#emptyPipe(splice);
      this.#splices.moved(splice, moved);
      this.#events.moved(from, moved);
      if (!this.#sockets.isOpen(from) || !(this.#sockets.flags[slot] & Flag.reading)) return;
    }
  }

  #filledNothing(handle: Handle, failure: number): void {
    if (failure === EAGAIN || failure === EINTR) return;
    this.#inputOver(handle, failure);
  }

  /** @returns whether the pipe is empty now; if not, it goes on when the send in flight is done, or there is room again */
  #emptyPipe(splice: Splice): boolean {
    const { to, pipe } = splice;
    const slot = slotOf(to);
    if (this.#sockets.flags[slot] & (Flag.sending | Flag.pollingOut)) return false;
    while (pipe.bytes > 0) {
      if (pipe.empty(this.#sockets.fd[slot]) > 0) continue;
      const failure = errno();
      if (failure === EAGAIN || failure === EINTR) {
        this.#sockets.flags[slot] |= Flag.pollingOut;
        this.#operations.pollOut(to, this.#sockets.fd[slot]);
      } else this.#sockets.fail(to, failure);
      return false;
    }
    this.#splices.emptied(splice);
    return true;
  }

  // ---- work of a turn -------------------------------------------------------------------------------------------------

  /** What could not be delivered from a command, or was held: now it can. */
  readonly #step = (handle: Handle): void => {
    const slot = slotOf(handle);
    if (this.#sockets.flags[slot] & Flag.over) return;
    if (this.#sockets.flags[slot] & Flag.listening) return this.#stepListener(handle);
    this.#deliverHeld(handle);
    if (!this.#sockets.isOpen(handle)) return;
    // What is held comes first, unless somebody waits for bytes to be sent that never will be.
    const isDead = this.#sockets.failure[slot] !== 0 && (!this.#held[slot] || this.pending(handle) > 0);
    if (isDead) return this.#deliverFailure(handle);
    const readable = this.#sockets.flags[slot] & (Flag.reading | Flag.inputOver | Flag.ended);
    if (readable === (Flag.reading | Flag.inputOver) && !this.#held[slot]) {
      this.#sockets.flags[slot] |= Flag.ended;
      this.#events.ended(handle);
    } else this.#armReceive(handle);
  };

  #deliverHeld(handle: Handle): void {
    const slot = slotOf(handle);
    while (this.#held[slot] && this.#sockets.isOpen(handle) && this.#sockets.flags[slot] & Flag.reading) {
      const { buffers, lengths } = this.#held[slot];
      const buffer = buffers.shift() as BufferId;
      const length = lengths.shift() as number;
      if (buffers.length === 0) this.#held[slot] = undefined;
      this.#events.data(handle, buffer, 0, length);
    }
  }

  #stepListener(handle: Handle): void {
    const slot = slotOf(handle);
    if (this.#sockets.failure[slot] !== 0) return this.#deliverFailure(handle);
    if (!(this.#sockets.flags[slot] & Flag.announced)) {
      this.#sockets.flags[slot] |= Flag.announced;
      this.#events.listening(handle, localAddress(this.#sockets.fd[slot]));
    }
    while (this.#sockets.isOpen(handle) && this.#sockets.flags[slot] & Flag.accepting) {
      const fd = this.#parked[slot]?.shift();
      if (fd === undefined) break;
      this.#deliverAccepted(handle, fd);
    }
    if (this.#sockets.isOpen(handle) && this.#sockets.flags[slot] & Flag.accepting) this.#armAccept(handle);
  }

  #deliverAccepted(listener: Handle, fd: number): void {
    const socket = this.#sockets.adopt(fd, 0);
    if (socket !== noHandle) this.#events.accepted(listener, socket);
  }

  #deliverFailure(handle: Handle): void {
    const slot = slotOf(handle);
    const failure = this.#sockets.failure[slot];
    this.#sockets.flags[slot] |= Flag.over;
    this.#dropHeld(slot);
    this.#splices.forget(handle);
    this.#events.failed(handle, failure);
  }

  #retryAccept(): void {
    this.#retryAcceptAt = Number.POSITIVE_INFINITY;
    for (const listener of this.#blockedListeners.splice(0))
      if (this.#sockets.isOpen(listener)) this.#sockets.queue(listener);
  }

  // ---- submissions ----------------------------------------------------------------------------------------------------

  #armReceive(handle: Handle): void {
    const slot = slotOf(handle);
    if ((this.#sockets.flags[slot] & (inputBusy | Flag.reading)) !== Flag.reading || this.#held[slot]) return;
    const splice = this.#splices.from(slot);
    if (!splice && !this.#gulps.has(slot)) {
      this.#operations.receive(handle, this.#sockets.fd[slot]);
      this.#sockets.flags[slot] |= Flag.receiveArmed;
    } else if (!splice || splice.pipe.bytes === 0) {
      this.#operations.pollIn(handle, this.#sockets.fd[slot]);
      this.#sockets.flags[slot] |= Flag.pollingIn;
    }
  }

  #submitSend(handle: Handle): void {
    const slot = slotOf(handle);
    const isDirect = (this.#sockets.flags[slot] & Flag.direct) !== 0;
    this.#sockets.flags[slot] |= Flag.sending;
    this.#sends.submit(handle, this.#sockets.fd[slot], isDirect);
    if (isDirect || !this.#direct.isDue(slot)) return;
    this.#sockets.flags[slot] |= Flag.registering;
    this.#operations.register(handle, this.#sockets.fd[slot]);
  }

  /** A call of its own: the ring would hand it to a kernel thread, which is much dearer. */
  #shutdown(handle: Handle): void {
    libc.shutdown(this.#sockets.fd[slotOf(handle)], SHUT_WR);
  }

  #armAccept(listener: Handle): void {
    const slot = slotOf(listener);
    if (this.#sockets.flags[slot] & Flag.acceptArmed) return;
    this.#operations.accept(listener, this.#sockets.fd[slot]);
    this.#sockets.flags[slot] |= Flag.acceptArmed;
  }

  #armWake(): void {
    const { fd } = this.#wake as { fd: number };
    this.#operations.read(wakeHandle, fd, this.#wakeMemory.pointer, 8);
  }

  #cancelReceive(handle: Handle): void {
    this.#operations.cancelReceive(handle);
    this.#sockets.flags[slotOf(handle)] |= Flag.cancelled;
  }

  /** The descriptor is closed, and the slot free, only when the kernel has nothing of it any more. */
  #closeWhenIdle(handle: Handle): void {
    const slot = slotOf(handle);
    if (!(this.#sockets.flags[slot] & Flag.closing) || this.#sockets.flags[slot] & inKernel) return;
    this.#sends.drop(slot);
    // While its row is registered the socket would stay open.
    if (this.#sockets.flags[slot] & Flag.direct) this.#operations.unregister(handle);
    this.#direct.forget(slot);
    // `closed` always comes by this way, once.
    this.#operations.close(handle, this.#sockets.fd[slot]);
    this.#sockets.fd[slot] = -1;
  }

  #dropHeld(slot: number): void {
    for (const buffer of this.#held[slot]?.buffers ?? []) this.#pool.give(buffer);
    this.#held[slot] = undefined;
  }
}
