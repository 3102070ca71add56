/** What a namerd knows of a backend elsewhere, from a watch and from its own writes in whatever order they are heard. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { parseDtab } from '../../src/dtab/parse.ts';
import { showDtab } from '../../src/dtab/show.ts';
import { type KeyState, ReplicaCache } from '../../src/stores/replica-cache.ts';

const there = (namespace: string, revision: number, text = `/r=>/${revision}`): KeyState => ({
  namespace,
  revision: BigInt(revision),
  stored: { dtab: parseDtab(text), version: Buffer.from(String(revision)) },
});
const gone = (namespace: string, revision: number): KeyState => ({
  namespace,
  revision: BigInt(revision),
  stored: null,
});
const unreadable = (namespace: string, revision: number): KeyState => ({
  namespace,
  revision: BigInt(revision),
  stored: { dtab: new Error(`${namespace} is no dtab`), version: Buffer.from(String(revision)) },
});
const snapshot = (revision: number, ...keyStates: readonly KeyState[]) => ({ revision: BigInt(revision), keyStates });

function shown(cache: ReplicaCache, namespace: string): string {
  const state = cache.observe(namespace);
  if (state.state === 'pending') return 'pending';
  if (state.state === 'failed') return `failed: ${state.error.message}`;
  const value = state.value === null ? 'none' : `${showDtab(state.value.dtab)} @${Buffer.from(state.value.version)}`;
  return state.unconfirmed === undefined ? value : `${value} (${state.unconfirmed.message})`;
}

const names = (cache: ReplicaCache): readonly string[] | string => {
  const state = cache.list();
  return state.state === 'ok' ? state.value : state.state;
};

test('before the first snapshot only our own writes are known', () => {
  const cache = new ReplicaCache();
  assert.equal(shown(cache, 'web'), 'pending');
  cache.takeWritten(there('web', 3));
  assert.equal(shown(cache, 'web'), '/r=>/3 @3');
  assert.deepEqual([shown(cache, 'other'), names(cache)], ['pending', 'pending']);
  cache.fail(new Error('no route'));
  assert.equal(shown(cache, 'web'), '/r=>/3 @3 (no route)');
  assert.deepEqual([shown(cache, 'other'), names(cache)], ['failed: no route', 'failed']);
  cache.retry();
  assert.deepEqual([shown(cache, 'other'), names(cache)], ['pending', 'pending']);
  cache.takeSnapshot(snapshot(2));
  assert.equal(shown(cache, 'web'), '/r=>/3 @3', 'the snapshot was read before the write');
  assert.deepEqual(names(cache), ['web']);
});

test('a watch that lags behind a write takes nothing back', () => {
  const cache = new ReplicaCache();
  cache.takeSnapshot(snapshot(1, there('web', 1)));
  cache.takeWritten(there('web', 5));
  cache.takeWatched(there('web', 3));
  assert.equal(shown(cache, 'web'), '/r=>/5 @5');
  cache.takeWritten(gone('web', 6));
  cache.takeWatched(there('web', 5));
  assert.equal(shown(cache, 'web'), 'none');
  cache.takeWatched(there('web', 7));
  assert.equal(shown(cache, 'web'), '/r=>/7 @7');
});

test('failures leave what is known, with their mark, until the watch tells something', () => {
  const cache = new ReplicaCache();
  cache.takeSnapshot(snapshot(1, there('web', 1)));
  cache.fail(new Error('no route'));
  assert.equal(shown(cache, 'web'), '/r=>/1 @1 (no route)');
  assert.equal(shown(cache, 'other'), 'none (no route)');
  cache.snapshotRequested();
  cache.takeSnapshot(snapshot(1, there('web', 1)));
  assert.equal(shown(cache, 'web'), '/r=>/1 @1');
});

test('what is no dtab leaves the last one that was, and fails where there was none', () => {
  const cache = new ReplicaCache();
  cache.takeSnapshot(snapshot(2, there('web', 1), unreadable('api', 2)));
  assert.equal(shown(cache, 'api'), 'failed: api is no dtab');
  cache.takeWatched(unreadable('web', 3));
  assert.equal(shown(cache, 'web'), '/r=>/1 @3 (web is no dtab)');
  assert.deepEqual(names(cache), ['api', 'web'], 'both are there');
  cache.takeWatched(there('api', 4));
  assert.equal(shown(cache, 'api'), '/r=>/4 @4');
  cache.takeWatched(gone('web', 5));
  cache.takeWatched(unreadable('web', 6));
  assert.equal(shown(cache, 'web'), 'failed: web is no dtab', 'the one that was deleted does not come back');
});

test('a backend that was replaced by an older one is believed', () => {
  const cache = new ReplicaCache();
  cache.takeSnapshot(snapshot(90, there('web', 80), there('api', 90)));
  cache.fail(new Error('gone'));
  cache.snapshotRequested();
  cache.takeSnapshot(snapshot(3, there('web', 3)));
  assert.equal(shown(cache, 'web'), '/r=>/3 @3');
  assert.deepEqual(names(cache), ['web']);
  cache.takeWatched(there('web', 4));
  assert.equal(shown(cache, 'web'), '/r=>/4 @4');
});

test('the list is the same value until a namespace comes or goes', () => {
  const cache = new ReplicaCache();
  cache.takeSnapshot(snapshot(1, there('b', 1)));
  const before = names(cache);
  cache.takeWatched(there('b', 2));
  assert.equal(names(cache), before);
  cache.takeWatched(there('a', 3));
  assert.deepEqual(names(cache), ['a', 'b']);
});

test('any delay between writes and watch, with snapshots in between, ends with what the backend has, and never goes back', () => {
  const spots = ['a', 'b', 'c'] as const;
  /** What happens next: the backend is written to, by us or by another; or the watch catches up by one; or begins anew. */
  const step = fc.oneof(
    fc.record({
      type: fc.constantFrom('ours' as const, 'theirs' as const),
      spot: fc.constantFrom(...spots),
      isGone: fc.boolean(),
    }),
    fc.record({ type: fc.constantFrom('catch up' as const, 'anew' as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const cache = new ReplicaCache();
      const backend = new Map<string, KeyState>();
      let revision = 0;
      let unheard: KeyState[] = [];
      const all = () => [...backend.values()].filter(({ stored }) => stored !== null);
      cache.takeSnapshot(snapshot(0));
      const written = new Map<string, bigint>();
      for (const each of steps) {
        if (each.type === 'ours' || each.type === 'theirs') {
          const keyState = each.isGone ? gone(each.spot, ++revision) : there(each.spot, ++revision);
          backend.set(each.spot, keyState);
          unheard.push(keyState);
          if (each.type === 'ours') {
            cache.takeWritten(keyState);
            written.set(each.spot, keyState.revision);
          }
        } else if (each.type === 'catch up') {
          const keyState = unheard.shift();
          if (keyState !== undefined) cache.takeWatched(keyState);
        } else {
          unheard = [];
          cache.snapshotRequested();
          cache.takeSnapshot(snapshot(revision, ...all()));
        }
        for (const spot of spots) {
          const state = cache.observe(spot);
          assert.equal(state.state, 'ok');
          const known =
            state.state === 'ok' && state.value !== null ? BigInt(`${Buffer.from(state.value.version)}`) : undefined;
          if (known !== undefined) assert.ok(known >= (written.get(spot) ?? 0n), 'our own write was taken back');
        }
      }
      for (const keyState of unheard) cache.takeWatched(keyState);
      for (const spot of spots) {
        const expected = backend.get(spot)?.stored ?? null;
        assert.equal(
          shown(cache, spot),
          expected === null ? 'none' : `${showDtab(expected.dtab as never)} @${Buffer.from(expected.version)}`,
        );
      }
      assert.deepEqual(
        names(cache),
        all()
          .map(({ namespace }) => namespace)
          .toSorted(),
      );
    }),
  );
});

