/**
 * The state of every endpoint that all threads share: one row of 64 bytes (a cache line) each, in shared memory.
 *
 *   bytes  | what                                                      | written by
 *   -------+-----------------------------------------------------------+---------------------------
 *    0..3  | open connections                                          | sessions, Atomics.add
 *    4..7  | connection attempts under way                             | sessions, Atomics.add
 *    8..11 | consecutive failures                                      | health.ts, Atomics
 *   12..15 | consecutive ejections, the exponent of the penalty        | health.ts, Atomics
 *   16..19 | standing: state and deadline in one word, see health.ts   | health.ts, compareExchange
 *   20..23 | 1 while a connect proves nothing: see health.ts           | health.ts, Atomics
 *   32..39 | latency estimate in ms, 0 while unknown                   | latency.ts, plain
 *   40..47 | when the estimate was made, ms                            | latency.ts, plain
 *   48..55 | decay time of the estimate in ms, 0 for the default       | latency.ts, plain
 *   56..63 | when it was ejected, or came back: ms, 0 for never        | health.ts, plain
 *
 * A row of zeros is a fresh endpoint. The plain numbers are eight-byte aligned, and racing writers can at worst
 * pair one thread's estimate with another's time of the same moment.
 */

/** Row of an endpoint in the table. */
export type EndpointSlot = number;

const rowBytes = 64;

/** Index shift and offsets within `cells` (Int32). */
export const cellShift = 4;
export const openCell = 0;
export const connectingCell = 1;
export const failuresCell = 2;
export const ejectionsCell = 3;
export const standingCell = 4;
export const unprovenCell = 5;

/** Index shift and offsets within `numbers` (Float64). */
export const numberShift = 3;
export const latencyNumber = 4;
export const observedAtNumber = 5;
export const decayTimeNumber = 6;
export const changedAtNumber = 7;

export class EndpointTable {
  static bytesFor(capacity: number): number {
    return capacity * rowBytes;
  }

  readonly capacity: number;
  readonly cells: Int32Array;
  readonly numbers: Float64Array;

  constructor(memory: ArrayBufferLike) {
    this.capacity = Math.floor(memory.byteLength / rowBytes);
    this.cells = new Int32Array(memory, 0, this.capacity << cellShift);
    this.numbers = new Float64Array(memory, 0, this.capacity << numberShift);
  }

  /** Makes the row a fresh endpoint. Main thread only, while no worker knows the slot. */
  reset(slot: EndpointSlot): void {
    const row = slot << cellShift;
    for (let cell = 0; cell < 1 << cellShift; cell++) Atomics.store(this.cells, row + cell, 0);
  }

  open(slot: EndpointSlot): number {
    return Atomics.load(this.cells, (slot << cellShift) + openCell);
  }

  connecting(slot: EndpointSlot): number {
    return Atomics.load(this.cells, (slot << cellShift) + connectingCell);
  }

  /** Connections that count against the endpoint: open and being made. */
  load(slot: EndpointSlot): number {
    const row = slot << cellShift;
    return Atomics.load(this.cells, row + openCell) + Atomics.load(this.cells, row + connectingCell);
  }

  addOpen(slot: EndpointSlot, n: 1 | -1): void {
    Atomics.add(this.cells, (slot << cellShift) + openCell, n);
  }

  addConnecting(slot: EndpointSlot, n: 1 | -1): void {
    Atomics.add(this.cells, (slot << cellShift) + connectingCell, n);
  }

  /** When it was ejected or came back, in ms of the drivers' clock; 0 if never. */
  changedAt(slot: EndpointSlot): number {
    return this.numbers[(slot << numberShift) + changedAtNumber];
  }

  consecutiveFailures(slot: EndpointSlot): number {
    return Atomics.load(this.cells, (slot << cellShift) + failuresCell);
  }

  consecutiveEjections(slot: EndpointSlot): number {
    return Atomics.load(this.cells, (slot << cellShift) + ejectionsCell);
  }
}
