/** Statistics of repeated measurements: minimum, median and maximum, and ratios taken within a round. */

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
  readonly count: number;
}

/** One measurement: what one proxy did in one row in one round. */
export interface Sample {
  readonly row: string;
  readonly proxy: string;
  readonly round: number;
  readonly values: Readonly<Record<string, number>>;
}

/** @returns undefined for no values. Values that are not finite are an error: they would hide in a median. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  if (!sorted.every(Number.isFinite)) throw new RangeError(`not a finite number among ${values.join(', ')}`);
  const middle = sorted.length >> 1;
  const median =
    sorted.length % 2 === 1
      ? (sorted[middle] as number)
      : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
  return { min: sorted[0] as number, median, max: sorted[sorted.length - 1] as number, count: sorted.length };
}

/** The smallest of the sorted values that at least `share` (0 to 1) of all are not above. */
export function percentileOf(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) throw new RangeError('a percentile of nothing');
  const rank = Math.max(1, Math.ceil(share * sorted.length));
  return sorted[Math.min(rank, sorted.length) - 1] as number;
}

export function valuesOf(samples: readonly Sample[], row: string, proxy: string, metric: string): number[] {
  return samples
    .filter(sample => sample.row === row && sample.proxy === proxy)
    .map(sample => sample.values[metric])
    .filter(value => value !== undefined);
}

/**
 * The proxy's value over the baseline's of the same round. The machine's speed changes from round to round, a ratio within
 * one much less. A round in which the baseline has no value, or zero, gives none.
 */
export function ratiosOf(
  samples: readonly Sample[],
  { row, proxy, baseline, metric }: Readonly<Record<'row' | 'proxy' | 'baseline' | 'metric', string>>,
): number[] {
  const rounds = new Map<number, number>();
  for (const sample of samples) {
    const value = sample.values[metric];
    if (sample.row === row && sample.proxy === baseline && value !== undefined) rounds.set(sample.round, value);
  }
  return samples.flatMap(sample => {
    const value = sample.values[metric];
    const base = rounds.get(sample.round);
    const isOne = sample.row === row && sample.proxy === proxy && value !== undefined;
    return isOne && base !== undefined && base !== 0 ? [value / base] : [];
  });
}

/** Moves the first `by` to the end, so that in each round another one begins. */
export function rotated<T>(items: readonly T[], by: number): T[] {
  const start = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
