/**
 * Input of the uring driver's sockets.
 *
 *   state      | reading on       | reading off           | bytes            | no buffer | last completion | end or error
 *   -----------+------------------+-----------------------+------------------+-----------+-----------------+-------------
 *   Idle       | arm → Single, Multi or Polling | -       | -                | -         | -               | -
 *   Single     | -                | -                     | deliver or keep  | → Starved | → Idle, arm     | → Over
 *   Multi      | -                | first kept chunk: cancel → Cancelling | deliver or keep | → Starved | → Idle, arm | → Over
 *   Cancelling | -                | -                     | deliver or keep  | → Starved | → Idle, arm     | → Over
 *   Polling    | -                | -                     | -                | -         | read; → Idle, arm | → Over
 *   Starved    | -                | -                     | -                | -         | -               | -
 *   Over       | `ended` once     | -                     | -                | -         | -               | -
 *
 * A multishot receive cannot be paused, only cancelled, and brings up to a whole ring of chunks in one turn. So only sockets whose last
 * chunks were small have one; others receive one chunk at a time, which bounds what is kept while reading is off. Polling is for sockets
 * that are spliced or bulk. A starved socket waits in line for a buffer.
 */
import { constants } from 'node:os';
import type { BufferId, DriverEvents } from '../../driver.ts';
import { type Handle, slotOf } from '../../handle.ts';
import type { BufferPool } from '../base/buffer-pool.ts';
import type { PipeRelay } from '../base/pipe-relay.ts';
import { Flag, longer, type SocketTable } from '../base/socket-table.ts';
import type { Splices } from '../base/splices.ts';
import { errno } from '../kernel/libc.ts';
import { isGone } from '../kernel/socket-state.ts';
import { BulkReads } from './bulk-reads.ts';
import type { Operations } from './operations.ts';
import type { ReceiveRing } from './receive-ring.ts';

const { EAGAIN, ENOBUFS, ECANCELED, EINTR, ECONNRESET } = constants.errno;

const State = { idle: 0, single: 1, multi: 2, cancelling: 3, polling: 4, starved: 5, over: 6 } as const;

/** Of a completion: more will come; its upper half is the id of a buffer. */
const completionMore = 2;
const completionBuffer = 1;
/** Small chunks in a row after which a socket gets a multishot receive. */
const provenChunks = 2;
const bulkReadsPerTurn = 4;

interface Backlog {
  readonly buffers: BufferId[];
  readonly lengths: number[];
}

export interface InputParts {
  readonly events: DriverEvents;
  readonly sockets: SocketTable;
  readonly pool: BufferPool;
  readonly operations: Operations;
  readonly receives: ReceiveRing;
  readonly splices: Splices;
  /** Bytes that are still to be sent to a socket. */
  readonly pending: (slot: number) => number;
}

export class Input {
  readonly #parts: InputParts;
  readonly #bulk: BulkReads;
  #state = new Int32Array(0);
  #smallChunks = new Int32Array(0);
  /** Chunks received while reading was off. */
  readonly #backlog: (Backlog | undefined)[];
  /** Sockets that found the receive ring empty, and those that found the pool empty. */
  readonly #starved: Handle[] = [];
  readonly #starvedBulk: Handle[] = [];
  pipes: PipeRelay | undefined;

  constructor(parts: InputParts) {
    this.#parts = parts;
    this.#bulk = new BulkReads(parts.sockets, parts.pool);
    this.#backlog = parts.sockets.column();
    parts.sockets.whenGrown(rows => {
      this.#state = longer(this.#state, rows);
      this.#smallChunks = longer(this.#smallChunks, rows);
    });
  }

  // ---- commands -------------------------------------------------------------------------------------------------------

