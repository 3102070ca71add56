/**
 * `npm run bench:namerd`: how namerd bears 5000 clients that watch 500 names, in about two minutes.
 *
 *   node bench/namerd/run.ts [--quick] [--name mine]
 *
 * Writes bench/results/namerd.{json,md}. Ends with 0 when everything was measured and each client got the last state, else 1.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Scope, withScope } from '../../test/support/scope.ts';
import { until, within } from '../../test/support/waiting.ts';
import { describeMachine, describeVersions, loadAverage } from '../environment.ts';
import { isBusy } from '../report.ts';
import { dtabUpdates, endpointUpdates } from './measure.ts';
import { type Plan, planned, resolversOf } from './plan.ts';
import { dtabTable, endpointTable, markdownReport, memoryTable, type Run } from './report.ts';
import { startSubject } from './subject.ts';
import { whileWatched } from './watchers.ts';

const mostMinutes = 4;
/** A name is kept for a minute after the last who asked. */
const forgottenWithinMs = 75_000;

const startedAt = performance.now();
const seconds = (): number => (performance.now() - startedAt) / 1000;
const print = (line: string): void => void process.stdout.write(`${seconds().toFixed(0).padStart(4)} s  ${line}\n`);

async function measure(scope: Scope, plan: Plan): Promise<Omit<Run, 'machine' | 'versions' | 'plan' | 'seconds'>> {
  const subject = await startSubject(scope);
  await subject.route({ all: 'blue', apart: new Map() });
  const before = await subject.memory();
  print(`namerd runs; ${plan.watchers} clients come`);
  const measured = await whileWatched(plan, subject.apiPort, async watchers => {
    const withWatchers = await subject.memory();
    print(`they watch; ${plan.oneName} changes of the dtab, each of one name`);
    const oneName = await dtabUpdates(subject, watchers, { updates: plan.oneName, touched: 'one' });
    print(`${plan.allNames} changes of the dtab, each of all names`);
    const allNames = await dtabUpdates(subject, watchers, { updates: plan.allNames, touched: 'all' });
    print(`${plan.endpointUpdatesPerSecond} changes of endpoints a second, for ${plan.endpointSeconds} s`);
    const endpoints = await endpointUpdates(subject, watchers, {
      perSecond: plan.endpointUpdatesPerSecond,
      seconds: plan.endpointSeconds,
      resolvers: resolversOf(plan),
    });
    print('the clients leave');
    return { withWatchers, oneName, allNames, endpoints };
  });
  if (plan.untilForgotten)
    await until(async () => (await subject.observations()) === 0, 'the names to be given up', {
      timeoutMs: forgottenWithinMs,
      everyMs: 1000,
    });
  const after = await subject.memory();
  const { withWatchers, ...rest } = measured;
  return { ...rest, memory: { before, withWatchers, after } };
}

async function main(): Promise<number> {
  const plan = planned(process.argv.slice(2));
  const loadBefore = loadAverage();
  if (isBusy({ loadAverageBefore: loadBefore }))
    print(`the machine is busy (load average ${loadBefore}): wait until it is not, for numbers to conclude from`);
  const measured = await withScope(scope => within(measure(scope, plan), 'all that is measured', mostMinutes * 60_000));
  const { 'linkerd-tcp': ours, node } = describeVersions();
  const versions = { 'linkerd-tcp': ours as string, node: node as string };
  const run: Run = { machine: describeMachine(loadBefore), versions, plan, seconds: seconds(), ...measured };
  const folder = join(import.meta.dirname, '../results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${plan.name}.json`), `${JSON.stringify(run, undefined, 2)}\n`);
  writeFileSync(join(folder, `${plan.name}.md`), markdownReport(run));
  for (const table of [dtabTable(run), endpointTable(run.endpoints), memoryTable(run)])
    process.stdout.write(`\n${table}\n`);
  process.stdout.write(`\n${run.seconds.toFixed(0)} s; written: bench/results/${plan.name}.{json,md}\n`);
  return run.endpoints.behind === 0 ? 0 : 1;
}

main().then(
  code => {
    process.exitCode = code;
  },
  error => {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  },
);
