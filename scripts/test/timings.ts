/**
 * How long each job took and how much CPU time it used when that was last recorded, in test/timings.json.
 *
 * `npm test -- --record-timings` writes it anew. It only decides the order; a stale entry costs time, nothing else.
 */
import { readFileSync, writeFileSync } from 'node:fs';

export interface Timing {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

export type Timings = Readonly<Record<string, Timing>>;

/** For a job that has no entry yet: early enough that a long one does not end alone. */
export const unknownTiming: Timing = { seconds: 20, cpuSeconds: 12 };

export function readTimings(file: string): Timings {
  return JSON.parse(readFileSync(file, 'utf8')) as Timings;
}

/** One line for each job, by name, so that a diff shows what became slow. */
export function writeTimings(file: string, timings: Timings): void {
  const round = (seconds: number): number => Math.round(seconds * 10) / 10;
  const lines = Object.entries(timings)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { seconds, cpuSeconds }]) => {
      const timing: Timing = { seconds: round(seconds), cpuSeconds: round(cpuSeconds) };
      return `  ${JSON.stringify(name)}: ${JSON.stringify(timing).replaceAll(/[:,{]/g, '$& ').replace('}', ' }')}`;
    });
  writeFileSync(file, `{\n${lines.join(',\n')}\n}\n`);
}
