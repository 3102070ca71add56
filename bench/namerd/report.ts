/** The report of a run: Markdown with every number. */
import { isBusy, type Machine } from '../report.ts';
import { markdownTable, showNumber } from '../table.ts';
import type { Delays, DtabUpdates, EndpointUpdates } from './measure.ts';
import { names, type Plan } from './plan.ts';
import type { Memory } from './subject.ts';

export interface Run {
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly plan: Plan;
  readonly seconds: number;
  readonly oneName: DtabUpdates;
  readonly allNames: DtabUpdates;
  readonly endpoints: EndpointUpdates;
  readonly memory: {
    /** Right after the start. */
    readonly before: Memory;
    readonly withWatchers: Memory;
    /** Once nothing is followed any more, or right after they left where that is not waited for. */
    readonly after: Memory;
  };
}

export function markdownReport(run: Run): string {
  const { machine, versions, plan, seconds } = run;
  const programs = Object.entries(versions).map(([program, version]) => `${program} ${version}`);
  return `${[
    '# Benchmark namerd',
    '',
    `${machine.date}; ${machine.cores} cores (${machine.cpu}), Linux ${machine.kernel}, ${machine.memoryGiB} GiB; load average ` +
      `${machine.loadAverageBefore} before and ${machine.loadAverageAfter} after. ${programs.join(', ')}.`,
    '',
    ...(isBusy(machine)
      ? ['**The machine was busy with something else before the run began: not for conclusions.**', '']
      : []),
    `${seconds.toFixed(0)} seconds${plan.quick ? ', quick: few watchers and short measurements, only to see that it works' : ''}. ` +
      `One namerd, ${showNumber(plan.watchers)} connections in ${plan.processes} other processes that share the cores with it, over ` +
      `${names} names: half of them watch the tree (\`bind\`), half the addresses (\`resolve\`). See ` +
      '[performance](../../docs/performance.md#namerd) for what is measured and how.',
    '',
    '## Changes of the dtab',
    '',
    dtabTable(run),
    '',
    '## Changes of endpoints',
    '',
    endpointTable(run.endpoints),
    '',
    '## Memory',
    '',
    memoryTable(run),
  ].join('\n')}\n`;
}

const showDelays = ({ p50, p99, max }: Delays): string[] => [p50, p99, max].map(ms => `${showNumber(ms)} ms`);

export function dtabTable({ oneName, allNames, plan }: Pick<Run, 'oneName' | 'allNames' | 'plan'>): string {
  const all = showNumber(plan.watchers);
  const rows: readonly [title: string, measured: DtabUpdates][] = [
    [`one rule, which touches one name: to each of its ${oneName.awaited} clients`, oneName],
    [`one rule, which touches all names: to each of ${all} clients`, allNames],
  ];
  return markdownTable(
    [
      'from the request to the document',
      'changes',
      'p50',
      'p99',
      'max',
      'needless documents',
      'CPU of namerd for each',
    ],
    rows.flatMap(([title, { updates, each, last, needless, cpuMs }]) => [
      [title, showNumber(updates), ...showDelays(each), showNumber(needless), `${showNumber(cpuMs)} ms`],
      ['… to the last of them', '', ...showDelays(last)],
    ]),
  );
}

export function endpointTable(measured: EndpointUpdates): string {
  const { updates, writtenPerSecond, delivered, possible, behind, each, cpuShare } = measured;
  return markdownTable(
    ['from the file to the document', 'measured'],
    [
      ['files rewritten', `${showNumber(updates)}, ${showNumber(writtenPerSecond)}/s`],
      ['documents, of one for each file and client', `${showNumber(delivered)}, ${showPercent(delivered / possible)}`],
      ['clients without the last state', String(behind)],
      ['p50', `${showNumber(each.p50)} ms`],
      ['p99', `${showNumber(each.p99)} ms`],
      ['max', `${showNumber(each.max)} ms`],
      ['CPU of namerd, of one core', showPercent(cpuShare)],
    ],
  );
}

const showPercent = (share: number): string => `${(share * 100).toFixed(0)} %`;
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

export function memoryTable({ memory: { before, withWatchers, after }, plan }: Pick<Run, 'memory' | 'plan'>): string {
  const row = (title: string, bytesOf: (memory: Memory) => number): string[] => [
    title,
    ...[before, withWatchers, after].map(each => mebibytes(bytesOf(each))),
    `${((bytesOf(withWatchers) - bytesOf(before)) / plan.watchers / 1024).toFixed(1)} KiB`,
  ];
  return markdownTable(
    [
      'after a collection of garbage',
      'before',
      'with all watchers',
      plan.untilForgotten ? 'after' : 'when they left',
      'per watcher',
    ],
    [row('resident', each => each.residentBytes), row('alive on the heap', each => each.heapBytes)],
  );
}
