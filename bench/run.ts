/**
 * `npm run bench`: linkerd-tcp on each driver, HAProxy and nginx stream, side by side in one run.
 *
 *   node bench/run.ts [--rows get-50,bulk] [--proxies haproxy,uring] [--rounds 5] [--quick] [--name plain-tcp]
 *                     [--max-minutes 45]
 *
 * In every round each row is measured on all proxies in turn, and each round begins with another proxy. Ends with 0 when
 * everything was measured, 1 when something failed (the report says what), 2 for a mistake in the arguments.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Scope, withScope } from '../test/support/scope.ts';
import { drawChart } from './chart.ts';
import { describeMachine, describeVersions, loadAverage } from './environment.ts';
import { descriptorLimit } from './process-cost.ts';
import { allProxies, backendsOf, type Contender } from './proxies.ts';
import { chartOf, type Failure, goalTable, isBusy, markdownReport, type Run } from './report.ts';
import { forComparison, missingPackages } from './requirements.ts';
import { allRows, type Row, type Subject } from './rows.ts';
import { rotated, type Sample } from './statistics.ts';
import { showNumber } from './table.ts';
import { startUpstreams } from './upstreams.ts';

interface Plan {
  readonly rows: readonly Row[];
  readonly proxies: readonly Contender[];
  readonly rounds: number;
  readonly quick: boolean;
  readonly name: string;
  readonly maxMinutes: number;
}

/** Descriptors a proxy needs beside two for each connection. */
const spareDescriptors = 200;
const startedAt = performance.now();
const minutes = (): number => (performance.now() - startedAt) / 60_000;
const print = (line: string): void => void process.stdout.write(`${line}\n`);

let isInterrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    isInterrupted = true;
    print('interrupted: what was measured so far is reported after this measurement');
  });
}

function planned(): Plan {
  const { values } = parseArgs({
    options: {
      rows: { type: 'string' },
      proxies: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      name: { type: 'string' },
      'max-minutes': { type: 'string', default: '45' },
    },
  });
  const { quick } = values;
  const descriptors = descriptorLimit();
  const mostConnections = Math.floor((descriptors - spareDescriptors) / 2);
  const rows = allRows({ effort: quick ? 0.25 : 1, mostConnections });
  const proxies = allProxies(mostConnections, descriptors);
  return {
    rows: selected(values.rows, rows, row => row.id),
    proxies: selected(values.proxies, proxies, proxy => proxy.name),
    rounds: positive('--rounds', values.rounds ?? (quick ? '2' : '5')),
    quick,
    name: values.name ?? (quick ? 'quick' : 'plain-tcp'),
    maxMinutes: positive('--max-minutes', values['max-minutes']),
  };
}

function selected<T>(list: string | undefined, all: readonly T[], nameOf: (item: T) => string): readonly T[] {
  if (list === undefined) return all;
  const names = list.split(',');
  const known = all.map(nameOf);
  const unknown = names.filter(name => !known.includes(name));
  if (unknown.length > 0) throw new Error(`unknown: ${unknown.join(', ')}; there are ${known.join(', ')}`);
  return all.filter(item => names.includes(nameOf(item)));
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${option} ${text}: must be a number above 0`);
  return value;
}

async function startAll(scope: Scope, proxies: readonly Contender[]) {
  const upstreams = await startUpstreams(scope, proxies.length);
  const subjects: Subject[] = [];
  const absent: { proxy: string; reason: string }[] = [];
  for (const [index, proxy] of proxies.entries()) {
    const backends = backendsOf(upstreams, index);
    try {
      subjects.push({ proxy, backends, running: await proxy.start(scope, backends) });
    } catch (error) {
      const reason = firstLines(error);
      absent.push({ proxy: proxy.name, reason });
      print(`${proxy.title} does not start: ${reason}`);
    }
  }
  return { subjects, absent };
}

const firstLines = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n').slice(0, 4).join(' | ').slice(0, 600);

const isFor = (row: Row, { proxy }: Subject): boolean => row.isBulk === true || proxy.onlyBulk !== true;

async function measureAll(plan: Plan, subjects: readonly Subject[]) {
  const samples: Sample[] = [];
  const failures: Failure[] = [];
  const isOver = (): boolean => isInterrupted || minutes() > plan.maxMinutes;
  let rounds = 0;
  // Round -1 is thrown away: JavaScript is compiled in it, pools grow.
  for (let round = -1; round < plan.rounds && !isOver(); round++) {
    print(
      round < 0 ? '== to warm up' : `== round ${round + 1} of ${plan.rounds} (${minutes().toFixed(1)} minutes so far)`,
    );
    for (const row of plan.rows) {
      if (round < 0 && !row.warmsUp) continue;
      for (const subject of rotated(
        subjects.filter(one => isFor(row, one)),
        round + 1,
      )) {
        if (isOver()) break;
        try {
          const values = await row.measure(subject);
          print(`${row.id.padEnd(12)} ${subject.proxy.name.padEnd(15)} ${brief(values)}`);
          if (round >= 0) samples.push({ row: row.id, proxy: subject.proxy.name, round, values });
        } catch (error) {
          const reason = firstLines(error);
          print(`${row.id.padEnd(12)} ${subject.proxy.name.padEnd(15)} FAILED ${reason}`);
          failures.push({ row: row.id, proxy: subject.proxy.name, round, reason });
        }
      }
    }
    if (round >= 0) rounds++;
  }
  if (rounds < plan.rounds || isOver()) print(`ended early, after ${minutes().toFixed(1)} minutes`);
  return { samples, failures, rounds };
}

const brief = (values: Readonly<Record<string, number>>): string =>
  Object.entries(values)
    .map(([key, value]) => `${key} ${showNumber(value)}`)
    .join(', ');

async function main(): Promise<number> {
  const plan = planned();
  const missing = missingPackages(forComparison);
  if (missing !== undefined) throw new Error(missing);
  const before = loadAverage();
  if (isBusy({ loadAverageBefore: before }))
    print(`the machine is busy (load average ${before}): wait until it is not, for numbers to conclude from`);
  const { absent, samples, failures, rounds } = await withScope(async scope => {
    const started = await startAll(scope, plan.proxies);
    return { absent: started.absent, ...(await measureAll(plan, started.subjects)) };
  });
  const run: Run = {
    machine: describeMachine(before),
    versions: describeVersions(),
    quick: plan.quick,
    rounds,
    minutes: minutes(),
    absent,
    failures,
    samples,
  };
  const titles = new Map(plan.proxies.map(({ name, title }) => [name, title]));
  const folder = join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  const file = (ending: string): string => join(folder, `${plan.name}.${ending}`);
  const chart = chartOf(run, plan.rows, titles);
  writeFileSync(file('json'), `${JSON.stringify(run, undefined, 2)}\n`);
  writeFileSync(file('md'), markdownReport(plan.name, run, plan.rows, titles));
  if (chart.groups.length > 0) writeFileSync(file('svg'), drawChart(chart));
  print(`\n${goalTable(samples, titles)}`);
  print(`\n${rounds} rounds in ${minutes().toFixed(1)} minutes; written: bench/results/${plan.name}.{json,md,svg}`);
  return absent.length + failures.length > 0 || isInterrupted ? 1 : 0;
}

main().then(
  code => {
    process.exitCode = code;
  },
  error => {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 2;
  },
);
