/**
 * The whole check of the project in one command: Debian packages, format and lint, types, layers, words, and every test.
 *
 * `npm test` runs everything; `npm test -- test/dtab test/e2e/redis.test.ts` runs the same steps but only those tests.
 * Steps and tests run side by side, and all of them run even when one fails. The failures come last, then the counts.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join, relative, resolve } from 'node:path';
import { isFullSize } from '../test/support/size.ts';
import { planTests, type TestJob } from './test/plan.ts';
import { type Job, runPool } from './test/pool.ts';
import { type Counts, sumCounts, summaryLines } from './test/results.ts';
import { type Command, runCommand, runTests, stopAll } from './test/run-job.ts';
import { readTimings, type Timing, writeTimings } from './test/timings.ts';

interface Step extends Job {
  readonly program: string;
  readonly args: readonly string[];
}

const root = join(import.meta.dirname, '..');
const programs = join(root, 'node_modules/.bin');
const timingsFile = join(root, 'test/timings.json');
const oldestNode = 26;
const recordFlag = '--record-timings';
/** Far above what the longest process needs on a busy machine. */
const timeoutMs = (isFullSize ? 60 : 6) * 60_000;
const packages = 'Debian packages';

if (Number(process.versions.node.split('.', 1)[0]) < oldestNode) process.exit(runOnPackagedNode());

const start = performance.now();
const names = process.argv.slice(2).filter(argument => argument !== recordFlag);
const files = testFiles(names);
const steps: readonly Step[] = [
  { name: packages, program: process.execPath, args: ['scripts/debian-packages.ts'], seconds: 60, cores: 0.5 },
  { name: 'type check', program: 'tsc', args: ['--noEmit'], seconds: 50, cores: 1.5 },
  { name: 'format and lint', program: 'biome', args: ['check', '--error-on-warnings', '.'], seconds: 49, cores: 1.5 },
  { name: 'layer check', program: process.execPath, args: ['scripts/layers.ts'], seconds: 48, cores: 1 },
  { name: 'words', program: process.execPath, args: ['scripts/words.ts'], seconds: 47, cores: 1, after: [packages] },
];
const jobs = [...steps, ...planTests(files, readTimings(timingsFile), packages)];
const cores = availableParallelism();
/** A little more than there are: a job keeps its cores busy on average only. */
const pool = { cores: cores * 1.2, atOnce: cores * 4 };
const env = {
  ...process.env,
  PATH: `${programs}${delimiter}${process.env['PATH'] ?? ''}`,
  // Every program that a test starts compiles the same sources.
  NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? join(root, 'node_modules/.cache/compile'),
  ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : {}),
};

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    stopAll();
    process.exit(1);
  });
}

const failedSteps: string[] = [];
const failures: string[] = [];
const counts: Counts[] = [];
const timings: Record<string, Timing> = {};

print(`== ${files.length} test files in ${jobs.length - steps.length} processes\n`);
await runPool(jobs, pool, async job => {
  const ok = 'program' in job ? await runStep(job) : await runTestJob(job);
  if (!ok) process.exitCode = 1;
});
if (files.length === 0) process.exitCode = 1;
if (process.argv.includes(recordFlag)) writeTimings(timingsFile, { ...readTimings(timingsFile), ...timings });

if (failures.length > 0) print(`\n✖ failing tests:\n${failures.join('')}`);
if (failedSteps.length > 0) print(`\nFAILED beside the tests: ${failedSteps.join(', ')} (see above)\n`);
print(`\n${summaryLines(sumCounts(counts), performance.now() - start)}`);

async function runStep({ name, program, args }: Step): Promise<boolean> {
  const file = program.includes('/') ? program : join(programs, program);
  const { ok, output, seconds, problem } = await runCommand(command(file, args));
  if (!ok) failedSteps.push(name);
  print(`== ${name}: ${ok ? 'ok' : `FAILED, ${problem}`} (${seconds.toFixed(1)} s)\n${output}`);
  return ok;
}

async function runTestJob({ name, files: own }: TestJob): Promise<boolean> {
  const { print: live } = jobs.length === steps.length + 1 ? { print } : {};
  const result = await runTests(name, { ...command(process.execPath, testArguments(own)), print: live });
  counts.push(result.counts);
  Object.assign(timings, result.timings);
  if (result.failures !== '') failures.push(result.failures);
  print(`== ${name} (${result.seconds.toFixed(1)} s)\n${live ? '' : result.output}`);
  return result.ok;
}

function command(program: string, args: readonly string[]): Command {
  return { program, args, cwd: root, env, timeoutMs };
}

function testArguments(selected: readonly string[]): readonly string[] {
  return [
    '--disable-warning=ExperimentalWarning',
    '--test',
    '--test-isolation=none',
    // Before the process is stopped, so that the test that hangs is named.
    `--test-timeout=${timeoutMs * 0.9}`,
    `--test-reporter=${join(root, 'scripts/test/reporter.ts')}`,
    '--test-reporter-destination=stdout',
    ...selected,
  ];
}

/** The named files and the tests in the named directories, or all; a name that is neither ends the run at once. */
function testFiles(wanted: readonly string[]): readonly string[] {
  const found = (wanted.length === 0 ? ['test'] : wanted).flatMap(name => {
    const path = resolve(root, name);
    if (!existsSync(path)) {
      print(`${name}: no such test file or directory\n`);
      process.exit(2);
    }
    return statSync(path).isFile() ? [path] : globSync('**/*.test.ts', { cwd: path }).map(file => join(path, file));
  });
  return [...new Set(found)].map(file => relative(root, file)).sort();
}

/** Started directly with an older Node: run on the one that `npm install` brought. */
function runOnPackagedNode(): number {
  const packaged = join(programs, 'node');
  if (existsSync(packaged)) {
    const result = spawnSync(packaged, process.argv.slice(1), { stdio: 'inherit' });
    return result.status ?? 1;
  }
  print(`this is Node ${process.version}; the tests need ${oldestNode} or newer. Run: npm install && npm test\n`);
  return 1;
}

function print(text: string): void {
  process.stdout.write(text);
}
