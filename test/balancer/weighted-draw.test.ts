/** The weighted draw that branches and endpoints share. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BranchPicker } from '../../src/balancer/branch-picker.ts';
import { RandomStream } from '../../src/balancer/random-stream.ts';
import { usableWeights, WeightedDraw } from '../../src/balancer/weighted-draw.ts';
import { seededRandom } from './seeded.ts';

/** Pearson's statistic over the weights that can be drawn; its mean is the number of those less one. */
function chiSquare(counts: Float64Array, weights: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.reduce((statistic, weight, i) => {
    const expected = (total * weight) / sum;
    return expected === 0 ? statistic : statistic + (counts[i] - expected) ** 2 / expected;
  }, 0);
}

const someWeights = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 30 });

test('branches are drawn by weight', () => {
  fc.assert(
    fc.property(someWeights, fc.integer(), (weights, seed) => {
      fc.pre(weights.some(weight => weight > 0));
      const branches = new BranchPicker(weights, seededRandom(seed));
      const counts = new Float64Array(weights.length);
      for (let i = 0; i < 20_000; i++) counts[branches.draw()]++;
      weights.forEach((weight, i) => {
        if (weight === 0) assert.equal(counts[i], 0);
      });
      // Eight standard deviations above the mean, so that no seed fails by bad luck.
      const degrees = weights.filter(weight => weight > 0).length - 1;
      assert.ok(chiSquare(counts, weights) <= degrees + 8 * Math.sqrt(2 * degrees) + 30);
    }),
    { numRuns: 60, seed: 5 },
  );
});

test('the other draw follows the weights of the others and is never the first', () => {
  fc.assert(
    fc.property(someWeights, fc.nat(), fc.integer(), (weights, choice, seed) => {
      const positive = weights.map((weight, i) => (weight > 0 ? i : -1)).filter(i => i >= 0);
      fc.pre(positive.length > 1);
      const first = positive[choice % positive.length];
      const draw = new WeightedDraw(usableWeights(weights));
      const random = new RandomStream(seededRandom(seed));
      const counts = new Float64Array(weights.length);
      for (let i = 0; i < 20_000; i++) {
        const other = draw.drawOther(first, random);
        assert.notEqual(other, first);
        if (other >= 0) counts[other]++;
      }
      const others = weights.map((weight, i) => (i === first ? 0 : weight));
      others.forEach((weight, i) => {
        if (weight === 0) assert.equal(counts[i], 0);
      });
      const degrees = positive.length - 2;
      assert.ok(counts.reduce((sum, count) => sum + count, 0) >= 19_990);
      assert.ok(chiSquare(counts, others) <= degrees + 8 * Math.sqrt(2 * degrees) + 30);
    }),
    { numRuns: 60, seed: 6 },
  );
});

test('one overwhelming weight still leaves the others to each other', () => {
  const draw = new WeightedDraw(usableWeights([1e9, 1, 3]));
  const random = new RandomStream(seededRandom(3));
  const counts = new Float64Array(3);
  for (let i = 0; i < 40_000; i++) counts[draw.drawOther(0, random)]++;
  assert.equal(counts[0], 0);
  assert.ok(Math.abs(counts[2] / counts[1] - 3) < 0.15, `${counts}`);
});

test('branches that all weigh 0 are equally likely', () => {
  const branches = new BranchPicker([0, 0, 0, 0], seededRandom(1));
  const counts = new Float64Array(4);
  for (let i = 0; i < 40_000; i++) counts[branches.draw()]++;
  assert.ok(chiSquare(counts, [1, 1, 1, 1]) < 30);
});

test('a branch whose weight is no finite positive number is not drawn', () => {
  const branches = new BranchPicker([Number.NaN, 1, -3, Infinity, 1e308, 1e308], seededRandom(1));
  const drawn = new Set<number>();
  for (let i = 0; i < 1_000; i++) drawn.add(branches.draw());
  assert.deepEqual([...drawn].sort(), [4, 5]);
});

test('a union without branches draws none', () => {
  assert.equal(new BranchPicker([], Math.random).draw(), -1);
});
