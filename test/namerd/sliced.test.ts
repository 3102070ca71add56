/** Long work in slices. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atOnce, type Sliced, Slices } from '../../src/namerd/core/sliced.ts';

/** A clock that a step of work moves by a millisecond, and a loop whose turns the test counts. */
function loop() {
  let time = 0;
  const turns: (() => void)[] = [];
  const slices = new Slices({ sliceMs: 10, now: () => time, later: run => void turns.push(run) });
  const events: string[] = [];
  function* work(name: string, steps: number): Sliced<string> {
    for (let i = 0; i < steps; i++) {
      time++;
      events.push(name);
      yield;
    }
    return name;
  }
  const turn = () => {
    turns.shift()?.();
    events.push('|');
  };
  return { slices, work, turn, events, turns };
}

test('work that takes longer than a slice continues in the next turn of the event loop', async () => {
  const { slices, work, turn, events, turns } = loop();
  const result = slices.run(work('a', 25));
  while (turns.length > 0) turn();
  assert.equal(await result, 'a');
  assert.equal(events.join(''), `${'a'.repeat(10)}|${'a'.repeat(10)}|${'a'.repeat(5)}|`);
});

test('however many requests work, a turn of the event loop runs one slice, and each gets its turn', async () => {
  const { slices, work, turn, events, turns } = loop();
  const results = [slices.run(work('a', 25)), slices.run(work('b', 25)), slices.run(work('c', 3))];
  while (turns.length > 0) turn();
  assert.deepEqual(await Promise.all(results), ['a', 'b', 'c']);
  const rounds = events
    .join('')
    .split('|')
    .filter(slice => slice !== '')
    .map(slice => `${slice[0]}${slice.length}`);
  assert.deepEqual(rounds, ['a10', 'b10', 'c3', 'a10', 'b10', 'a5', 'b5']);
});

test('work that fails rejects, and the others continue', async () => {
  const { slices, work, turn, turns } = loop();
  // biome-ignore lint/correctness/useYield: it fails before its first step
  const failing = function* (): Sliced<string> {
    throw new Error('no');
  };
  const results = Promise.allSettled([slices.run(failing()), slices.run(work('b', 25))]);
  while (turns.length > 0) turn();
  assert.deepEqual(
    (await results).map(({ status }) => status),
    ['rejected', 'fulfilled'],
  );
});

test('work that need not be sliced runs at once', () => {
  const { work } = loop();
  assert.equal(atOnce(work('a', 100)), 'a');
});
