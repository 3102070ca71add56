/**
 * Buffers of one size for the bytes on their way, outside the JavaScript heap.
 *
 * Freed buffers are used again last in, first out: the ones still in the cache. The pool grows in steps up to its limit; who gets
 * none waits until some are given back. Bytes that have to wait for long are copied out where the pool runs short: ids from the
 * limit on are such copies, of just their size. In debug mode a buffer given back is poisoned, and one given back twice throws.
 */
import type { BufferId } from '../../driver.ts';
import { mapMemory, type NativeMemory, pointerOf } from '../kernel/memory.ts';

export interface BufferPoolOptions {
  /** What is received into a buffer at most. */
  readonly bytes: number;
  /** Buffers mapped at a time, and at most. */
  readonly step: number;
  readonly limit: number;
  readonly debug?: boolean;
}

const poison = 0xdb;
/** What encryption adds to the bytes that were received into a whole buffer, at most; a multiple of a cache line. */
const overheadBytes = 1024;
const noBytes = new Uint8Array(0);

export class BufferPool {
  readonly bytes: number;
  /** All of a buffer: as much as is received into one fits encrypted. */
  readonly room: number;
  readonly #options: BufferPoolOptions;
  readonly #views: Uint8Array[] = [];
  readonly #pointers: bigint[] = [];
  readonly #low: number[] = [];
  readonly #high: number[] = [];
  readonly #free: BufferId[] = [];
  readonly #freeCopies: BufferId[] = [];
  #mapped = 0;
  #copies = 0;
  readonly #owned: boolean[] | undefined;

  constructor(options: BufferPoolOptions) {
    this.bytes = options.bytes;
    this.room = options.bytes + overheadBytes;
    this.#options = options;
    this.#owned = options.debug ? [] : undefined;
    // Copies come after them: an array with a gap would become a hash table, and be one for ever.
    for (let id = 0; id < options.limit; id++) this.#set(id, noBytes, 0n);
  }

  /** @returns a buffer, or -1 when the limit is reached */
  take(): BufferId {
    if (this.#free.length === 0 && !this.#grow()) return -1;
    const id = this.#free.pop() as BufferId;
    if (this.#owned) this.#owned[id] = true;
    return id;
  }

  /** Moves a part of a buffer to memory of its own, and gives the buffer back. */
  copyOut(id: BufferId, offset: number, length: number): BufferId {
    const copy = this.copyIn(this.#views[id].subarray(offset, offset + length));
    this.give(id);
    return copy;
  }

  /** Memory of its own for bytes from elsewhere. */
  copyIn(source: Uint8Array): BufferId {
    // An ArrayBuffer's memory never moves; that of a small typed array made without one might.
    const bytes = new Uint8Array(new ArrayBuffer(source.length));
    bytes.set(source);
    const copy = this.#freeCopies.pop() ?? this.#options.limit + this.#copies++;
    this.#set(copy, bytes, pointerOf(bytes));
    if (this.#owned) this.#owned[copy] = true;
    return copy;
  }

  /** For a chunk that will be held for long: the same buffer, or a copy when the pool is short or it does not begin at 0. */
  keep(id: BufferId, offset: number, length: number): BufferId {
    return offset === 0 && !this.underPressure ? id : this.copyOut(id, offset, length);
  }

  give(id: BufferId): void {
    if (this.#owned) {
      if (!this.#owned[id]) throw new Error(`buffer ${id} is given back by who does not own it`);
      this.#owned[id] = false;
      this.#views[id].fill(poison);
    }
    if (id < this.#options.limit) this.#free.push(id);
    else {
      this.#views[id] = noBytes;
      this.#freeCopies.push(id);
    }
  }

  pointer(id: BufferId): bigint {
    return this.#pointers[id];
  }

  /** The address in two 32-bit halves, as submission entries want it. */
  low(id: BufferId): number {
    return this.#low[id];
  }

  high(id: BufferId): number {
    return this.#high[id];
  }

  view(id: BufferId): Uint8Array {
    return this.#views[id];
  }

  /** Copies included. */
  get inUse(): number {
    return this.#taken + this.#copies - this.#freeCopies.length;
  }

  isCopy(id: BufferId): boolean {
    return id >= this.#options.limit;
  }

  get limit(): number {
    return this.#options.limit;
  }

  /** How many buffers `take` will still give. */
  get available(): number {
    return this.#options.limit - this.#taken;
  }

  /** Whether the pool is running short: who holds a buffer for a slow reader should copy and give it back. */
  get underPressure(): boolean {
    return this.#taken * 2 > this.#options.limit;
  }

  get #taken(): number {
    return this.#mapped - this.#free.length;
  }

  #grow(): boolean {
    const { room } = this;
    const { step, limit } = this.#options;
    const count = Math.min(step, limit - this.#mapped);
    if (count <= 0) return false;
    const memory = mapped(room * count);
    if (!memory) return false;
    for (let i = count - 1; i >= 0; i--) this.#free.push(this.#mapped + i);
    for (let i = 0; i < count; i++) {
      this.#set(this.#mapped + i, new Uint8Array(memory.buffer, i * room, room), memory.pointer + BigInt(i * room));
    }
    this.#mapped += count;
    return true;
  }

  #set(id: BufferId, view: Uint8Array, pointer: bigint): void {
    this.#views[id] = view;
    this.#pointers[id] = pointer;
    this.#low[id] = Number(BigInt.asIntN(32, pointer));
    this.#high[id] = Number(pointer >> 32n);
  }
}

/** @returns undefined when the system has no memory left: the pool then works with what it has */
function mapped(bytes: number): NativeMemory | undefined {
  try {
    return mapMemory(bytes);
  } catch {
    return undefined;
  }
}
