/**
 * Hands out runs of consecutive cells from a page of fixed size, and takes them back.
 *
 * Free runs are kept by size, since the same few sizes come and go with destinations; a larger run is split when its size
 * and the untouched rest of the page are used up.
 */
import type { Cell } from './cells.ts';

export class CellAllocator {
  readonly #capacity: number;
  readonly #free = new Map<number, Cell[]>();
  /** First cell never handed out; cell 0 is set aside. */
  #next: Cell = 1;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** @returns the first cell of the run, or undefined when there is no room. */
  take(size: number): Cell | undefined {
    const reused = this.#free.get(size)?.pop();
    if (reused !== undefined) {
      return reused;
    }
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