test('a snapshot that was asked for before a write takes nothing of it back', () => {
  const cache = new ReplicaCache();
  cache.takeSnapshot(snapshot(10, there('web', 10)));
  cache.snapshotRequested();
  cache.takeWritten(there('web', 11));
  cache.takeWritten(there('new', 12));
  cache.takeSnapshot(snapshot(10, there('web', 10)));
  assert.equal(shown(cache, 'web'), '/r=>/11 @11');
  assert.deepEqual(names(cache), ['new', 'web']);
  cache.takeWritten(gone('web', 13));
  cache.takeSnapshot(snapshot(12, there('web', 11), there('new', 12)));
  assert.equal(shown(cache, 'web'), 'none');
});

test('a deletion is not taken back by a snapshot that was asked for before it, though others had later revisions', () => {
  const cache = new ReplicaCache();
  cache.takeSnapshot(snapshot(100, there('web', 50), there('other', 100)));
  cache.snapshotRequested();
  // As Kubernetes tells it: after what was deleted, nobody knows how long after.
  cache.takeWritten(gone('web', 51));
  cache.takeSnapshot(snapshot(100, there('web', 50), there('other', 100)));
  assert.equal(shown(cache, 'web'), 'none');
  assert.deepEqual(names(cache), ['other']);
  cache.takeWatched(gone('web', 101));
  cache.takeWatched(there('web', 102));
  assert.equal(shown(cache, 'web'), '/r=>/102 @102');
});

test('a snapshot that was asked for afterwards knows better, also with lower revisions', () => {
  const cache = new ReplicaCache();
  cache.takeSnapshot(snapshot(10, there('web', 10)));
  cache.takeWritten(there('web', 20));
  cache.takeWritten(there('new', 21));
  cache.snapshotRequested();
  cache.takeSnapshot(snapshot(10, there('web', 10)));
  assert.equal(shown(cache, 'web'), '/r=>/10 @10');
  assert.deepEqual(names(cache), ['web']);
  assert.equal(cache.revision, 10n);
  cache.takeWritten(there('web', 11));
  assert.equal(shown(cache, 'web'), '/r=>/11 @11');
});

test('one keyState of an older revision in a newer snapshot is believed: it was restored before others were written', () => {
  const cache = new ReplicaCache();
  cache.takeSnapshot(snapshot(10, there('web', 10)));
  cache.snapshotRequested();
  cache.takeSnapshot(snapshot(30, there('web', 5), there('other', 30)));
  assert.equal(shown(cache, 'web'), '/r=>/5 @5');
});

test('a backend made anew that has come to the same revision is believed', () => {
  const cache = new ReplicaCache();
  cache.takeSnapshot(snapshot(10, there('web', 10)));
  cache.snapshotRequested();
  cache.takeSnapshot(snapshot(10, there('web', 10, '/r=>/other')));
  assert.equal(shown(cache, 'web'), '/r=>/other @10');
});

test('what has not changed is the same object, however often it is told', () => {
  const cache = new ReplicaCache();
  cache.takeSnapshot(snapshot(10, there('web', 10)));
  const before = cache.observe('web');
  for (const revision of [10, 12, 7]) {
    cache.snapshotRequested();
    cache.takeSnapshot(snapshot(revision, there('web', 10)));
    const after = cache.observe('web');
    assert.ok(before.state === 'ok' && after.state === 'ok' && before.value === after.value);
  }
});
