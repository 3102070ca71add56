/** "Did you mean". */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { distance, nearest } from '../../src/config/suggest.ts';

const words = ['dstName', 'port', 'ip', 'connectTimeoutMs', 'connectionLifetimeSecs'];

for (const [typed, meant] of [
  ['dstNmae', 'dstName'],
  ['DSTNAME', 'dstName'],
  ['connectTimeout', 'connectTimeoutMs'],
  ['prot', 'port'],
  ['telemetry', undefined],
  ['', undefined],
] as const)
  test(`${JSON.stringify(typed)} suggests ${meant ?? 'nothing'}`, () => {
    assert.equal(nearest(typed, words), meant);
  });

test('distance is zero only between equals, symmetric, and at most the longer length', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      const far = distance(a, b);
      assert.equal(far === 0, a === b);
      assert.equal(far, distance(b, a));
      assert.ok(far <= Math.max(a.length, b.length));
    }),
  );
});
