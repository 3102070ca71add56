/** The report of a run: Markdown with every number and every goal, and the groups of the chart. */
import type { Chart, Group } from './chart.ts';
import { type Goal, goals, judge, type Verdict } from './goals.ts';
import type { Metric, Row } from './row.ts';
import { ratiosOf, type Sample, type Spread, spreadOf, valuesOf } from './statistics.ts';
import { markdownTable, showRatio, showSpread } from './table.ts';

export interface Failure {
  readonly row: string;
  readonly proxy: string;
  readonly round: number;
  readonly reason: string;
}

export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly memoryGiB: number;
  readonly descriptorLimit: number;
  readonly loadAverageBefore: number;
  readonly loadAverageAfter: number;
}

export interface Run {
  readonly machine: Machine;
  /** Versions by program. */
  readonly versions: Readonly<Record<string, string>>;
  readonly quick: boolean;
  readonly rounds: number;
  readonly minutes: number;
  /** Proxies that could not be started, and why. */
  readonly absent: readonly { readonly proxy: string; readonly reason: string }[];
  readonly failures: readonly Failure[];
  readonly samples: readonly Sample[];
}

/** More than a quarter of a core was taken before anything of the benchmark ran. */
export const isBusy = ({ loadAverageBefore }: Pick<Machine, 'loadAverageBefore'>): boolean => loadAverageBefore > 0.25;

type Described = Omit<Row, 'measure'>;
type Titles = ReadonlyMap<string, string>;

export function markdownReport(name: string, run: Run, rows: readonly Described[], titles: Titles): string {
  const { machine } = run;
  const versions = Object.entries(run.versions).map(([program, version]) => `${program} ${version}`);
  return `${[
    `# Benchmark ${name}`,
    '',
    `${machine.date}; ${machine.cores} cores (${machine.cpu}), Linux ${machine.kernel}, ${machine.memoryGiB} GiB, at most ` +
      `${machine.descriptorLimit} descriptors for each process; load average ${machine.loadAverageBefore} before and ` +
      `${machine.loadAverageAfter} after. ${versions.join(', ')}.`,
    '',
    ...(isBusy(machine)
      ? ['**The machine was busy with something else before the run began: not for conclusions.**', '']
      : []),
    `${run.rounds} rounds in ${run.minutes.toFixed(1)} minutes${run.quick ? ', quick: short measurements, only to see that it works' : ''}. ` +
      'Clients, proxies and servers share the cores. Each number is median (minimum - maximum) over the rounds; ratios are taken ' +
      'within a round. See [performance](../../docs/performance.md) for what is measured and how.',
    '',
    ...section('Goals', goalTable(run.samples, titles)),
    ...section('Slower than the others', sentences(run, rows, titles, 'worse')),
    ...section('Faster than the others', sentences(run, rows, titles, 'better')),
    ...section('Not measured', absences(run, titles)),
    ...rows.flatMap(row => section(row.title, rowTables(row, run.samples, titles))),
  ]
    .join('\n')
    .trimEnd()}\n`;
}

const section = (title: string, body: string): string[] => (body === '' ? [] : [`## ${title}`, '', body, '']);

export function goalTable(samples: readonly Sample[], titles: Titles): string {
  const verdicts = goals.map(goal => judge(goal, samples)).filter(({ outcome }) => outcome !== 'not measured');
  if (verdicts.length === 0) return '';
  return markdownTable(
    ['what', 'driver', 'must reach', 'aim', 'measured', 'outcome'],
    verdicts.map(({ goal, measured, outcome }: Verdict) => [
      goal.title,
      titles.get(goal.proxy) ?? goal.proxy,
      bound(goal, goal.must),
      goal.aim === undefined ? '-' : bound(goal, goal.aim),
      showSpread(measured, showRatio),
      outcome === 'missed' ? '**missed**' : outcome,
    ]),
  );
}

const bound = ({ better }: Goal, value: number): string => `${better === 'more' ? '≥' : '≤'} ${showRatio(value)}`;

interface Comparison {
  readonly row: Described;
  readonly metric: Metric;
  readonly proxy: string;
  readonly ratio: Spread;
}

