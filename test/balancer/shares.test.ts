/** The shares of connections that endpoints get, measured. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordConnect } from '../../src/balancer/health.ts';
import { pickerOf, untriedSlots } from './seeded.ts';

/** Picks per endpoint while about `meanLoad` connections per endpoint are held; each pick also ends a random one. */
function held(weights: readonly number[], meanLoad: number, picks: number): Float64Array {
  const { picker, table, random } = pickerOf('p2c', weights);
  const counts = new Float64Array(weights.length);
  const connections: number[] = [];
  const warmUp = 10 * meanLoad * weights.length;
  for (let pick = 0; pick < warmUp + picks; pick++) {
    const chosen = picker.pick(0, untriedSlots, 0);
    table.addOpen(chosen, 1);
    connections.push(chosen);
    if (pick >= warmUp) counts[chosen]++;
    if (connections.length <= meanLoad * weights.length) continue;
    const ending = Math.floor(random() * connections.length);
    table.addOpen(connections[ending], -1);
    connections[ending] = connections[connections.length - 1];
    connections.pop();
  }
  return counts;
}

/** Picks per endpoint when each connection ends before the next begins. */
function sequential(weights: readonly number[], picks: number): Float64Array {
  const { picker, table } = pickerOf('p2c', weights);
  const counts = new Float64Array(weights.length);
  for (let pick = 0; pick < picks; pick++) {
    const chosen = picker.pick(0, untriedSlots, 0);
    table.addConnecting(chosen, 1);
    table.addConnecting(chosen, -1);
    table.addOpen(chosen, 1);
    table.addOpen(chosen, -1);
    counts[chosen]++;
  }
  return counts;
}

/** Mean count of the endpoints of the special weight over the mean count of those of weight 1. */
function ratio(weights: readonly number[], special: number, counts: Float64Array): number {
  const mean = (wanted: number) => {
    const chosen = [...counts].filter((_, i) => weights[i] === wanted);
    return chosen.reduce((sum, count) => sum + count, 0) / chosen.length;
  };
  return mean(special) / mean(1);
}

function assertNear(actual: number, expected: number, tolerance: number): void {
  const off = Math.abs(actual / expected - 1);
  assert.ok(off <= tolerance, `${actual.toFixed(3)} instead of ${expected}: ${(off * 100).toFixed(1)}% off`);
}

for (const count of [2, 3, 10, 100]) {
  const layouts = { one: (i: number) => i === 0, 'half of them': (i: number) => i < Math.ceil(count / 2) };
  for (const [name, isSpecial] of Object.entries(layouts)) {
    const weights = (special: number) => Array.from({ length: count }, (_, i) => (isSpecial(i) ? special : 1));

    test(`of ${count} endpoints ${name} with weight 4 get 4 shares of held connections, within 8%`, () => {
      assertNear(ratio(weights(4), 4, held(weights(4), 30, 60_000)), 4, 0.08);
    });

    test(`of ${count} endpoints ${name} with weight 4 get 4 shares of connections one after the other, within 5%`, () => {
      assertNear(ratio(weights(4), 4, sequential(weights(4), 60_000)), 4, 0.05);
    });

    test(`of ${count} endpoints ${name} with weight 0.1 get a tenth of a share, within 25%`, () => {
      assertNear(ratio(weights(0.1), 0.1, held(weights(0.1), 30, 400_000)), 0.1, 0.25);
      assertNear(ratio(weights(0.1), 0.1, sequential(weights(0.1), 400_000)), 0.1, 0.25);
    });

    test(`of ${count} endpoints ${name} with weight 0 get nothing`, () => {
      const drained = weights(0);
      for (const counts of [held(drained, 3, 5_000), sequential(drained, 5_000)]) {
        counts.forEach((picks, i) => {
          assert.equal(picks > 0, drained[i] > 0);
        });
      }
    });
  }
}

test('few held connections follow the weights too: 4:1 stays between 3 and 6.5, 0.1 between 0.05 and 0.15', () => {
  for (const meanLoad of [1, 2, 5]) {
    for (const weights of [
      [4, 1],
      [4, 4, 4, 1, 1, 1],
      [4, 1, 1, 1, 1, 1, 1, 1],
    ]) {
      const measured = ratio(weights, 4, held(weights, meanLoad, 40_000));
      assert.ok(measured > 3 && measured < 6.5, `${weights} under ${meanLoad}: ${measured}`);
    }
    const light = ratio([0.1, 1, 1, 1], 0.1, held([0.1, 1, 1, 1], meanLoad, 40_000));
    assert.ok(light > 0.05 && light < 0.15, `${light} under ${meanLoad}`);
  }
});

test('equal weights keep the fullest of 100 endpoints within two connections of the mean', () => {
  const { picker, table } = pickerOf('p2c', new Array(100).fill(1));
  for (let i = 0; i < 10_000; i++) table.addOpen(picker.pick(0, untriedSlots, 0), 1);
  for (let slot = 0; slot < 100; slot++) assert.ok(table.load(slot) <= 103, `${table.load(slot)}`);
});

test('when all weights are 0 the endpoints share equally', () => {
  for (const picks of sequential([0, 0, 0], 30_000)) assertNear(picks, 10_000, 0.05);
});

test('an attempt under way counts as load like an open connection', () => {
  const { picker, table } = pickerOf('p2c', [1, 1]);
  table.addConnecting(0, 1);
  for (let i = 0; i < 100; i++) assert.equal(picker.pick(0, untriedSlots, 0), 1);
});

for (const kind of ['ewma', 'roundRobin'] as const) {
  for (const count of [2, 3, 10, 100]) {
    test(`${kind} gives equally fast endpoints shares by weight: 4 to 1 of ${count}, and none to weight 0, within 10%`, () => {
      const weights = Array.from({ length: count + 1 }, (_, i) => (i === count ? 0 : i % 2 === 0 ? 4 : 1));
      const { picker, table, random } = pickerOf(kind, weights);
      const counts = new Float64Array(count + 1);
      for (let slot = 0; slot < count; slot++) recordConnect(table, slot, 0, 20);
      for (let now = 0; now < 60_000; now++) {
        const chosen = picker.pick(now / 100, untriedSlots, 0);
        counts[chosen]++;
        recordConnect(table, chosen, now / 100, 18 + 2 * random());
      }
      assert.equal(counts[count], 0);
      assertNear(ratio(weights.slice(0, count), 4, counts.subarray(0, count)), 4, 0.1);
    });
  }
}
