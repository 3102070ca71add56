/** The values that a thread writes into its page. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cells } from '../../src/metrics/cells.ts';
import { bounds, histogramSize, infinityOffset, maxOffset, minOffset, sumOffset } from '../../src/metrics/layout.ts';

const page = () => {
  const memory = new SharedArrayBuffer(2 * histogramSize * 8);
  return { cells: new Cells(memory), view: new Float64Array(memory) };
};

test('the bounds are 1, 2, 5 times the powers of ten up to 5e9', () => {
  assert.deepEqual([...bounds.slice(0, 7)], [1, 2, 5, 10, 20, 50, 100]);
  assert.equal(bounds.at(-1), 5e9);
  assert.equal(bounds.length, 30);
});

test('a value on a bound counts in the bucket of that bound, one above it in the next', () => {
  for (const [i, bound] of bounds.entries()) {
    const { cells, view } = page();
    cells.observe(histogramSize, bound);
    cells.observe(histogramSize, bound + 0.25);
    assert.equal(view[histogramSize + i], 1);
    assert.equal(view[histogramSize + i + 1], 1);
  }
});

test('a value above every bound counts only in +Inf', () => {
  const { cells, view } = page();
  cells.observe(0, 6e9);
  cells.observe(0, Number.POSITIVE_INFINITY);
  assert.equal(view[infinityOffset], 2);
});

test('the smallest and the largest value are kept, also when the first is zero', () => {
  for (const [values, min, max] of [
    [[7], 7, 7],
    [[0.25], 0.25, 0.25],
    [[0], 0, 0],
    [[0, 3], 0, 3],
    [[3, 0], 0, 3],
    [[0, 0, 9, 2], 0, 9],
    [[5, 2, 8], 2, 8],
  ] as const) {
    const { cells, view } = page();
    for (const value of values) cells.observe(0, value);
    assert.deepEqual([view[minOffset], view[maxOffset]], [min, max], `${values}`);
  }
});

test('a duration of a clock that stepped back counts as zero', () => {
  const { cells, view } = page();
  cells.observe(0, -12);
  cells.observe(0, Number.NaN);
  assert.equal(view[0], 2);
  assert.equal(view[sumOffset], 0);
});
