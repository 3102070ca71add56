/** The waits of a live value between its failures and its next attempts. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { concat, defer, NEVER, of, throwError, VirtualTimeScheduler } from 'rxjs';
import { type Activity, failed, ok, pending } from '../../src/live/activity.ts';
import { retryWithBackoff } from '../../src/live/last-good.ts';

/** When each attempt was made, of a source that emits `first` and then fails. */
function attempts(first: readonly Activity<number>[], count: number): number[] {
  const scheduler = new VirtualTimeScheduler();
  const at: number[] = [];
  const source = defer(() => {
    at.push(scheduler.now());
    return at.length > count
      ? NEVER
      : concat(
          of(...first),
          throwError(() => new Error('away')),
        );
  });
  const retries = { baseMs: 100, maxMs: 1000, random: () => 1, scheduler };
  const watching = source.pipe(retryWithBackoff<Activity<number>>(failed, retries)).subscribe();
  scheduler.flush();
  watching.unsubscribe();
  return at;
}

test('a source that says pending before each failure waits longer each time', () => {
  assert.deepEqual(attempts([pending], 5), [0, 100, 300, 700, 1500, 2500]);
  assert.deepEqual(attempts([pending, failed(new Error('x'))], 3), [0, 100, 300, 700]);
});

test('a known state starts the waits over', () => {
  assert.deepEqual(attempts([pending, ok(1)], 3), [0, 100, 200, 300]);
});
