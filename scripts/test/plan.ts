/**
 * Divides the suite into processes.
 *
 * Starting a process and loading the sources costs more than most unit tests take, so the short files of a directory share a process.
 * Files that start the programs, and all that take long, have one of their own: they run side by side.
 */
import type { Job } from './pool.ts';
import { type Timing, type Timings, unknownTiming } from './timings.ts';

export interface TestJob extends Job {
  readonly files: readonly string[];
}

/** Directories of test/ whose files each have a process; a file without a recorded time is expected to be long. */
const separate = new Set(['cli', 'e2e', 'io', 'stores']);
/** Directories of test/ that use only what `npm install` brings: they run while Debian's packages are being installed. */
const programless = new Set(
  [
    'admin',
    'app',
    'balancer',
    'config',
    'control',
    'dtab',
    'interpreters',
    'live',
    'namerd',
    'namers',
    'naming',
  ].concat(['settings', 'wire']),
);
const longestSharedSeconds = 3;
const shortTiming: Timing = { seconds: 1, cpuSeconds: 0.5 };

/** @param packages name of the job that installs the programs that tests start */
export function planTests(files: readonly string[], timings: Timings, packages: string): readonly TestJob[] {
  const jobs = new Map<string, string[]>();
  for (const file of files) {
    const directory = directoryOf(file);
    const isAlone = separate.has(directory) || (timings[file]?.seconds ?? 0) > longestSharedSeconds;
    const name = isAlone ? file : `test/${directory}`;
    jobs.set(name, [...(jobs.get(name) ?? []), file]);
  }
  return Array.from(jobs, ([name, group]) => {
    const directory = directoryOf(group[0] as string);
    const expected = group.map(file => timings[file] ?? (separate.has(directory) ? unknownTiming : shortTiming));
    const seconds = sum(expected.map(timing => timing.seconds));
    const cores = sum(expected.map(timing => timing.cpuSeconds)) / seconds;
    return { name, files: group, seconds, cores, after: programless.has(directory) ? [] : [packages] };
  });
}

/** `test/e2e/redis.test.ts` → `e2e`; files directly in test/ belong to the directory ''. */
function directoryOf(file: string): string {
  return file.split('/').slice(1, -1)[0] ?? '';
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
