/**
 * Moves the bytes of spliced sockets: from a socket into the pipe, from the pipe into the other socket.
 *
 * Output to a socket is sent in this order: writes, then its pipe, then FIN. `flushed` is where one hands over to the next.
 */
import { constants } from 'node:os';
import type { DriverEvents } from '../../driver.ts';
import { type Handle, slotOf } from '../../handle.ts';
import { SHUT_WR } from '../kernel/constants.ts';
import { errno, libc } from '../kernel/libc.ts';
import { Flag, type SocketTable } from './socket-table.ts';
import type { Splice, Splices } from './splices.ts';

const { EAGAIN, EINTR } = constants.errno;

const movesPerTurn = 4;

export interface PipeHooks {
  /** Whether it is the pipe's turn: no write waits, and there may be room. */
  mayEmpty(to: number): boolean;
  /** The socket has no room: when it has, call {@link PipeRelay.flushed}. */
  awaitRoom(to: Handle): void;
  /** Nothing was received: the input has ended (0), or the read has failed with this errno, which may be EAGAIN. */
  receivedNothing(from: Handle, errno: number): void;
  /** The pipe is empty: more may be received. */
  resume(from: Handle): void;
}

export class PipeRelay {
  readonly #events: DriverEvents;
  readonly #sockets: SocketTable;
  readonly #splices: Splices;
  readonly #hooks: PipeHooks;

  constructor(events: DriverEvents, sockets: SocketTable, splices: Splices, hooks: PipeHooks) {
    this.#events = events;
    this.#sockets = sockets;
    this.#splices = splices;
    this.#hooks = hooks;
  }

  /** @returns whether more may be moved in the next turn. When the pipe stays full, its receiver resumes later. */
  move(splice: Splice): boolean {
    const { from, pipe } = splice;
    const slot = slotOf(from);
    for (let i = 0; i < movesPerTurn && !splice.isDetached; i++) {
      if (pipe.bytes > 0) return false;
      const moved = pipe.fill(this.#sockets.fd[slot]);
      if (moved <= 0) {
        this.#hooks.receivedNothing(from, moved < 0 ? errno() : 0);
        return false;
      }
      this.empty(splice);
      this.#splices.moved(splice, moved);
      this.#events.moved(from, moved);
      if (!this.#sockets.isOpen(from) || !(this.#sockets.flags[slot] & Flag.reading)) return false;
    }
    return true;
  }

  /** @returns whether the pipe is empty now; if not, moving continues when there is room */
  empty(splice: Splice): boolean {
    const { to, pipe } = splice;
    const slot = slotOf(to);
    if (!this.#hooks.mayEmpty(slot)) return false;
    while (pipe.bytes > 0) {
      if (pipe.empty(this.#sockets.fd[slot]) > 0) continue;
      const failure = errno();
      if (failure === EINTR) continue;
      if (failure === EAGAIN) this.#hooks.awaitRoom(to);
      else this.#sockets.fail(to, failure);
      return false;
    }
    this.#splices.emptied(splice);
    return true;
  }

  /** All that was written is in the kernel. */
  flushed(handle: Handle): void {
    const slot = slotOf(handle);
    const splice = this.#splices.into(slot);
    if (splice && !this.empty(splice)) return;
    // A call of its own: the ring would hand it to a kernel thread, which costs much more.
    if (this.#sockets.flags[slot] & Flag.shut) libc.shutdown(this.#sockets.fd[slot], SHUT_WR);
    this.#events.drained(handle);
    if (splice && !splice.isDetached) this.#hooks.resume(splice.from);
  }
}
