/**
 * Listeners of the uring driver: one multishot accept each, or one accept after the other where descriptors are short.
 *
 *   state    | accepting on      | accepting off      | connection | no descriptors | last completion
 *   ---------+-------------------+--------------------+------------+----------------+------------------------------
 *   Idle     | → Armed           | -                  | -          | -              | -
 *   Armed    | -                 | cancel → Stopping  | deliver    | → Blocked      | accepting: → Armed
 *   Stopping | → Armed when over | -                  | park       | → Blocked      | → Idle
 *   Blocked  | -                 | -                  | deliver    | -              | the gate retries: → Armed
 *
 * A connection that was accepted while the cancel was on its way is parked, and delivered before any other when accepting is on again.
 */
import { constants } from 'node:os';
import { type Handle, slotOf } from '../../handle.ts';
import type { AcceptGate } from '../base/accept-gate.ts';
import { Flag, type SocketTable } from '../base/socket-table.ts';
import { reserve } from '../kernel/descriptor-reserve.ts';
import { libc } from '../kernel/libc.ts';
import type { Operations } from './operations.ts';

const { EAGAIN, ECANCELED, EINTR } = constants.errno;

export class Accepts {
  readonly #sockets: SocketTable;
  readonly #operations: Operations;
  readonly #gate: AcceptGate;
  /** The descriptor that was accepted last. */
  #latest = 0;
  /** Descriptors accepted while accepting was off. */
  readonly #parked: (number[] | undefined)[];

  constructor(sockets: SocketTable, operations: Operations, gate: AcceptGate) {
    this.#sockets = sockets;
    this.#operations = operations;
    this.#gate = gate;
    this.#parked = sockets.column();
  }

  accepting(listener: Handle, on: boolean): void {
    const slot = slotOf(listener);
    if (on) {
      this.#sockets.flags[slot] |= Flag.accepting;
      this.#sockets.queue(listener);
    } else {
      this.#sockets.flags[slot] &= ~Flag.accepting;
      if (this.#operations.inKernel(slot) > 0) this.#operations.cancel(listener, this.#sockets.fd[slot]);
    }
  }

  /** @param result a descriptor, or -errno; @param isLast the accept is over */
  accepted(listener: Handle, result: number, isLast: boolean): void {
    if (result >= 0) this.#take(listener, result);
    else if (result !== -ECANCELED && result !== -EINTR && result !== -EAGAIN) this.#gate.failed(listener, -result);
    if (isLast) this.#arm(listener);
  }

  step(listener: Handle): void {
    const slot = slotOf(listener);
    this.#gate.announce(listener);
    while (this.#isAccepting(listener)) {
      const fd = this.#parked[slot]?.shift();
      if (fd === undefined) break;
      if (!this.#gate.deliver(listener, fd, 0)) break;
    }
    this.#arm(listener);
  }

  /** Closes parked connections. */
  drop(slot: number): void {
    for (const fd of this.#parked[slot]?.splice(0) ?? []) libc.close(fd);
    this.#parked[slot] = undefined;
  }

  #take(listener: Handle, fd: number): void {
    const slot = slotOf(listener);
    this.#latest = fd;
    if (this.#isAccepting(listener)) {
      const isShort = !this.#gate.deliver(listener, fd, 0) || reserve.isNear(fd);
      // Only a multishot accept is still there.
      if (isShort && this.#operations.inKernel(slot) > 0) this.#operations.cancel(listener, this.#sockets.fd[slot]);
      return;
    }
    this.#parked[slot] ??= [];
    this.#parked[slot].push(fd);
  }

  #isAccepting(listener: Handle): boolean {
    return this.#sockets.isOpen(listener) && (this.#sockets.flags[slotOf(listener)] & Flag.accepting) !== 0;
  }

  #arm(listener: Handle): void {
    const slot = slotOf(listener);
    const isDue = this.#isAccepting(listener) && !this.#gate.isBlocked(listener);
    if (!isDue || this.#operations.inKernel(slot) > 0) return;
    this.#operations.accept(listener, this.#sockets.fd[slot], !reserve.isNear(this.#latest));
  }
}