function comparisons(samples: readonly Sample[], rows: readonly Described[], proxies: readonly string[]): Comparison[] {
  return rows.flatMap(row =>
    row.metrics
      .filter(metric => metric.absolute !== true)
      .flatMap(metric =>
        proxies.flatMap(proxy => {
          const ratio = spreadOf(ratiosOf(samples, { row: row.id, proxy, baseline: row.baseline, metric: metric.key }));
          return ratio === undefined || proxy === row.baseline ? [] : [{ row, metric, proxy, ratio }];
        }),
      ),
  );
}

/** Differences of linkerd-tcp to the baseline of more than two in a hundred: a line for each row and driver, the largest first. */
function sentences(run: Run, rows: readonly Described[], titles: Titles, which: 'worse' | 'better'): string {
  const ours = [...titles.keys()].filter(name => titles.get(name)?.startsWith('linkerd-tcp'));
  const advantage = ({ metric, ratio }: Comparison): number =>
    metric.better === 'more' ? ratio.median : 1 / ratio.median;
  const different = comparisons(run.samples, rows, ours)
    .filter(({ ratio }) => ratio.median > 0)
    .filter(comparison => (which === 'worse' ? advantage(comparison) < 0.98 : advantage(comparison) > 1.02))
    .sort((a, b) => (which === 'worse' ? advantage(a) - advantage(b) : advantage(b) - advantage(a)));
  const lines = Map.groupBy(different, ({ row, proxy }) => `${titles.get(proxy)}, ${row.title}`);
  return [...lines]
    .map(([subject, found]) => {
      const measured = found.map(({ metric, ratio }) => `${metric.title} ${showRatio(ratio.median)}`).join('; ');
      return `- ${subject}: ${measured} (${titles.get(found[0]?.row.baseline ?? '')} = 1)`;
    })
    .join('\n');
}

function absences({ absent, failures }: Run, titles: Titles): string {
  return [
    ...absent.map(({ proxy, reason }) => `- ${titles.get(proxy) ?? proxy} did not start: ${reason}`),
    ...failures.map(
      ({ row, proxy, round, reason }) =>
        `- ${round < 0 ? 'warming up' : `round ${round + 1}`}, ${row}, ${titles.get(proxy) ?? proxy}: ${reason}`,
    ),
  ].join('\n');
}

function rowTables(row: Described, samples: readonly Sample[], titles: Titles): string {
  const proxies = [...titles.keys()].filter(proxy =>
    samples.some(sample => sample.row === row.id && sample.proxy === proxy),
  );
  return row.metrics
    .map(metric => {
      const isCompared = metric.absolute !== true;
      const header = [`${metric.title} (${metric.better} is better)`, 'measured'];
      const base = titles.get(row.baseline) ?? row.baseline;
      return markdownTable(
        isCompared ? [...header, `of ${base}`] : header,
        proxies.map(proxy => [
          titles.get(proxy) as string,
          showSpread(spreadOf(valuesOf(samples, row.id, proxy, metric.key))),
          showSpread(
            spreadOf(ratiosOf(samples, { row: row.id, proxy, baseline: row.baseline, metric: metric.key })),
            showRatio,
          ),
        ]),
      );
    })
    .join('\n\n');
}

/** Every bar is a ratio where longer is better: what should be small is turned over. */
export function chartOf(run: Run, rows: readonly Described[], titles: Titles, subtitle: string): Chart {
  const groups = rows.flatMap(row =>
    row.metrics
      .filter(metric => metric.drawn !== undefined)
      .map<Group>(metric => ({
        title: metric.drawn as string,
        bars: [...titles.keys()].flatMap(proxy => {
          const ratios = ratiosOf(run.samples, { row: row.id, proxy, baseline: row.baseline, metric: metric.key });
          const spread = spreadOf(metric.better === 'more' ? ratios : ratios.filter(r => r > 0).map(r => 1 / r));
          return spread === undefined || proxy === row.baseline
            ? []
            : [{ series: titles.get(proxy) as string, spread }];
        }),
      })),
  );
  return {
    title: 'Against HAProxy on the same cores: longer is better',
    subtitle,
    groups: groups.filter(group => group.bars.length > 0),
  };
}
