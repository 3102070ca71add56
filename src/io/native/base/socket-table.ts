/**
 * The columns both native drivers keep for their sockets, and the list of those that have something to do in the next turn.
 *
 * A row is in use from `adopt` until its handle is released in {@link SocketTable.handles}, which is when `closed` was delivered.
 */
import { type Handle, HandleTable, noHandle, slotOf } from '../../handle.ts';
import { libc } from '../kernel/libc.ts';

/** Bits of {@link SocketTable.flags} that the table knows; a driver's own begin at `firstDriverBit`. */
export const TableFlag = {
  /** In the list of the next turn. */
  queued: 1,
  /** `failed` was delivered, or the socket is being closed: nothing more is told of it but `closed`. */
  over: 2,
} as const;
export const firstDriverBit = 4;

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
  readonly #onGrow: (rows: number) => void;
  readonly #columns: undefined[][] = [];

  /** @param onGrow told the new number of rows, for columns of a driver's own */
  constructor(onGrow: (rows: number) => void = () => {}) {
    this.#onGrow = onGrow;
  }

  /**
   * A column for what few sockets have. It has a place for every row from the start: an array that is first written to far beyond
   * its end becomes a hash table, and is one for ever.
   */
  column<T>(): (T | undefined)[] {
    const column: undefined[] = [];
    this.#columns.push(column);
    return column;
  }

  /**
   * Takes a descriptor in, or the -errno of one that could not be made, which is to be delivered.
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

  /** Whether there is still something to tell of the socket. */
  isOpen(handle: Handle): boolean {
    return this.handles.isCurrent(handle) && (this.flags[slotOf(handle)] & TableFlag.over) === 0;
  }

  /** Keeps a failure for its delivery, the first one: commands never call back. */
  fail(handle: Handle, errno: number): void {
    const slot = slotOf(handle);
    if (this.failure[slot] === 0) this.failure[slot] = errno;
    this.queue(handle);
  }

  queue(handle: Handle): void {
    const slot = slotOf(handle);
    if (this.flags[slot] & TableFlag.queued) return;
    this.flags[slot] |= TableFlag.queued;
    this.#work.push(handle);
  }

  get hasWork(): boolean {
    return this.#work.length > 0;
  }

  /** Runs `step` once for each queued socket that still is; who is queued meanwhile waits for the next turn. */
  work(step: (handle: Handle) => void): void {
    const work = this.#work;
    this.#work = this.#otherWork;
    this.#otherWork = work;
    for (const handle of work) {
      if (!this.handles.isCurrent(handle)) continue;
      this.flags[slotOf(handle)] &= ~TableFlag.queued;
      step(handle);
    }
    work.length = 0;
  }

  #grow(slot: number): void {
    const rows = Math.max(firstRows, slot + 1, this.fd.length * 2);
    this.fd = longer(this.fd, rows);
    this.flags = longer(this.flags, rows);
    this.failure = longer(this.failure, rows);
    for (const column of this.#columns) while (column.length < rows) column.push(undefined);
    this.#onGrow(rows);
  }
}

/** A copy with room for more rows. */
export function longer(column: Int32Array, rows: number): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(rows);
  copy.set(column);
  return copy;
}
