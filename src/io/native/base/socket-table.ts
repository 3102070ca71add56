/**
 * The columns both native drivers keep for their sockets, and the list of sockets that have work in the next turn.
 *
 * A row is in use from `adopt` until its handle is released in {@link SocketTable.handles}, which is when `closed` was delivered.
 */
import { type Handle, HandleTable, noHandle, slotOf } from '../../handle.ts';
import { libc } from '../kernel/libc.ts';

/** Bits of {@link SocketTable.flags}; a driver's own begin at {@link firstDriverBit}. */
export const Flag = {
  /** In the list of the next turn. */
  queued: 1,
  /** `failed` was delivered, or the socket is being closed: no event but `closed` may follow. */
  over: 2,
  listening: 4,
  /** `listening` was delivered. */
  announced: 8,
  accepting: 16,
  connecting: 32,
  reading: 64,
  /** `ended` was delivered. */
  ended: 128,
  /** FIN follows all that was written. */
  shut: 256,
} as const;
export const firstDriverBit = 512;

const firstRows = 256;

export class SocketTable {
  readonly handles = new HandleTable();
  /** -1 for none. */
  fd = new Int32Array(0);
  flags = new Int32Array(0);
  /** The errno that is to be delivered, 0 for none. */
  failure = new Int32Array(0);
  #work: Handle[] = [];
  #otherWork: Handle[] = [];
  readonly #growing: ((rows: number) => void)[] = [];

  /** For columns of typed arrays: `grow` is called with the new number of rows. */
  whenGrown(grow: (rows: number) => void): void {
    this.#growing.push(grow);
  }

  /**
   * A column for what few sockets have. It has a place for every row from the start: V8 turns an array with holes into a hash table,
   * and never turns it back.
   */
  column<T>(): (T | undefined)[] {
    const column: undefined[] = [];
    this.whenGrown(rows => {
      while (column.length < rows) column.push(undefined);
    });
    return column;
  }

  /**
   * Adds a socket: its descriptor, or the -errno of one that could not be opened, which is delivered as `failed`.
   * @returns noHandle when there are 2^20 sockets; the descriptor is closed then
   */
  adopt(fd: number, flags: number): Handle {
    const handle = this.handles.take();
    if (handle === noHandle) {
      if (fd >= 0) libc.close(fd);
      return handle;
    }
    const slot = slotOf(handle);
    if (slot >= this.fd.length) this.#grow(slot);
    this.fd[slot] = fd < 0 ? -1 : fd;
    this.flags[slot] = flags;
    this.failure[slot] = 0;
    if (fd < 0) this.fail(handle, -fd);
    return handle;
  }

  /** Whether events of the socket may still be delivered. */
  isOpen(handle: Handle): boolean {
    return this.handles.isCurrent(handle) && (this.flags[slotOf(handle)] & Flag.over) === 0;
  }

  /** Keeps the first failure of a socket for its delivery: commands never call back. */
  fail(handle: Handle, errno: number): void {
    const slot = slotOf(handle);
    if (this.failure[slot] === 0) this.failure[slot] = errno;
    this.queue(handle);
  }

  queue(handle: Handle): void {
    const slot = slotOf(handle);
    if (this.flags[slot] & Flag.queued) return;
    this.flags[slot] |= Flag.queued;
    this.#work.push(handle);
  }

  get hasWork(): boolean {
    return this.#work.length > 0;
  }

  /** Runs `step` once for each queued socket; sockets queued meanwhile wait for the next turn. */
  work(step: (handle: Handle) => void): void {
    const work = this.#work;
    this.#work = this.#otherWork;
    this.#otherWork = work;
    for (const handle of work) {
      if (!this.handles.isCurrent(handle)) continue;
      this.flags[slotOf(handle)] &= ~Flag.queued;
      step(handle);
    }
    work.length = 0;
  }

  #grow(slot: number): void {
    const rows = Math.max(firstRows, slot + 1, this.fd.length * 2);
    this.fd = longer(this.fd, rows);
    this.flags = longer(this.flags, rows);
    this.failure = longer(this.failure, rows);
    for (const grow of this.#growing) grow(rows);
  }
}

/** A copy with room for more rows. */
export function longer(column: Int32Array, rows: number): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(rows);
  copy.set(column);
  return copy;
}
