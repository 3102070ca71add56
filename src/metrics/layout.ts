/**
 * Layout of a histogram in shared memory. Bounds are fixed, 1, 2, 5 × 10^k (k = 0..9) in the unit of the metric, so that the blocks
 * of all threads can be added.
 *
 *   offset  0 … 29          30     31    32    33
 *           count ≤ bound   +Inf   sum   min   max
 *
 * Counts are per bucket, not cumulative. A block of zeros is an empty histogram.
 */

/** Upper bounds, inclusive. */
export const bounds: Float64Array = Float64Array.from(
  { length: 30 },
  (_, i) => [1, 2, 5][i % 3] * 10 ** Math.floor(i / 3),
);

export const infinityOffset: number = bounds.length;
export const sumOffset: number = infinityOffset + 1;
export const minOffset: number = infinityOffset + 2;
export const maxOffset: number = infinityOffset + 3;
export const histogramSize: number = infinityOffset + 4;
