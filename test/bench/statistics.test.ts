/** The benchmark's arithmetic: spreads, percentiles, ratios within a round. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { percentileOf, ratiosOf, rotated, type Sample, spreadOf, valuesOf } from '../../bench/statistics.ts';

const samples: Sample[] = [
  { row: 'get', proxy: 'haproxy', round: 0, values: { perSecond: 100 } },
  { row: 'get', proxy: 'uring', round: 0, values: { perSecond: 150 } },
  { row: 'get', proxy: 'uring', round: 1, values: { perSecond: 80 } },
  { row: 'get', proxy: 'haproxy', round: 1, values: { perSecond: 40 } },
  { row: 'get', proxy: 'uring', round: 2, values: { perSecond: 70 } },
  { row: 'bulk', proxy: 'haproxy', round: 0, values: { perSecond: 7 } },
];

test('a spread has the smallest, the middle and the largest value, in any order given', () => {
  assert.deepEqual(spreadOf([3, 1, 2]), { min: 1, median: 2, max: 3, count: 3 });
  assert.deepEqual(spreadOf([4, 1, 2, 3]), { min: 1, median: 2.5, max: 4, count: 4 });
  assert.equal(spreadOf([]), undefined);
});

test('a value that is no number is refused, not hidden in a median', () => {
  assert.throws(() => spreadOf([1, Number.NaN, 3]), RangeError);
  assert.throws(() => spreadOf([1, 2, Number.POSITIVE_INFINITY]), RangeError);
});

test('a spread is ordered and lies within its values', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1 }), values => {
      const { min, median, max } = spreadOf(values) as NonNullable<ReturnType<typeof spreadOf>>;
      assert.ok(min <= median && median <= max);
      assert.ok(values.includes(min) && values.includes(max));
    }),
  );
});

test('a percentile is one of the values, the first that enough others do not exceed', () => {
  const sorted = Float64Array.from({ length: 100 }, (_, i) => i + 1);
  assert.equal(percentileOf(sorted, 0), 1);
  assert.equal(percentileOf(sorted, 0.5), 50);
  assert.equal(percentileOf(sorted, 0.99), 99);
  assert.equal(percentileOf(sorted, 0.999), 100);
  assert.equal(percentileOf(sorted, 1), 100);
  assert.throws(() => percentileOf([], 0.5), RangeError);
});

test('a ratio compares with the baseline of the same round, and a round without one gives none', () => {
  const of = { row: 'get', proxy: 'uring', baseline: 'haproxy', metric: 'perSecond' };
  assert.deepEqual(ratiosOf(samples, of), [1.5, 2]);
  assert.deepEqual(ratiosOf(samples, { ...of, metric: 'other' }), []);
  assert.deepEqual(valuesOf(samples, 'get', 'uring', 'perSecond'), [150, 80, 70]);
});

test('every round begins with another proxy, and none is missing', () => {
  assert.deepEqual(rotated(['a', 'b', 'c'], 0), ['a', 'b', 'c']);
  assert.deepEqual(rotated(['a', 'b', 'c'], 4), ['b', 'c', 'a']);
  assert.deepEqual(rotated([], 3), []);
});
