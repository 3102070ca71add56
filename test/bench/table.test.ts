/** Numbers and tables of the benchmark's report. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { markdownTable, showNumber, showSpread } from '../../bench/table.ts';

test('a number has three significant digits and groups of three', () => {
  assert.deepEqual([1_234_567, 65_432, 999.6, 12.345, 1.005, 0.01234, 0, -45_678].map(showNumber), [
    '1 230 000',
    '65 400',
    '1 000',
    '12.3',
    '1.00',
    '0.0123',
    '0',
    '-45 700',
  ]);
});

test('a spread shows the median first; nothing measured is a dash', () => {
  assert.equal(showSpread({ min: 1, median: 2, max: 30, count: 3 }), '2.00 (1.00 - 30.0)');
  assert.equal(showSpread(undefined), '-');
});

test('columns of a table line up, the first to the left', () => {
  assert.equal(
    markdownTable(
      ['what', 'n'],
      [
        ['a', '1'],
        ['longer', '1 000'],
      ],
    ),
    ['| what   |     n |', '| ------ | ----: |', '| a      |     1 |', '| longer | 1 000 |'].join('\n'),
  );
});
