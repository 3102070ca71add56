/**
 * Buffers handed to the kernel in advance, so that it can receive bytes before the driver asks for them (IORING_REGISTER_PBUF_RING).
 *
 * The kernel takes them first in, first out, so a large ring cycles through more memory than the cache holds, and writes and bulk reads
 * cannot use its buffers. The ring is therefore kept short and refilled each turn from the pool (last in, first out). It doubles at
 * most once a turn, when receives have found it empty, up to an eighth of the pool.
 */
import type { BufferId } from '../../driver.ts';
import type { BufferPool } from '../base/buffer-pool.ts';
import { mapMemory } from '../kernel/memory.ts';
import type { Ring } from './ring.ts';

export const receiveGroup = 0;
const entries = 4096;
const smallest = 32;
const shareOfPool = 1 / 8;
const quietTurnsBeforeShrink = 1000;

export class ReceiveRing {
  /** Bytes received into a buffer at most: less than it has room for, which keeps the memory in use together. */
  readonly chunkBytes: number;
  readonly #pool: BufferPool;
  readonly #ints: Int32Array;
  readonly #shorts: Uint16Array;
  readonly #largest: number;
  #tail = 0;
  #inRing = 0;
  #target: number;
  #ranOut = false;
  #quietTurns = 0;

  constructor(ring: Pick<Ring, 'registerBufferRing'>, pool: BufferPool, chunkBytes: number) {
    const memory = mapMemory(entries * 16);
    this.#pool = pool;
    this.chunkBytes = chunkBytes;
    this.#largest = Math.min(entries, Math.max(1, Math.floor(pool.limit * shareOfPool)));
    this.#target = Math.min(smallest, this.#largest);
    this.#ints = new Int32Array(memory.buffer);
    this.#shorts = new Uint16Array(memory.buffer);
    ring.registerBufferRing(memory, entries, receiveGroup);
    this.refill();
  }

  /** Buffers the kernel holds. */
  get size(): number {
    return this.#inRing;
  }

  /** The kernel has used one; its receiver owns it now. */
  taken(): void {
    this.#inRing--;
  }

  /** A receive found the ring empty. */
  ranOut(): void {
    this.#ranOut = true;
  }

  /** Once per turn. */
  refill(): void {
    this.#adapt();
    const before = this.#tail;
    while (this.#inRing < this.#target) {
      const buffer = this.#pool.take();
      if (buffer < 0) break;
      this.#put(buffer);
    }
    // The tail lies in the first entry's last two bytes; the store publishes the entries before it.
    if (this.#tail !== before) Atomics.store(this.#shorts, 7, this.#tail & 0xffff);
  }

  #adapt(): void {
    if (this.#ranOut) this.#target = Math.min(this.#largest, this.#target * 2);
    const isQuiet = !this.#ranOut && this.#inRing > this.#target / 4;
    this.#ranOut = false;
    this.#quietTurns = isQuiet ? this.#quietTurns + 1 : 0;
    if (this.#quietTurns <= quietTurnsBeforeShrink || this.#target <= smallest) return;
    this.#target = Math.max(smallest, Math.floor(this.#target / 2));
    this.#quietTurns = 0;
  }

  #put(buffer: BufferId): void {
    const at = (this.#tail & (entries - 1)) << 2;
    this.#ints[at] = this.#pool.low(buffer);
    this.#ints[at + 1] = this.#pool.high(buffer);
    this.#ints[at + 2] = this.chunkBytes;
    this.#shorts[(at << 1) + 6] = buffer;
    this.#tail = (this.#tail + 1) & 0xffff;
    this.#inRing++;
  }
}
