/** How live values are put together. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { BehaviorSubject } from 'rxjs';
import { type Activity, failed, ok, pending } from '../../src/live/activity.ts';
import { flatMapOk } from '../../src/live/live.ts';

test('a value that becomes unconfirmed keeps the watch on what follows from it, and hands the mark on', () => {
  const source = new BehaviorSubject<Activity<string>>(pending);
  const inner = new BehaviorSubject<Activity<number>>(ok(1));
  let watches = 0;
  const seen: Activity<number>[] = [];
  const projected = source.pipe(
    flatMapOk(() => {
      watches++;
      return inner;
    }),
  );
  const subscription = projected.subscribe(state => seen.push(state));
  const unconfirmed = new Error('away');
  source.next(ok('a'));
  source.next({ state: 'ok', value: 'a', unconfirmed });
  inner.next(ok(2));
  inner.next(failed(unconfirmed));
  inner.next(ok(2));
  source.next(ok('a'));
  subscription.unsubscribe();
  assert.deepEqual(seen, [
    pending,
    ok(1),
    { ...ok(1), unconfirmed },
    { ...ok(2), unconfirmed },
    failed(unconfirmed),
    { ...ok(2), unconfirmed },
    ok(2),
  ]);
  assert.equal(watches, 1);
  assert.equal(inner.observed, false);
});
