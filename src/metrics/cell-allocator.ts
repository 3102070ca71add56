/**
 * Allocates and frees runs of consecutive cells in a page of fixed size.
 *
 * Free runs are kept by size, because destinations use the same few sizes. A larger run is split only when no run of the size is
 * free and the untouched rest of the page is used up.
 */
import type { Cell } from './cells.ts';

export class CellAllocator {
  readonly #capacity: number;
  readonly #free = new Map<number, Cell[]>();
  /** First cell that was never allocated; cell 0 is reserved. */
  #next: Cell = 1;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** @returns the first cell of the run, or undefined if the page is full. */
  take(size: number): Cell | undefined {
    const reused = this.#free.get(size)?.pop();
    if (reused !== undefined) return reused;
    if (this.#next + size <= this.#capacity) {
      const cell = this.#next;
      this.#next += size;
      return cell;
    }
    return this.#split(size);
  }

  give(cell: Cell, size: number): void {
    const runs = this.#free.get(size);
    if (runs === undefined) {
      this.#free.set(size, [cell]);
    } else {
      runs.push(cell);
    }
  }

  #split(size: number): Cell | undefined {
    for (const [larger, runs] of this.#free) {
      if (larger > size && runs.length > 0) {
        const cell = runs.pop()!;
        this.give(cell + size, larger - size);
        return cell;
      }
    }
    return undefined;
  }
}
