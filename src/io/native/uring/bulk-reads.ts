/**
 * Sockets of the uring driver that bring much at a time and cannot be spliced, because their bytes are encrypted or decrypted here.
 *
 * The chunks of the receive ring are small, and cycle through more memory than the cache holds. These sockets are polled instead, and
 * read with calls of their own into the buffer that was used last. After a number of small reads in a row they return to the ring.
 */
import type { BufferId } from '../../driver.ts';
import type { BufferPool } from '../base/buffer-pool.ts';
import { longer, type SocketTable } from '../base/socket-table.ts';
import { libc } from '../kernel/libc.ts';

const smallBytes = 8 * 1024;
const mostSmallReads = 16;

export class BulkReads {
  readonly #sockets: SocketTable;
  readonly #pool: BufferPool;
  /** 0: reads from the ring; else 1 + the number of small reads in a row. */
  #smallReads = new Int32Array(0);
  #count = 0;
  /** The result of the last read: bytes, 0 at the end of input, or less than 0 on an error; then errno is the reason. */
  lastLength = 0;

  constructor(sockets: SocketTable, pool: BufferPool) {
    this.#sockets = sockets;
    this.#pool = pool;
    sockets.whenGrown(rows => {
      this.#smallReads = longer(this.#smallReads, rows);
    });
  }

  /** @returns whether it is new to bulk reads */
  begin(slot: number): boolean {
    if (this.#smallReads[slot] > 0) return false;
    this.#smallReads[slot] = 1;
    this.#count++;
    return true;
  }

  has(slot: number): boolean {
    return this.#count > 0 && this.#smallReads[slot] > 0;
  }

  end(slot: number): void {
    if (!this.has(slot)) return;
    this.#smallReads[slot] = 0;
    this.#count--;
  }

  /** @returns the buffer with {@link lastLength} bytes, if that is more than 0; -1 when the pool has none to read into */
  read(slot: number): BufferId {
    const buffer = this.#pool.take();
    if (buffer < 0) return buffer;
    this.lastLength = libc.read(this.#sockets.fd[slot], this.#pool.pointer(buffer), this.#pool.bytes);
    if (this.lastLength > 0) this.#note(slot);
    else this.#pool.give(buffer);
    return buffer;
  }

  #note(slot: number): void {
    if (this.lastLength >= smallBytes) this.#smallReads[slot] = 1;
    else if (++this.#smallReads[slot] > mostSmallReads) this.end(slot);
  }
}
