/**
 * Buffers of one size for the bytes on their way, outside the JavaScript heap.
 *
 * Freed buffers are reused last in, first out, because the last ones are still in the cache. The pool grows in steps up to its limit; a
 * socket that gets no buffer waits until one is released. After a burst, the pool returns the pages of unused buffers to the system.
 * When the pool runs short, bytes that have waited for long are copied out: ids from the limit on are such copies, of exactly their
 * size. In debug mode, releasing a buffer poisons it, and releasing it twice throws.
 */
import type { BufferId } from '../../driver.ts';
import { mapMemory, type NativeMemory, pointerOf, releasePages } from '../kernel/memory.ts';

export interface BufferPoolOptions {
  /** The most bytes received into one buffer. */
  readonly bytes: number;
  /** Buffers mapped at a time, and at most. */
  readonly step: number;
  readonly limit: number;
  readonly debug?: boolean;
}

const poison = 0xdb;
/** The most bytes that encryption adds to the content of a full buffer; a multiple of a cache line. */
const overheadBytes = 1024;
/** Buffers whose pages stay, and those whose pages are released at a time: each is a system call. */
const keptWarm = 64;
const trimmedAtOnce = 128;
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
  /** Buffers at the bottom of the free ones that were not used since the last trim. */
  #idle = 0;
  /** By id: 1 when its pages are in memory. */
  readonly #resident: Uint8Array;
  readonly #owned: boolean[] | undefined;

  constructor(options: BufferPoolOptions) {
    this.bytes = options.bytes;
    this.room = options.bytes + overheadBytes;
    this.#options = options;
    this.#owned = options.debug ? [] : undefined;
    this.#resident = new Uint8Array(options.limit);
    // Fill all ids of the pool first: V8 turns an array with holes into a hash table and never back.
    for (let id = 0; id < options.limit; id++) this.#set(id, noBytes, 0n);
  }

  /** @returns a buffer, or -1 when the limit is reached */
  take(): BufferId {
    if (this.#free.length === 0 && !this.#grow()) return -1;
    const id = this.#free.pop() as BufferId;
    if (this.#free.length < this.#idle) this.#idle = this.#free.length;
    this.#resident[id] = 1;
    if (this.#owned) this.#owned[id] = true;
    return id;
  }

  /** Now and then: releases the pages of buffers that were free all the time since the last call. @returns how many */
  trim(): number {
    let trimmed = 0;
    for (let at = 0; at < this.#idle - keptWarm && trimmed < trimmedAtOnce; at++) {
      const id = this.#free[at];
      if (this.#resident[id] === 0) continue;
      this.#resident[id] = 0;
      releasePages(this.#pointers[id], this.room);
      trimmed++;
    }
    this.#idle = this.#free.length;
    return trimmed;
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
      if (!this.#owned[id]) throw new Error(`buffer ${id} is given back by one that does not own it`);
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

  /** Whether the pool is running short: bytes that wait for a slow reader should be copied out and their buffer released. */
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
