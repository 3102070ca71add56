/**
 * Sockets of the uring driver that bring much at a time and cannot be spliced, because their bytes are encrypted or decrypted here.
 *
 * The receive ring's chunks are small, and go around more memory than the cache holds. These sockets are polled instead, and read by
 * calls of their own into the buffer that was used last. When little comes at a time, so often in a row, they go back to the ring.
 */
import type { BufferId } from '../../driver.ts';
import type { BufferPool } from '../base/buffer-pool.ts';
import { longer, type SocketTable } from '../base/socket-table.ts';
import { libc } from '../kernel/libc.ts';

const little = 8 * 1024;
const thinReads = 16;

export class Gulps {
  readonly #sockets: SocketTable;
  readonly #pool: BufferPool;
  /** 0: reads from the ring; else 1 + how often in a row little came. */
  #thin = new Int32Array(0);
  #count = 0;
  /** Where the last read has put its bytes. */
  buffer: BufferId = -1;

  constructor(sockets: SocketTable, pool: BufferPool) {
    this.#sockets = sockets;
    this.#pool = pool;
  }

  grow(rows: number): void {
    this.#thin = longer(this.#thin, rows);
  }

  /** @returns whether it did not do so already */
  begin(slot: number): boolean {
    if (this.#thin[slot] > 0) return false;
    this.#thin[slot] = 1;
    this.#count++;
    return true;
  }

  has(slot: number): boolean {
    return this.#count > 0 && this.#thin[slot] > 0;
  }

  end(slot: number): void {
    if (!this.has(slot)) return;
    this.#thin[slot] = 0;
    this.#count--;
  }

  /** @returns bytes, which are in {@link buffer}; 0 at the end of input; less than 0: errno says why; undefined without a buffer */
  read(slot: number): number | undefined {
    const buffer = this.#pool.take();
    if (buffer < 0) return undefined;
    const length = libc.read(this.#sockets.fd[slot], this.#pool.pointer(buffer), this.#pool.bytes);
    if (length <= 0) this.#pool.give(buffer);
    else this.#note(slot, length);
    this.buffer = buffer;
    return length;
  }

  #note(slot: number, length: number): void {
    if (length >= little) this.#thin[slot] = 1;
    else if (++this.#thin[slot] > thinReads) this.end(slot);
  }
}