  reading(handle: Handle, on: boolean): void {
    const { flags } = this.#parts.sockets;
    const slot = slotOf(handle);
    if (!on) {
      flags[slot] &= ~Flag.reading;
      return;
    }
    flags[slot] |= Flag.reading;
    if (this.#backlog[slot] || this.#state[slot] === State.over) this.#parts.sockets.queue(handle);
    else this.arm(handle);
  }

  bulkRead(handle: Handle): void {
    const slot = slotOf(handle);
    if (!this.#parts.splices.from(slot) && this.#bulk.begin(slot)) this.#leaveRing(handle);
  }

  /** The socket is spliced now. */
  spliced(handle: Handle): void {
    this.#bulk.end(slotOf(handle));
    this.#leaveRing(handle);
  }

  /** Gives the next receive to the kernel, if the socket is to be read from and the kernel has none. */
  arm(handle: Handle): void {
    const { sockets, operations, splices } = this.#parts;
    const slot = slotOf(handle);
    const isWanted = (sockets.flags[slot] & (Flag.reading | Flag.over | Flag.connecting)) === Flag.reading;
    if (!isWanted || this.#state[slot] !== State.idle || this.#backlog[slot]) return;
    const splice = splices.from(slot);
    if (!splice && !this.#bulk.has(slot)) {
      const isProven = this.#smallChunks[slot] >= provenChunks;
      operations.receive(handle, sockets.fd[slot], isProven);
      this.#state[slot] = isProven ? State.multi : State.single;
    } else if (!splice || splice.pipe.bytes === 0) {
      operations.pollIn(handle, sockets.fd[slot]);
      this.#state[slot] = State.polling;
    }
  }

  #leaveRing(handle: Handle): void {
    const slot = slotOf(handle);
    if (this.#state[slot] !== State.multi) return;
    this.#state[slot] = State.cancelling;
    this.#parts.operations.cancelReceive(handle);
  }

  // ---- completions ----------------------------------------------------------------------------------------------------

  received(handle: Handle, result: number, flags: number): void {
    const { sockets, pool, receives, events } = this.#parts;
    const slot = slotOf(handle);
    const isLast = (flags & completionMore) === 0;
    if (isLast) this.#state[slot] = State.idle;
    if (flags & completionBuffer) {
      const buffer = flags >>> 16;
      receives.taken();
      // A failed send dropped the backlog; delivering later chunks would leave a hole in the stream.
      if (result <= 0 || sockets.failure[slot] !== 0) pool.give(buffer);
      else if (sockets.flags[slot] & Flag.reading && !this.#backlog[slot]) {
        this.#smallChunks[slot] = result < receives.chunkBytes ? this.#smallChunks[slot] + 1 : 0;
        events.data(handle, buffer, 0, result);
      } else this.#keep(handle, buffer, result);
    }
    if (result === -ENOBUFS) receives.ranOut();
    else if (result <= 0) this.receivedNothing(handle, -result);
    if (!isLast || this.#state[slot] !== State.idle) return;
    if (result === -ENOBUFS) this.#starve(handle, this.#starved);
    else this.arm(handle);
  }

  /** A poll has completed: there is something to read, or the connection has ended or failed. */
  readable(handle: Handle): void {
    const { sockets, splices } = this.#parts;
    const slot = slotOf(handle);
    if (this.#state[slot] !== State.polling) return;
    this.#state[slot] = State.idle;
    if (!sockets.isOpen(handle) || sockets.failure[slot] !== 0 || !(sockets.flags[slot] & Flag.reading)) return;
    const splice = splices.from(slot);
    if (splice) this.pipes?.move(splice);
    else if (this.#bulk.has(slot) && !this.#backlog[slot]) this.#readBulk(handle);
    this.arm(handle);
  }

  #readBulk(handle: Handle): void {
    const { sockets, pool, events } = this.#parts;
    const slot = slotOf(handle);
    for (let i = 0; i < bulkReadsPerTurn && this.#bulk.has(slot) && sockets.flags[slot] & Flag.reading; i++) {
      const buffer = this.#bulk.read(slot);
      if (buffer < 0) return this.#starve(handle, this.#starvedBulk);
      const length = this.#bulk.lastLength;
      if (length <= 0) return this.receivedNothing(handle, length < 0 ? errno() : 0);
      events.data(handle, buffer, 0, length);
      if (!sockets.isOpen(handle) || length < pool.bytes) return;
    }
  }

  /** @param failure 0 when the peer has finished; EAGAIN and the like are none */
  receivedNothing(handle: Handle, failure: number): void {
    const { sockets, pending } = this.#parts;
    if (failure === EAGAIN || failure === EINTR || failure === ECANCELED) return;
    const slot = slotOf(handle);
    this.#state[slot] = State.over;
    if (failure !== 0) sockets.fail(handle, failure);
    else if (pending(slot) > 0 && isGone(sockets.fd[slot])) sockets.fail(handle, ECONNRESET);
    else sockets.queue(handle);
  }

  // ---- the backlog ----------------------------------------------------------------------------------------------------

  hasBacklog(slot: number): boolean {
    return this.#backlog[slot] !== undefined;
  }

  #keep(handle: Handle, buffer: BufferId, length: number): void {
    const { sockets, pool } = this.#parts;
    const slot = slotOf(handle);
    this.#backlog[slot] ??= { buffers: [], lengths: [] };
    const { buffers, lengths } = this.#backlog[slot];
    buffers.push(pool.underPressure ? pool.copyOut(buffer, 0, length) : buffer);
    lengths.push(length);
    // The reader is slow: from now on it gets one chunk at a time.
    this.#smallChunks[slot] = 0;
    if (sockets.flags[slot] & Flag.reading) sockets.queue(handle);
    else this.#leaveRing(handle);
  }

  /** After the backlog: the end, or more. */
  proceed(handle: Handle): void {
    const { sockets, events } = this.#parts;
    const slot = slotOf(handle);
    const isRead = (sockets.flags[slot] & (Flag.reading | Flag.ended)) === Flag.reading;
    if (this.#state[slot] !== State.over) this.arm(handle);
    else if (isRead && !this.#backlog[slot]) {
      sockets.flags[slot] |= Flag.ended;
      events.ended(handle);
    }
  }

  deliverBacklog(handle: Handle): void {
    const { sockets, events } = this.#parts;
    const slot = slotOf(handle);
    while (this.#backlog[slot] && sockets.isOpen(handle) && sockets.flags[slot] & Flag.reading) {
      const { buffers, lengths } = this.#backlog[slot];
      const buffer = buffers.shift() as BufferId;
      const length = lengths.shift() as number;
      if (buffers.length === 0) this.#backlog[slot] = undefined;
      events.data(handle, buffer, 0, length);
    }
  }

  /** The slot is free for another socket. */
  forget(slot: number): void {
    this.#state[slot] = State.idle;
    this.#smallChunks[slot] = 0;
  }

  drop(slot: number): void {
    for (const buffer of this.#backlog[slot]?.buffers ?? []) this.#parts.pool.give(buffer);
    this.#backlog[slot] = undefined;
    this.#bulk.end(slot);
  }

  // ---- sockets that wait for a buffer ---------------------------------------------------------------------------------

  #starve(handle: Handle, line: Handle[]): void {
    this.#state[slotOf(handle)] = State.starved;
    this.#smallChunks[slotOf(handle)] = 0;
    line.push(handle);
  }

  /** Once a turn. */
  feed(): void {
    const { receives, pool } = this.#parts;
    receives.refill();
    if (this.#starved.length > 0) this.#feed(this.#starved, receives.size);
    if (this.#starvedBulk.length > 0) this.#feed(this.#starvedBulk, pool.available);
  }

  /** Oldest first, no more than there are buffers: each of them finds one. */
  #feed(line: Handle[], buffers: number): void {
    let fed = 0;
    let left = buffers;
    while (left > 0 && fed < line.length) {
      const handle = line[fed++];
      const slot = slotOf(handle);
      if (!this.#parts.sockets.isOpen(handle) || this.#state[slot] !== State.starved) continue;
      this.#state[slot] = State.idle;
      this.arm(handle);
      if (this.#state[slot] !== State.idle) left--;
    }
    line.splice(0, fed);
  }
}
