/**
 * Prometheus text format 0.0.4: every family once, with HELP and TYPE, its series together.
 *
 * Source: Prometheus, "Exposition formats".
 */
import type { Cell } from './cells.ts';
import { families, type MetricName } from './families.ts';
import { bounds, histogramSize, infinityOffset, maxOffset, minOffset, sumOffset } from './layout.ts';

export type ExposedSeries = { readonly labels: string } & ({ readonly cell: Cell } | { readonly value: number });

export interface ExposedFamily {
  readonly name: MetricName;
  readonly series: Iterable<ExposedSeries>;
}

type Pages = readonly Float64Array[];

/** A value is the sum of its cells over the pages. */
export function exposition(exposed: Iterable<ExposedFamily>, pages: Pages): string {
  const lines: string[] = [];
  for (const { name, series } of exposed) {
    const { type, help } = families[name];
    if (type === 'histogram') {
      exposeHistograms(lines, name, help, series, pages);
    } else {
      const samples: string[] = [];
      for (const each of series) {
        const value = 'cell' in each ? sum(pages, each.cell) : each.value;
        if (!Number.isNaN(value)) samples.push(sample(name, each.labels, value));
      }
      appendFamily(lines, name, type, help, samples);
    }
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function exposeHistograms(
  lines: string[],
  name: string,
  help: string,
  series: Iterable<ExposedSeries>,
  pages: Pages,
): void {
  const samples: string[] = [];
  const lowest: string[] = [];
  const highest: string[] = [];
  for (const each of series) {
    if ('cell' in each) {
      const merged = merge(pages, each.cell);
      appendHistogram(samples, name, each.labels, merged);
      if (merged.max >= merged.min) {
        lowest.push(sample(`${name}_min`, each.labels, merged.min));
        highest.push(sample(`${name}_max`, each.labels, merged.max));
      }
    }
  }
  appendFamily(lines, name, 'histogram', help, samples);
  appendFamily(lines, `${name}_min`, 'gauge', `${help} Smallest value since the start.`, lowest);
  appendFamily(lines, `${name}_max`, 'gauge', `${help} Largest value since the start.`, highest);
}

interface Merged {
  /** Per bucket, the last one +Inf. */
  readonly counts: readonly number[];
  readonly sum: number;
  /** Above `max` when nothing was observed. */
  readonly min: number;
  readonly max: number;
}

function merge(pages: Pages, cell: Cell): Merged {
  const counts = new Array<number>(infinityOffset + 1).fill(0);
  let total = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const page of pages) {
    const block = page.subarray(cell, cell + histogramSize);
    let observed = 0;
    for (let i = 0; i <= infinityOffset; i++) {
      counts[i] += block[i];
      observed += block[i];
    }
    total += block[sumOffset];
    if (observed > 0) {
      min = Math.min(min, block[minOffset]);
      max = Math.max(max, block[maxOffset]);
    }
  }
  return { counts, sum: total, min, max };
}

const boundTexts = [...bounds.values().map(bound => `le="${bound}"`), 'le="+Inf"'];

function appendHistogram(samples: string[], name: string, labels: string, merged: Merged): void {
  const rest = labels === '' ? '' : `,${labels}`;
  let cumulative = 0;
  for (const [i, bound] of boundTexts.entries()) {
    cumulative += merged.counts[i];
    samples.push(sample(`${name}_bucket`, bound + rest, cumulative));
  }
  samples.push(sample(`${name}_sum`, labels, merged.sum), sample(`${name}_count`, labels, cumulative));
}

function appendFamily(lines: string[], name: string, type: string, help: string, samples: readonly string[]): void {
  if (samples.length > 0) {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const each of samples) {
      lines.push(each);
    }
  }
}

const sample = (name: string, labels: string, value: number): string =>
  labels === '' ? `${name} ${numberText(value)}` : `${name}{${labels}} ${numberText(value)}`;

const numberText = (value: number): string =>
  Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : value < 0 ? '-Inf' : 'NaN';

function sum(pages: Pages, cell: Cell): number {
  let total = 0;
  for (const page of pages) {
    total += page[cell];
  }
  return total;
}
