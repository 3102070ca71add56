/**
 * Output of the uring driver's sockets: one send in the kernel at a time, other writes behind it, then the pipe, then FIN.
 *
 *   state   | write              | send completes                          | poll completes      | failure
 *   --------+--------------------+-----------------------------------------+---------------------+----------
 *   Idle    | send → Sending     | -                                       | -                   | -
 *   Sending | wait behind it     | more waits: send it; else → Idle, flushed | -                 | → Idle, fail
 *   Polling | (a spliced socket is not written to)                         || → Idle, flushed     | → Idle, fail
 */
import { constants } from 'node:os';
import type { BufferId } from '../../driver.ts';
import { type Handle, slotOf } from '../../handle.ts';
import type { BufferPool } from '../base/buffer-pool.ts';
import type { PipeRelay } from '../base/pipe-relay.ts';
import { Flag, longer, type SocketTable } from '../base/socket-table.ts';
import type { DirectDescriptors } from './direct-descriptors.ts';
import type { Operations } from './operations.ts';
import { Sends } from './sends.ts';

const { EAGAIN, EINTR } = constants.errno;

const State = { idle: 0, sending: 1, polling: 2 } as const;

export interface OutputParts {
  readonly sockets: SocketTable;
  readonly pool: BufferPool;
  readonly operations: Operations;
  readonly direct: DirectDescriptors;
}

export class Output {
  readonly #sockets: SocketTable;
  readonly #pool: BufferPool;
  readonly #operations: Operations;
  readonly #direct: DirectDescriptors;
  readonly #sends: Sends;
  #state = new Int32Array(0);
  pipes: PipeRelay | undefined;

  constructor({ sockets, pool, operations, direct }: OutputParts) {
    this.#sockets = sockets;
    this.#pool = pool;
    this.#operations = operations;
    this.#direct = direct;
    this.#sends = new Sends(sockets, pool, operations);
    sockets.whenGrown(rows => {
      this.#state = longer(this.#state, rows);
    });
  }

  write(handle: Handle, buffer: BufferId, offset: number, length: number): void {
    const slot = slotOf(handle);
    if (this.#sockets.failure[slot] !== 0 || this.#sockets.flags[slot] & Flag.over) {
      this.#pool.give(buffer);
      return;
    }
    const sent = this.#sends.writeNow(slot, this.#sockets.fd[slot], buffer, offset, length);
    if (sent === length) return this.#pool.give(buffer);
    if (this.#sends.push(slot, buffer, offset + sent, length - sent)) this.#submit(handle);
  }

  /** Bytes the kernel has not taken yet, without those in a pipe. */
  pending(slot: number): number {
    return this.#sends.pending(slot);
  }

  isIdle(slot: number): boolean {
    return this.#state[slot] === State.idle;
  }

  /** @returns false when the send has failed */
  sent(handle: Handle, result: number): boolean {
    const slot = slotOf(handle);
    this.#state[slot] = State.idle;
    if (result < 0 && result !== -EAGAIN && result !== -EINTR) {
      this.#sends.drop(slot);
      this.#sockets.fail(handle, -result);
      return false;
    }
    this.#sends.took(slot, Math.max(0, result));
    if (this.#sends.isEmpty(slot)) this.pipes?.flushed(handle);
    else this.#submit(handle);
    return true;
  }

  awaitRoom(handle: Handle): void {
    const slot = slotOf(handle);
    this.#state[slot] = State.polling;
    this.#operations.pollOut(handle, this.#sockets.fd[slot]);
  }

  writable(handle: Handle): void {
    this.#state[slotOf(handle)] = State.idle;
    if (this.#sockets.isOpen(handle)) this.pipes?.flushed(handle);
  }

  /** Only while the kernel has no send: it would send from a buffer that has another owner. */
  drop(slot: number): void {
    this.#state[slot] = State.idle;
    this.#sends.drop(slot);
  }

  #submit(handle: Handle): void {
    const slot = slotOf(handle);
    const isDirect = this.#direct.isRegistered(slot);
    this.#state[slot] = State.sending;
    this.#sends.submit(handle, this.#sockets.fd[slot], isDirect);
    if (!isDirect && this.#direct.isDue(slot)) this.#operations.register(handle, this.#sockets.fd[slot]);
  }
}
