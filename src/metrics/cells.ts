/**
 * One thread's page of metric cells in shared memory: 64-bit floats, one writer, read by the main thread at scrape.
 *
 * Nothing here allocates or locks. Aligned 64-bit stores are not torn on the platforms Node runs on.
 */
import { bounds, maxOffset, minOffset, sumOffset } from './layout.ts';

/** Index of a cell; a series has the same index on every page. Cell 0 belongs to no series: writes to it are discarded. */
export type Cell = number;

export class Cells {
  readonly #cells: Float64Array;

  constructor(memory: ArrayBufferLike) {
    this.#cells = new Float64Array(memory);
  }

  add(cell: Cell, n: number): void {
    this.#cells[cell] += n;
  }

  set(cell: Cell, value: number): void {
    this.#cells[cell] = value;
  }

  get(cell: Cell): number {
    return this.#cells[cell];
  }

  /** Adds a value to a histogram block. A negative value or NaN (the clock stepped back) counts as 0. */
  observe(histogram: Cell, value: number): void {
    const cells = this.#cells;
    const observed = Number.isNaN(value) ? 0 : Math.max(value, 0);
    // While max is 0, either nothing was observed (then the first bucket is empty) or only zeros (then min is right).
    if (observed < cells[histogram + minOffset] || (cells[histogram + maxOffset] === 0 && cells[histogram] === 0)) {
      cells[histogram + minOffset] = observed;
    }
    if (observed > cells[histogram + maxOffset]) cells[histogram + maxOffset] = observed;
    cells[histogram + sumOffset] += observed;
    cells[histogram + bucketOf(observed)]++;
  }
}

/** Index of the first bound that is not below the value; one past the last for +Inf. */
function bucketOf(value: number): number {
  let low = 0;
  let high = bounds.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (bounds[middle] < value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
