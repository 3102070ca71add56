/** The queue of deadlines against a sorted list. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TimerHeap } from '../../src/proxy/timer-heap.ts';

type Step =
  | { readonly do: 'set'; readonly id: number; readonly time: number }
  | { readonly do: 'clear'; readonly id: number }
  | { readonly do: 'due'; readonly now: number };

const id = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 3000 }));
const time = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.double({ min: 0, max: 1e6, noNaN: true }));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('set' as const), id, time }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), id }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('due' as const), now: time }) },
);

/** A simple model of {@link TimerHeap}. */
class Model {
  readonly times = new Map<number, number>();

  next(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.times.values());
  }
}

test('deadlines come due in the order of their times, whatever was set, moved and cleared', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), steps => {
      const deadlines = new TimerHeap();
      const model = new Model();
      for (const one of steps) {
        if (one.do === 'set') {
          deadlines.set(one.id, one.time);
          model.times.set(one.id, one.time);
        } else if (one.do === 'clear') {
          deadlines.clear(one.id);
          model.times.delete(one.id);
        } else {
          const earliest = model.next();
          const due = deadlines.due(one.now);
          if (earliest > one.now) assert.equal(due, -1);
          else {
            assert.equal(model.times.get(due), earliest);
            model.times.delete(due);
          }
        }
        assert.equal(deadlines.size, model.times.size);
        assert.equal(deadlines.next(), model.next());
      }
      const rest = [...model.times.values()].sort((a, b) => a - b);
      for (const expected of rest) assert.equal(model.times.get(deadlines.due(Number.POSITIVE_INFINITY)), expected);
      assert.equal(deadlines.due(Number.POSITIVE_INFINITY), -1);
    }),
    { numRuns: 300 },
  );
});

test('a deadline that never comes is queued, and never due', () => {
  const deadlines = new TimerHeap();
  deadlines.set(7, Number.POSITIVE_INFINITY);
  assert.equal(deadlines.size, 1);
  assert.equal(deadlines.due(Number.MAX_VALUE), -1);
  deadlines.set(7, 1);
  assert.equal(deadlines.due(1), 7);
});

test('a cleared deadline that was never set, or is beyond all known ids, changes nothing', () => {
  const deadlines = new TimerHeap();
  deadlines.set(1, 5);
  deadlines.clear(0);
  deadlines.clear(100_000);
  assert.equal(deadlines.next(), 5);
});
