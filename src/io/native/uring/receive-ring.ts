/**
 * Buffers handed to the kernel in advance, for receives that find bytes before anybody asked (IORING_REGISTER_PBUF_RING).
 *
 * The kernel takes them first in, first out, so a large ring walks through more memory than the cache holds. The ring is therefore
 * kept short, refilled each turn from the pool (last in, first out), and grows only when a turn has used it up.
 */
import type { BufferId } from '../../driver.ts';
import type { BufferPool } from '../base/buffer-pool.ts';
import { mapMemory } from '../kernel/memory.ts';
import type { Ring } from './ring.ts';

export const receiveGroup = 0;
const entries = 4096;
const smallest = 32;

export class ReceiveRing {
  readonly #pool: BufferPool;
  readonly #chunkBytes: number;
  readonly #ints: Int32Array;
  readonly #shorts: Uint16Array;
  #tail = 0;
  #inRing = 0;
  #target = smallest;
  #quietTurns = 0;

  /** @param chunkBytes what is received into a buffer at most: less than it has room for keeps what is in use together */
  constructor(ring: Ring, pool: BufferPool, chunkBytes: number) {
    const memory = mapMemory(entries * 16);
    this.#pool = pool;
    this.#chunkBytes = chunkBytes;
    this.#ints = new Int32Array(memory.buffer);
    this.#shorts = new Uint16Array(memory.buffer);
    ring.registerBufferRing(memory, entries, receiveGroup);
    this.refill();
  }

  /** Buffers the kernel holds. */
  get size(): number {
    return this.#inRing;
  }

  /** The kernel has used one; it belongs to whoever gets its bytes. */
  taken(): void {
    this.#inRing--;
  }

  /** A receive found the ring empty: it was too short. */
  ranOut(): void {
    this.#target = Math.min(entries, this.#target * 2);
    this.#quietTurns = 0;
  }

  /** Once per turn. @returns whether there is any buffer to receive into */
  refill(): boolean {
    if (this.#inRing > this.#target / 4) this.#quietTurns++;
    else this.#quietTurns = 0;
    if (this.#quietTurns > 1000 && this.#target > smallest) {
      this.#target /= 2;
      this.#quietTurns = 0;
    }
    const before = this.#tail;
    while (this.#inRing < this.#target) {
      const buffer = this.#pool.take();
      if (buffer < 0) break;
      this.#put(buffer);
    }
    // The tail lies in the first entry's last two bytes; the store publishes the entries before it.
    if (this.#tail !== before) Atomics.store(this.#shorts, 7, this.#tail & 0xffff);
    return this.#inRing > 0;
  }

  #put(buffer: BufferId): void {
    const at = (this.#tail & (entries - 1)) << 2;
    this.#ints[at] = this.#pool.low(buffer);
    this.#ints[at + 1] = this.#pool.high(buffer);
    this.#ints[at + 2] = this.#chunkBytes;
    this.#shorts[(at << 1) + 6] = buffer;
    this.#tail = (this.#tail + 1) & 0xffff;
    this.#inRing++;
  }
}
