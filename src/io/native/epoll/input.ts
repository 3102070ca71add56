/**
 * Input of the epoll driver's sockets.
 *
 *   readable | reading | ended | a turn of the socket
 *   ---------+---------+-------+-----------------------------------------------------------------------------------------
 *   no       | any     | no    | -
 *   yes      | off     | no    | - (the edge is remembered)
 *   yes      | on      | no    | reads until EAGAIN or a short read: not readable; end: `ended`; error: `failed`;
 *            |         |       | after a number of reads: again in the next turn; no buffer: waits in line for one
 *   any      | any     | yes   | a hangup after the end: `failed`, if the peer has reset the connection
 */
import { constants } from 'node:os';
import type { DriverEvents } from '../../driver.ts';
import { type Handle, slotOf } from '../../handle.ts';
import type { BufferPool } from '../base/buffer-pool.ts';
import type { PipeRelay } from '../base/pipe-relay.ts';
import { Flag, type SocketTable } from '../base/socket-table.ts';
import type { Splices } from '../base/splices.ts';
import { errno, libc } from '../kernel/libc.ts';
import { isGone, socketError } from '../kernel/socket-state.ts';
import { isReadNow, Ready } from './flags.ts';

const { EAGAIN, EINTR, ECONNRESET } = constants.errno;

const readsPerTurn = 4;

export interface InputParts {
  readonly events: DriverEvents;
  readonly sockets: SocketTable;
  readonly pool: BufferPool;
  readonly splices: Splices;
  readonly pending: (slot: number) => number;
}

export class Input {
  readonly #parts: InputParts;
  /** Sockets that found the pool empty. */
  readonly #starved: Handle[] = [];
  pipes: PipeRelay | undefined;

  constructor(parts: InputParts) {
    this.#parts = parts;
  }

  step(handle: Handle): void {
    const { sockets } = this.#parts;
    const slot = slotOf(handle);
    if (isReadNow(sockets.flags[slot])) this.#read(handle);
    const endedHangup = Flag.ended | Ready.hangup;
    if (sockets.isOpen(handle) && (sockets.flags[slot] & endedHangup) === endedHangup) this.#afterEnd(handle);
  }

  #read(handle: Handle): void {
    const { sockets, splices } = this.#parts;
    const splice = splices.from(slotOf(handle));
    if (!splice) this.#readChunks(handle);
    else if (this.pipes?.move(splice)) sockets.queue(handle);
  }

  #readChunks(handle: Handle): void {
    const { sockets, pool, events } = this.#parts;
    const slot = slotOf(handle);
    for (let i = 0; i < readsPerTurn; i++) {
      const buffer = pool.take();
      if (buffer < 0) {
        this.#starved.push(handle);
        return;
      }
      const received = libc.read(sockets.fd[slot], pool.pointer(buffer), pool.bytes);
      if (received <= 0) {
        pool.give(buffer);
        return this.receivedNothing(handle, received < 0 ? errno() : 0);
      }
      // A short read has emptied the queue, and later bytes come with a new edge: unless a FIN is there, or an urgent byte.
      const isEmpty = received < pool.bytes && !(sockets.flags[slot] & (Ready.hangup | Ready.urgent));
      if (isEmpty) sockets.flags[slot] &= ~Ready.readable;
      events.data(handle, buffer, 0, received);
      if (isEmpty || !sockets.isOpen(handle) || !(sockets.flags[slot] & Flag.reading)) return;
    }
    sockets.queue(handle);
  }

  /** @param failure 0 when the peer has finished */
  receivedNothing(handle: Handle, failure: number): void {
    const { sockets, events, pending } = this.#parts;
    const slot = slotOf(handle);
    if (failure === EAGAIN) sockets.flags[slot] &= ~Ready.readable;
    else if (failure === EINTR) sockets.queue(handle);
    else if (failure !== 0) sockets.fail(handle, failure);
    else if (pending(slot) > 0 && isGone(sockets.fd[slot])) sockets.fail(handle, ECONNRESET);
    else {
      sockets.flags[slot] = (sockets.flags[slot] | Flag.ended) & ~(Ready.readable | Ready.hangup);
      events.ended(handle);
    }
  }

  /** An edge after the end of input: the peer has reset what it had only half closed, or both sides are done. */
  #afterEnd(handle: Handle): void {
    const { sockets } = this.#parts;
    const slot = slotOf(handle);
    sockets.flags[slot] &= ~Ready.hangup;
    const failure = socketError(sockets.fd[slot]);
    if (failure !== 0) sockets.fail(handle, failure);
  }

  /** Once a turn: sockets that waited for a buffer, oldest first, no more than there are buffers. */
  feed(): void {
    const { sockets, pool } = this.#parts;
    if (this.#starved.length === 0) return;
    for (const handle of this.#starved.splice(0, pool.available)) if (sockets.isOpen(handle)) sockets.queue(handle);
  }
}
