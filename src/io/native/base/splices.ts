/**
 * Which socket's bytes go straight into which other socket: one pipe for each direction of a connection that carries bulk data.
 *
 * A pipe is filled only when it is empty, so EAGAIN of `fill` always means that nothing was received. It belongs to the socket its
 * bytes go to: those are `pending` there, and are still delivered after the socket they came from has closed.
 */
import { type Handle, slotOf } from '../../handle.ts';
import { type Pipe, PipePool } from '../kernel/pipes.ts';
import type { SocketTable } from './socket-table.ts';

/** So many smaller moves in a row end a splice. */
const bulkBytes = 8 * 1024;
const mostSmallMoves = 16;

export interface Splice {
  readonly from: Handle;
  readonly to: Handle;
  readonly pipe: Pipe;
  /** Small moves in a row. */
  smallMoves: number;
  /** The pipe is not filled any more: the splice ends when it is empty. */
  isDetached: boolean;
}

export class Splices {
  readonly #pipes = new PipePool({ limit: 256, kept: 32 });
  readonly #from: (Splice | undefined)[];
  readonly #into: (Splice | undefined)[];
  #count = 0;

  constructor(sockets: SocketTable) {
    this.#from = sockets.column();
    this.#into = sockets.column();
  }

  /** @returns false when there is no pipe, or one of the two is spliced already */
  begin(from: Handle, to: Handle): boolean {
    if (this.from(slotOf(from)) || this.into(slotOf(to))) return false;
    const pipe = this.#pipes.take();
    if (!pipe) return false;
    const splice = { from, to, pipe, smallMoves: 0, isDetached: false };
    this.#from[slotOf(from)] = splice;
    this.#into[slotOf(to)] = splice;
    this.#count++;
    return true;
  }

  /** Where the bytes of a socket go. */
  from(slot: number): Splice | undefined {
    return this.#count === 0 ? undefined : this.#from[slot];
  }

  /** Where a socket's bytes come from. */
  into(slot: number): Splice | undefined {
    return this.#count === 0 ? undefined : this.#into[slot];
  }

  /** Bytes in the pipe to a socket. */
  pending(slot: number): number {
    return this.into(slot)?.pipe.bytes ?? 0;
  }

  /** Counts small moves; ends a splice that is no longer worth its pipe. */
  moved(splice: Splice, bytes: number): void {
    splice.smallMoves = bytes < bulkBytes ? splice.smallMoves + 1 : 0;
    if (splice.smallMoves >= mostSmallMoves && splice.pipe.bytes === 0) this.#end(splice);
  }

  /** The pipe is empty. */
  emptied(splice: Splice): void {
    if (splice.isDetached) this.#end(splice);
  }

  /** The socket is closed, or has failed. Bytes it has put into a pipe are still sent. */
  forget(handle: Handle): void {
    const from = this.from(slotOf(handle));
    if (from) this.#detach(from);
    const into = this.into(slotOf(handle));
    if (into) this.#end(into);
  }

  #detach(splice: Splice): void {
    splice.isDetached = true;
    this.#from[slotOf(splice.from)] = undefined;
    if (splice.pipe.bytes === 0) this.#end(splice);
  }

  /** Returns the pipe to its pool, with the bytes left in it. */
  #end(splice: Splice): void {
    if (!splice.isDetached) this.#from[slotOf(splice.from)] = undefined;
    splice.isDetached = true;
    this.#into[slotOf(splice.to)] = undefined;
    this.#count--;
    this.#pipes.give(splice.pipe);
  }

  close(): void {
    this.#pipes.close();
  }
}
