/** The report of a benchmark run. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainRows } from '../../bench/plain-rows.ts';
import { chartOf, goalTable, markdownReport, type Run } from '../../bench/report.ts';
import type { Sample } from '../../bench/statistics.ts';

const rows = plainRows({ effort: 1, mostConnections: 9900 });
const titles = new Map([
  ['haproxy', 'HAProxy'],
  ['uring', 'linkerd-tcp uring'],
  ['epoll', 'linkerd-tcp epoll'],
]);

const sample = (proxy: string, round: number, perCpuSecond: number, perSecond = 1000): Sample => ({
  row: 'get-50',
  proxy,
  round,
  values: { perCpuSecond, perSecond },
});

function runOf(samples: readonly Sample[]): Run {
  return {
    machine: {
      ...{ date: '2026-01-02 03:04', cpu: 'a CPU', cores: 2, kernel: '6.1', memoryGiB: 8, descriptorLimit: 20_000 },
      ...{ loadAverageBefore: 0.1, loadAverageAfter: 1.2 },
    },
    ...{ versions: { haproxy: '2.6' }, quick: false, rounds: 3, minutes: 1 },
    absent: [{ proxy: 'uring', reason: 'io_uring is refused' }],
    failures: [{ row: 'bulk', proxy: 'epoll', round: 1, reason: 'reset' }],
    samples,
  };
}

test('a goal is judged by the median of the rounds, and one that was not measured is not listed', () => {
  const samples = [1.3, 1.19, 1.5].flatMap((ratio, round) => [
    sample('haproxy', round, 100),
    sample('uring', round, ratio * 100),
    sample('epoll', round, 94),
  ]);
  const lines = goalTable(samples, titles).split('\n').slice(2);
  assert.equal(lines.length, 2);
  assert.match(lines[0] as string, /uring.*≥ 1\.20×.*1\.30× \(1\.19× - 1\.50×\).*\breached \|$/);
  assert.match(lines[1] as string, /epoll.*≥ 0\.95×.*0\.94×.*\*\*missed\*\* \|$/);
});

test('slower rows are listed like faster ones, and so are rows that could not be measured', () => {
  const report = markdownReport(
    'x',
    runOf([sample('haproxy', 0, 100), sample('uring', 0, 140), sample('epoll', 0, 60, 1010)]),
    rows,
    titles,
  );
  assert.match(
    report,
    /## Slower than the others\n\n- linkerd-tcp epoll, redis GET, 50 connections: [^;\n]*0\.60× \(HAProxy = 1\)\n\n/,
  );
  assert.match(
    report,
    /## Faster than the others\n\n- linkerd-tcp uring, redis GET, 50 connections: [^;\n]*1\.40× \(HAProxy = 1\)\n\n/,
  );
  assert.match(report, /did not start: io_uring is refused\n- round 2, bulk, linkerd-tcp epoll: reset/);
});

test('a run on a busy machine says that nothing should be concluded from it', () => {
  const run = runOf([sample('haproxy', 0, 100)]);
  assert.doesNotMatch(markdownReport('x', run, rows, titles), /busy/);
  const busy = { ...run, machine: { ...run.machine, loadAverageBefore: 3 } };
  assert.match(markdownReport('x', busy, rows, titles), /busy with something else/);
});

test('the picture has a bar for each proxy but the baseline, and what should be small is turned over', () => {
  const latency = (proxy: string, p99Ms: number): Sample => ({
    row: 'latency',
    proxy,
    round: 0,
    values: { p50Ms: 1, p99Ms, perCpuSecond: 1 },
  });
  const { groups } = chartOf(runOf([latency('haproxy', 1), latency('uring', 0.5)]), rows, titles, 'x');
  assert.deepEqual(
    groups.map(({ title, bars }) => [title, bars.map(bar => [bar.series, bar.spread.median])]),
    [
      ['latency at a fixed rate, p50', [['linkerd-tcp uring', 1]]],
      ['latency at a fixed rate, p99', [['linkerd-tcp uring', 2]]],
    ],
  );
});
