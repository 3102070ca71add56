/**
 * Bytes written to a socket that the kernel has not taken yet, in order.
 *
 * When the pool runs short a segment is a copy of just its bytes, so that a slow reader does not keep a whole buffer from the others.
 */
import type { BufferId } from '../../driver.ts';
import type { BufferPool } from './buffer-pool.ts';

export interface Segment {
  readonly buffer: BufferId;
  offset: number;
  length: number;
}

export class WaitingWrites {
  readonly #pool: BufferPool;
  readonly #segments: Segment[] = [];
  bytes = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  push(buffer: BufferId, offset: number, length: number): void {
    this.bytes += length;
    this.#segments.push(
      this.#pool.underPressure
        ? { buffer: this.#pool.copyOut(buffer, offset, length), offset: 0, length }
        : { buffer, offset, length },
    );
  }

  get first(): Segment | undefined {
    return this.#segments[0];
  }

  /** The kernel has taken `n` bytes of the first segment. */
  took(n: number): void {
    const segment = this.#segments[0];
    this.bytes -= n;
    segment.offset += n;
    segment.length -= n;
    if (segment.length === 0) this.#pool.give((this.#segments.shift() as Segment).buffer);
  }

  /** Removes the first segment: the caller owns its buffer. */
  shift(): Segment {
    const segment = this.#segments.shift() as Segment;
    this.bytes -= segment.length;
    return segment;
  }

  clear(): void {
    for (const { buffer } of this.#segments.splice(0)) this.#pool.give(buffer);
    this.bytes = 0;
  }
}
