/** Writes of the uring driver, per socket: one send in flight, whose bytes must stay where they are, and others behind it. */
import type { BufferId } from '../../driver.ts';
import type { Handle } from '../../handle.ts';
import { slotOf } from '../../handle.ts';
import type { BufferPool } from '../base/buffer-pool.ts';
import { longer, type SocketTable } from '../base/socket-table.ts';
import { WaitingWrites } from '../base/waiting-writes.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL, MSG_WAITALL } from '../kernel/constants.ts';
import { libc } from '../kernel/libc.ts';
import type { Operations } from './operations.ts';

/** From here on write(2) is cheaper than the ring. */
const largeBytes = 32 * 1024;

export class Sends {
  readonly #pool: BufferPool;
  readonly #operations: Operations;
  /** Of the send in flight; -1 for none. */
  #buffer = new Int32Array(0);
  #offset = new Int32Array(0);
  #length = new Int32Array(0);
  readonly #waiting: (WaitingWrites | undefined)[];

  constructor(sockets: SocketTable, pool: BufferPool, operations: Operations) {
    this.#waiting = sockets.column();
    this.#pool = pool;
    this.#operations = operations;
    sockets.whenGrown(rows => {
      const before = this.#buffer.length;
      this.#buffer = longer(this.#buffer, rows).fill(-1, before);
      this.#offset = longer(this.#offset, rows);
      this.#length = longer(this.#length, rows);
    });
  }

  isEmpty(slot: number): boolean {
    return this.#buffer[slot] < 0;
  }

  /** Bytes the kernel has not taken yet. */
  pending(slot: number): number {
    return this.#buffer[slot] < 0 ? 0 : this.#length[slot] + (this.#waiting[slot]?.bytes ?? 0);
  }

  /** Sends large writes with write(2). @returns bytes accepted; an error is ignored here, the send of the rest reports it */
  writeNow(slot: number, fd: number, buffer: BufferId, offset: number, length: number): number {
    if (length < largeBytes || !this.isEmpty(slot)) return 0;
    const start = this.#pool.pointer(buffer);
    return Math.max(0, libc.write(fd, offset === 0 ? start : start + BigInt(offset), length));
  }

  /** Behind what is there. @returns whether it is the first, and so is to be submitted */
  push(slot: number, buffer: BufferId, offset: number, length: number): boolean {
    if (this.#buffer[slot] < 0) {
      this.#set(slot, buffer, offset, length);
      return true;
    }
    this.#waiting[slot] ??= new WaitingWrites(this.#pool);
    this.#waiting[slot].push(buffer, offset, length);
    return false;
  }

  /** @param isDirect the socket is known to the ring by its row, and `fd` not needed */
  submit(socket: Handle, fd: number, isDirect: boolean): void {
    const slot = slotOf(socket);
    const buffer = this.#buffer[slot];
    const low = (this.#pool.low(buffer) >>> 0) + this.#offset[slot];
    const high = this.#pool.high(buffer) + (low > 0xffff_ffff ? 1 : 0);
    // The kernel holds the bytes until the reader has taken all of them. Under pressure it must not hold a buffer of the pool that long.
    const mayWait = !this.#pool.underPressure || this.#pool.isCopy(buffer);
    const flags = MSG_NOSIGNAL | (mayWait ? MSG_WAITALL : MSG_DONTWAIT);
    this.#operations.send(socket, isDirect ? slot : fd, isDirect, low | 0, high, this.#length[slot], flags);
  }

  /** The kernel has taken `n` bytes of the send in flight. The rest of it, or the next write, takes its place. */
  took(slot: number, n: number): void {
    if (n < this.#length[slot]) {
      this.#offset[slot] += n;
      this.#length[slot] -= n;
      this.#moveAside(slot);
      return;
    }
    this.#pool.give(this.#buffer[slot]);
    this.#buffer[slot] = -1;
    const waiting = this.#waiting[slot];
    if (!waiting?.bytes) return;
    const { buffer, offset, length } = waiting.shift();
    this.#set(slot, buffer, offset, length);
  }

  /** Only when nothing is in flight: the kernel would send from a buffer that has another owner. */
  drop(slot: number): void {
    if (this.#buffer[slot] >= 0) this.#pool.give(this.#buffer[slot]);
    this.#buffer[slot] = -1;
    this.#waiting[slot]?.clear();
    this.#waiting[slot] = undefined;
  }

  /** The reader is slow: under pressure its bytes wait outside the pool. */
  #moveAside(slot: number): void {
    const buffer = this.#buffer[slot];
    if (!this.#pool.underPressure || this.#pool.isCopy(buffer)) return;
    this.#buffer[slot] = this.#pool.copyOut(buffer, this.#offset[slot], this.#length[slot]);
    this.#offset[slot] = 0;
  }

  #set(slot: number, buffer: BufferId, offset: number, length: number): void {
    this.#buffer[slot] = buffer;
    this.#offset[slot] = offset;
    this.#length[slot] = length;
  }
}
