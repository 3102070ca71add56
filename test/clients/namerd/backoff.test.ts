/** When a lost namerd is tried again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { backoffMs, firstRetryMs } from '../../../src/live/backoff.ts';

const limits = fc
  .tuple(fc.integer({ min: 1, max: 60_000 }), fc.integer({ min: 0, max: 600_000 }))
  .map(([baseMs, more]) => ({ baseMs, maxMs: baseMs + more }));
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('a wait is never negative, never longer than the longest, and a whole number', () => {
  fc.assert(
    fc.property(fc.nat(5000), limits, random, (retry, { baseMs, maxMs }, drawn) => {
      const wait = backoffMs(retry, { baseMs, maxMs }, () => drawn);
      assert.ok(Number.isInteger(wait) && wait >= 0 && wait <= maxMs, String(wait));
    }),
  );
});

test('the first retry is quick however long the base is', () => {
  fc.assert(
    fc.property(limits, random, (range, drawn) => {
      assert.ok(backoffMs(0, range, () => drawn) <= firstRetryMs);
    }),
  );
});

test('the ceiling doubles from the base to the longest', () => {
  const highest = (retry: number) => backoffMs(retry, { baseMs: 5000, maxMs: 60_000 }, () => 0.999_999_999);
  assert.deepEqual([0, 1, 2, 3, 4, 5, 6].map(highest), [499, 4999, 9999, 19_999, 39_999, 59_999, 59_999]);
});
