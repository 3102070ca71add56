/**
 * Long work in slices, so that one request never blocks the event loop for longer than a slice.
 *
 * The work is a generator that yields after each small step. All work shares one queue: each turn of the event loop runs one
 * slice of one piece of work, round robin, however many requests there are.
 */
import { performance } from 'node:perf_hooks';

/** Yields between steps that take microseconds; returns the result. */
export type Sliced<T> = Generator<void, T, void>;

export interface SliceLimits {
  /** A slice ends with the first step after this time. */
  readonly sliceMs: number;
  readonly now: () => number;
  /** Calls back in a later turn of the event loop. */
  readonly later: (run: () => void) => void;
}

const defaults: SliceLimits = { sliceMs: 10, now: () => performance.now(), later: setImmediate };

export class Slices {
  readonly #limits: SliceLimits;
  /** Each runs one slice; true when there is more to do. */
  readonly #waiting: (() => boolean)[] = [];

  constructor(limits: Partial<SliceLimits> = {}) {
    this.#limits = { ...defaults, ...limits };
  }

  /** Rejects with what `work` throws. */
  run<T>(work: Sliced<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const slice = () => {
        try {
          const result = this.#slice(work);
          if (result.done) resolve(result.value);
          return !result.done;
        } catch (error) {
          reject(error);
          return false;
        }
      };
      this.#waiting.push(slice);
      // Not at once: in this turn another piece of work may have had its slice.
      if (this.#waiting.length === 1) this.#limits.later(() => this.#turn());
    });
  }

  #slice<T>(work: Sliced<T>): IteratorResult<void, T> {
    const { sliceMs, now } = this.#limits;
    const end = now() + sliceMs;
    for (;;) {
      const step = work.next();
      if (step.done || now() >= end) return step;
    }
  }

  /** The first of the queue stays in it while it runs. */
  #turn(): void {
    const hasMore = this.#waiting[0]();
    const first = this.#waiting.shift()!;
    if (hasMore) this.#waiting.push(first);
    if (this.#waiting.length > 0) this.#limits.later(() => this.#turn());
  }
}

/** The result of work that need not be sliced. */
export function atOnce<T>(work: Sliced<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}
