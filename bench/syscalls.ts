/**
 * `node bench/syscalls.ts [--driver uring|epoll|portable] [--seconds 5]`: the system calls of a loaded worker, from `strace -c`.
 *
 * Without --driver it measures all three and writes bench/results/syscalls.md. Ends with 0 when everything was measured, 1 when
 * something could not be measured (it names it), 2 for a mistake in the arguments or a missing package.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type DriverKind, driverKinds } from '../src/io/drivers/choose-driver.ts';
import { withScope } from '../test/support/scope.ts';
import { describeMachine, describeVersions, loadAverage } from './environment.ts';
import { forSystemCalls, missingPackages } from './requirements.ts';
import { markdownTable, showNumber } from './table.ts';
import { allCalls, type TracedCalls, traceLoadedWorker, turnsOf } from './traced-calls.ts';

const warmUpSeconds = 2;
const print = (line: string): void => void process.stdout.write(`${line}\n`);

let isInterrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    isInterrupted = true;
  });
}

type Measured = readonly [driver: DriverKind, traced: TracedCalls];

function summary(measured: readonly Measured[]): string {
  return markdownTable(
    ['driver', 'calls per turn', 'calls per request', 'calls per second', 'turns per second', 'requests per second'],
    measured.map(([driver, traced]) => {
      const calls = allCalls(traced);
      const turns = turnsOf(traced, driver);
      return [
        `\`${driver}\``,
        (calls / turns).toPrecision(4),
        showNumber(calls / traced.requests),
        ...[calls, turns, traced.requests].map(count => showNumber(count / traced.seconds)),
      ];
    }),
  );
}

function callTable([driver, traced]: Measured): string {
  const all = allCalls(traced);
  const turns = turnsOf(traced, driver);
  const rows = traced.calls.map(({ name, count, errors }) => [
    `\`${name}\``,
    String(count),
    String(errors),
    showNumber(count / traced.seconds),
    `${((count / all) * 100).toFixed(2)} %`,
    (count / turns).toFixed(4),
  ]);
  return markdownTable(['call', 'count', 'failed', 'per second', 'share', 'per turn'], rows);
}

function report(measured: readonly Measured[], loadBefore: number, seconds: number): string {
  const machine = describeMachine(loadBefore);
  const { 'linkerd-tcp': ours, node, redis } = describeVersions();
  return [
    '# System calls of a loaded worker',
    '',
    `${machine.date}; ${machine.cores} cores (${machine.cpu}), Linux ${machine.kernel}, ${machine.memoryGiB} GiB; load average ` +
      `${machine.loadAverageBefore} before and ${machine.loadAverageAfter} after. linkerd-tcp ${ours}, node ${node}, redis ${redis}.`,
    '',
    `\`node bench/syscalls.ts --seconds ${seconds}\`: redis-benchmark, GET over 50 connections, \`workers: 1\`, and \`strace -c -p\` on ` +
      `the thread of the worker for ${seconds} seconds. A turn of the loop is one \`io_uring_enter\` of the \`uring\` driver, one ` +
      '`epoll_wait` or `epoll_pwait` of the others. strace stops the thread twice for each call: numbers per second are far from those ' +
      'without it, and the worse the more calls there are. Calls per turn and per request are what to read.',
    '',
    summary(measured),
    ...measured.flatMap(one => ['', `## \`${one[0]}\``, '', callTable(one)]),
    '',
  ].join('\n');
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { driver: { type: 'string' }, seconds: { type: 'string', default: '5' } },
  });
  const seconds = Number(values.seconds);
  if (!(seconds > 0)) throw new Error(`--seconds ${values.seconds}: must be a number above 0`);
  const drivers = driverKinds.filter(kind => values.driver === undefined || kind === values.driver);
  if (drivers.length === 0) throw new Error(`--driver ${values.driver}: there are ${driverKinds.join(', ')}`);
  const missing = missingPackages(forSystemCalls);
  if (missing !== undefined) throw new Error(missing);

  const loadBefore = loadAverage();
  const measured: Measured[] = [];
  for (const driver of drivers) {
    if (isInterrupted) break;
    try {
      const traced = await withScope(scope => traceLoadedWorker(scope, { driver, seconds, warmUpSeconds }));
      measured.push([driver, traced]);
      print(`${driver}\n${callTable([driver, traced])}\n`);
    } catch (error) {
      print(`${driver} FAILED: ${error instanceof Error ? error.message : String(error)}\n`);
    }
  }
  print(summary(measured));
  if (measured.length < driverKinds.length) return measured.length < drivers.length ? 1 : 0;
  const folder = join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'syscalls.md'), report(measured, loadBefore, seconds));
  print('\nwritten: bench/results/syscalls.md');
  return 0;
}

main().then(
  code => {
    process.exitCode = code;
  },
  error => {
    console.error(`syscalls: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 2;
  },
);
