/** The report of one process of the suite about its tests, and the sum over all of them. */
import type { Timings } from './timings.ts';

export interface Counts {
  readonly tests: number;
  readonly suites: number;
  readonly pass: number;
  readonly fail: number;
  readonly cancelled: number;
  readonly skipped: number;
  readonly todo: number;
}

export interface Results {
  readonly counts: Counts;
  /** Details of the tests that failed, as the spec reporter prints them; empty when all passed. */
  readonly failures: string;
  readonly timings: Timings;
}

export const noCounts: Counts = { tests: 0, suites: 0, pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 };

export function sumCounts(all: readonly Counts[]): Counts {
  return all.reduce(
    (sum, counts) => ({
      tests: sum.tests + counts.tests,
      suites: sum.suites + counts.suites,
      pass: sum.pass + counts.pass,
      fail: sum.fail + counts.fail,
      cancelled: sum.cancelled + counts.cancelled,
      skipped: sum.skipped + counts.skipped,
      todo: sum.todo + counts.todo,
    }),
    noCounts,
  );
}

/** The last lines of a run, exactly as Node's own runner prints them. */
export function summaryLines(counts: Counts, durationMs: number): string {
  const lines = [...Object.entries(counts), ['duration_ms', durationMs] as const];
  return lines.map(([name, value]) => `ℹ ${name} ${value}\n`).join('');
}
