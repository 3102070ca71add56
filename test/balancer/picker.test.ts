/** The contract of every kind of picker, and the order that round robin and peak EWMA give. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type FailFastPolicy, recordConnect, recordFailure, standing } from '../../src/balancer/health.ts';
import { balancerKinds, createPicker, noEndpoint } from '../../src/balancer/picker.ts';
import { pickerOf, seededRandom, tableOf, untriedSlots } from './seeded.ts';

const atOnce: FailFastPolicy = { maxConsecutiveFailures: 1, penaltyMs: 1_000, maxPenaltyMs: 1_000, jitter: 0 };
const fail = (table: Parameters<typeof recordFailure>[0], slot: number, now: number) =>
  recordFailure(table, slot, now, atOnce, () => 0);

for (const kind of balancerKinds) {
  test(`${kind} has nothing to pick in an empty set`, () => {
    assert.equal(pickerOf(kind, []).picker.pick(0, untriedSlots, 0), noEndpoint);
  });

  test(`${kind} picks a lone endpoint whatever its standing, tried or not`, () => {
    const { picker, table } = pickerOf(kind, [1]);
    assert.equal(picker.pick(0, untriedSlots, 0), 0);
    fail(table, 0, 0);
    assert.equal(picker.pick(0, untriedSlots, 0), 0);
    assert.equal(picker.pick(0, Int32Array.of(0), 1), 0);
  });

  test(`${kind} returns an index into its endpoints, not a slot`, () => {
    const table = tableOf(10);
    const endpoints = [
      { slot: 7, weight: 0 },
      { slot: 3, weight: 2 },
    ];
    const picker = createPicker(kind, endpoints, table, { random: seededRandom(1) });
    for (let i = 0; i < 20; i++) assert.equal(picker.pick(0, untriedSlots, 0), 1);
  });

  test(`${kind} never returns a tried endpoint while another one may take connections`, () => {
    const set = fc.array(
      fc.record({ weight: fc.constantFrom(0.1, 1, 4), load: fc.nat(5), failed: fc.boolean(), tried: fc.boolean() }),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(set, fc.integer(), (rows, seed) => {
        const weights = rows.map(row => row.weight);
        const { picker, table } = pickerOf(kind, weights, { seed });
        const tried = new Int32Array(rows.length);
        let triedCount = 0;
        rows.forEach((row, slot) => {
          for (let n = 0; n < row.load; n++) table.addOpen(slot, 1);
          if (row.failed) fail(table, slot, 0);
          if (row.tried) tried[triedCount++] = slot;
        });
        for (let i = 0; i < 10; i++) {
          const picked = rows[picker.pick(0, tried, triedCount)];
          if (rows.some(row => !row.tried && !row.failed)) assert.ok(!picked.tried && !picked.failed);
          else if (rows.some(row => !row.tried)) assert.ok(!picked.tried);
          else assert.ok(picked);
        }
      }),
      { numRuns: 200, seed: 7 },
    );
  });

  test(`${kind} keeps endpoints of weight 0 out even when the others are failed or tried`, () => {
    const { picker, table } = pickerOf(kind, [0, 1, 2, 0]);
    fail(table, 1, 0);
    for (let i = 0; i < 50; i++) assert.ok([1, 2].includes(picker.pick(0, Int32Array.of(2), 1)));
  });

  test(`${kind} sends one connection to an endpoint whose penalty is over, and no second one before it reported`, () => {
    const { picker, table } = pickerOf(kind, [1, 1, 3]);
    fail(table, 1, 0);
    for (let i = 0; i < 100; i++) assert.notEqual(picker.pick(999, untriedSlots, 0), 1);
    let probes = 0;
    for (let i = 0; i < 100; i++) if (picker.pick(1_010, untriedSlots, 0) === 1) probes++;
    assert.equal(probes, 1);
    assert.equal(standing(table, 1, 1_010), 'probing');
    for (const slot of [0, 1, 2]) recordConnect(table, slot, 1_020, 5);
    let picks = 0;
    for (let i = 0; i < 200; i++) if (picker.pick(1_020, untriedSlots, 0) === 1) picks++;
    assert.ok(picks > 10);
  });

  test(`${kind} reports exactly the picks that claimed a probe`, () => {
    const { picker, table } = pickerOf(kind, [1, 2]);
    for (let slot = 0; slot < 2; slot++) fail(table, slot, 0);
    const claims = Array.from({ length: 6 }, () => {
      picker.pick(2_000, untriedSlots, 0);
      return picker.claimed;
    });
    assert.deepEqual(claims, [true, true, false, false, false, false]);
    recordConnect(table, 0, 2_000, 1);
    picker.pick(2_000, untriedSlots, 0);
    assert.equal(picker.claimed, false);
  });

  test(`${kind} claims one probe per pick when several penalties are over`, () => {
    const { picker, table } = pickerOf(kind, [1, 2, 1, 2]);
    for (let slot = 0; slot < 4; slot++) fail(table, slot, 0);
    for (let probes = 1; probes <= 4; probes++) {
      const picked = picker.pick(2_000, untriedSlots, 0);
      assert.equal(standing(table, picked, 2_000), 'probing');
      const probing = [0, 1, 2, 3].filter(slot => standing(table, slot, 2_000) === 'probing');
      assert.equal(probing.length, probes);
    }
  });
}

test('p2c spreads idle connections by weight over what is left when most endpoints have failed', () => {
  const weights = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 4 : 1));
  const { picker, table } = pickerOf('p2c', weights);
  for (let slot = 4; slot < 40; slot++) fail(table, slot, 0);
  const counts = new Float64Array(4);
  for (let i = 0; i < 20_000; i++) counts[picker.pick(0, untriedSlots, 0)]++;
  for (const [slot, share] of [0.4, 0.1, 0.4, 0.1].entries()) {
    assert.ok(Math.abs(counts[slot] / 20_000 - share) < 0.03, `${counts}`);
  }
});

test('round robin with weights gives exact shares in every run of their sum, whatever turn it starts at', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 8 }),
      fc.integer(),
      (weights, seed) => {
        fc.pre(weights.some(weight => weight > 0));
        const { picker } = pickerOf('roundRobin', weights, { seed });
        const round = weights.reduce((sum, weight) => sum + weight, 0);
        for (let rounds = 0; rounds < 3; rounds++) {
          const counts = weights.map(() => 0);
          for (let i = 0; i < round; i++) counts[picker.pick(0, untriedSlots, 0)]++;
          assert.deepEqual(counts, weights);
        }
      },
    ),
    { seed: 8 },
  );
});

test('round robin spreads the turns of a heavy endpoint', () => {
  const { picker } = pickerOf('roundRobin', [5, 1, 1]);
  const turns = Array.from({ length: 70 }, () => picker.pick(0, untriedSlots, 0)).join('');
  assert.doesNotMatch(turns, /00000|[12]{2}/);
});

test('round robin pickers of different threads start at different endpoints', () => {
  const starts = new Set<number>();
  for (let seed = 0; seed < 40; seed++) {
    starts.add(pickerOf('roundRobin', [1, 1, 1, 1], { seed }).picker.pick(0, untriedSlots, 0));
  }
  assert.equal(starts.size, 4);
});

test('round robin shares the turns of a failed endpoint among the others, and it does not catch up on return', () => {
  const { picker, table } = pickerOf('roundRobin', [2, 1, 1]);
  fail(table, 0, 0);
  const count = (picks: number) => {
    const counts = [0, 0, 0];
    for (let i = 0; i < picks; i++) counts[picker.pick(0, untriedSlots, 0)]++;
    return counts;
  };
  assert.deepEqual(count(20), [0, 10, 10]);
  recordConnect(table, 0, 0, 1);
  assert.deepEqual(count(40), [20, 10, 10]);
});

test('ewma prefers the faster endpoint', () => {
  const { picker, table } = pickerOf('ewma', [1, 1]);
  recordConnect(table, 0, 0, 50);
  recordConnect(table, 1, 0, 5);
  for (let i = 0; i < 100; i++) assert.equal(picker.pick(0, untriedSlots, 0), 1);
});

test('ewma sends connections to a slower endpoint once the faster one is that much busier', () => {
  const { picker, table } = pickerOf('ewma', [1, 1]);
  recordConnect(table, 0, 0, 50);
  recordConnect(table, 1, 0, 10);
  for (let load = 0; load < 5; load++) {
    for (let i = 0; i < 20; i++) assert.equal(picker.pick(0, untriedSlots, 0), 1);
    table.addOpen(1, 1);
  }
  for (let i = 0; i < 20; i++) assert.equal(picker.pick(0, untriedSlots, 0), 0);
});

test('ewma follows a slow answer at once and recovers from it gradually', () => {
  const decayTimeMs = 1_000;
  const { picker, table } = pickerOf('ewma', [1, 1], { decayTimeMs });
  recordConnect(table, 0, 0, 10);
  recordConnect(table, 1, 0, 20);
  recordConnect(table, 0, 0, 500);
  for (let i = 0; i < 20; i++) assert.equal(picker.pick(0, untriedSlots, 0), 1);
  recordConnect(table, 0, 100, 10);
  recordConnect(table, 1, 100, 20);
  for (let i = 0; i < 20; i++) assert.equal(picker.pick(100, untriedSlots, 0), 1);
  for (let now = 200; now <= 6_000; now += 100) {
    recordConnect(table, 0, now, 10);
    recordConnect(table, 1, now, 20);
  }
  for (let i = 0; i < 20; i++) assert.equal(picker.pick(6_000, untriedSlots, 0), 0);
});

test('ewma tries an endpoint again that was slow and has had no connection since', () => {
  const { picker, table } = pickerOf('ewma', [1, 1]);
  recordConnect(table, 0, 0, 1_000);
  let now = 0;
  for (; now < 120_000; now += 100) {
    recordConnect(table, 1, now, 10);
    if (picker.pick(now, untriedSlots, 0) === 0) break;
  }
  // Ten thousand milliseconds of decay time, times ln(1000 / 10).
  assert.ok(now > 40_000 && now < 52_000, `${now}`);
});

test('ewma tries an idle endpoint it knows nothing of, and waits for its first answer before trying more', () => {
  const { picker, table } = pickerOf('ewma', [1, 1]);
  recordConnect(table, 0, 0, 5);
  assert.equal(picker.pick(0, untriedSlots, 0), 1);
  table.addConnecting(1, 1);
  for (let i = 0; i < 50; i++) {
    assert.equal(picker.pick(0, untriedSlots, 0), 0);
    table.addOpen(0, 1);
  }
});
