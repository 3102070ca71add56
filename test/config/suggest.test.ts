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

test('a kind is compared without the part that all kinds have', () => {
  const kinds = ['io.l5d.fs', 'io.l5d.rewrite'];
  assert.equal(nearest('io.l5d.k8s', kinds), undefined);
  assert.equal(nearest('io.l5d.fss', kinds), 'io.l5d.fs');
  assert.equal(nearest('io.l5d.rewriet', kinds), 'io.l5d.rewrite');
});
