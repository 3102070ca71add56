/**
 * `npm run bench`: linkerd-tcp on each driver, HAProxy and nginx stream, side by side in one run.
 *
 *   node bench/run.ts [--suite plain-tcp] [--rows get-50,tls-bulk] [--proxies haproxy,uring] [--rounds 5] [--quick]
 *                     [--name mine] [--max-minutes 75]
 *
 * Suites run one after the other, each with proxies of its own. In every round each row is measured on all proxies in turn, and
 * each round begins with another proxy. Exits with 0 if everything was measured, 1 if a measurement failed (the report
 * names it), 2 for a mistake in the arguments.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Scope, withScope } from '../test/support/scope.ts';
import { drawChart } from './chart.ts';
import { describeMachine, describeVersions, loadAverage } from './environment.ts';
import { type Plan, planned } from './plan.ts';
import { descriptorLimit } from './process-cost.ts';
import { backendsOf } from './proxies.ts';
import { chartOf, type Failure, goalTable, isBusy, markdownReport, type Run } from './report.ts';
import { forComparison, missingPackages } from './requirements.ts';
import type { Row, Subject } from './row.ts';
import { rotated, type Sample } from './statistics.ts';
import { showNumber } from './table.ts';
import { createIdentity } from './tls-agreement.ts';
import { startUpstreams } from './upstreams.ts';

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

async function startAll(scope: Scope, { proxies, suite }: Plan) {
  const upstreams = await startUpstreams(scope, proxies.length, suite.bulk);
  const identity = suite.isTls ? createIdentity(scope) : undefined;
  const subjects: Subject[] = [];
  const absent: { proxy: string; reason: string }[] = [];
  for (const [index, proxy] of proxies.entries()) {
    const backends = backendsOf(upstreams, index, identity);
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
          print(`${row.id.padEnd(22)} ${subject.proxy.name.padEnd(15)} ${brief(values)}`);
          if (round >= 0) samples.push({ row: row.id, proxy: subject.proxy.name, round, values });
        } catch (error) {
          const reason = firstLines(error);
          print(`${row.id.padEnd(22)} ${subject.proxy.name.padEnd(15)} FAILED ${reason}`);
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

/** @returns whether everything was measured */
async function runSuite(plan: Plan, loadBefore: number): Promise<boolean> {
  print(`\n=== ${plan.suite.name}`);
  const startedAtMinutes = minutes();
  const { absent, samples, failures, rounds } = await withScope(async scope => {
    const started = await startAll(scope, plan);
    return { absent: started.absent, ...(await measureAll(plan, started.subjects)) };
  });
  const run: Run = {
    machine: describeMachine(loadBefore),
    versions: describeVersions(),
    quick: plan.quick,
    rounds,
    minutes: minutes() - startedAtMinutes,
    absent,
    failures,
    samples,
  };
  const titles = new Map(plan.proxies.map(({ name, title }) => [name, title]));
  const folder = join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  const file = (ending: string): string => join(folder, `${plan.name}.${ending}`);
  const chart = chartOf(run, plan.rows, titles, plan.suite.subtitle);
  writeFileSync(file('json'), `${JSON.stringify(run, undefined, 2)}\n`);
  writeFileSync(file('md'), markdownReport(plan.name, run, plan.rows, titles));
  if (chart.groups.length > 0) writeFileSync(file('svg'), drawChart(chart));
  print(`\n${goalTable(samples, titles)}`);
  print(`\n${rounds} rounds in ${run.minutes.toFixed(1)} minutes; written: bench/results/${plan.name}.{json,md,svg}`);
  return absent.length + failures.length === 0;
}

async function main(): Promise<number> {
  const plans = planned(process.argv.slice(2), descriptorLimit());
  const missing = missingPackages(forComparison);
  if (missing !== undefined) throw new Error(missing);
  const loadBefore = loadAverage();
  if (isBusy({ loadAverageBefore: loadBefore }))
    print(`the machine is busy (load average ${loadBefore}): wait until it is not, for numbers to conclude from`);
  let isComplete = true;
  for (const plan of plans) {
    if (!(await runSuite(plan, loadBefore))) isComplete = false;
    if (isInterrupted) break;
  }
  return isComplete && !isInterrupted ? 0 : 1;
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
