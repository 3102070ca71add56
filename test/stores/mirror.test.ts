/** What a namerd knows of a backend elsewhere, from a watch and from its own writes in whatever order they are heard. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { parseDtab } from '../../src/dtab/parse.ts';
import { showDtab } from '../../src/dtab/show.ts';
import { type Fact, Mirror } from '../../src/stores/mirror.ts';

const there = (namespace: string, revision: number, text = `/r=>/${revision}`): Fact => ({
  namespace,
  revision: BigInt(revision),
  stored: { dtab: parseDtab(text), version: Buffer.from(String(revision)) },
});
const gone = (namespace: string, revision: number): Fact => ({ namespace, revision: BigInt(revision), stored: null });
const unreadable = (namespace: string, revision: number): Fact => ({
  namespace,
  revision: BigInt(revision),
  stored: { dtab: new Error(`${namespace} is no dtab`), version: Buffer.from(String(revision)) },
});
const snapshot = (revision: number, ...facts: readonly Fact[]) => ({ revision: BigInt(revision), facts });

function shown(mirror: Mirror, namespace: string): string {
  const state = mirror.observe(namespace);
  if (state.state === 'pending') return 'pending';
  if (state.state === 'failed') return `failed: ${state.error.message}`;
  const value = state.value === null ? 'none' : `${showDtab(state.value.dtab)} @${Buffer.from(state.value.version)}`;
  return state.unconfirmed === undefined ? value : `${value} (${state.unconfirmed.message})`;
}

const names = (mirror: Mirror): readonly string[] | string => {
  const state = mirror.list();
  return state.state === 'ok' ? state.value : state.state;
};

test('before the first snapshot nothing is known, also not by a write', () => {
  const mirror = new Mirror();
  assert.equal(shown(mirror, 'web'), 'pending');
  mirror.takeWritten(there('web', 3));
  assert.equal(shown(mirror, 'web'), 'pending');
  mirror.fail(new Error('no route'));
  assert.equal(shown(mirror, 'web'), 'failed: no route');
  mirror.takeSnapshot(snapshot(2));
  assert.equal(shown(mirror, 'web'), '/r=>/3 @3', 'the snapshot was read before the write');
  assert.deepEqual(names(mirror), ['web']);
});

test('a watch that lags behind a write takes nothing back', () => {
  const mirror = new Mirror();
  mirror.takeSnapshot(snapshot(1, there('web', 1)));
  mirror.takeWritten(there('web', 5));
  mirror.takeWatched(there('web', 3));
  assert.equal(shown(mirror, 'web'), '/r=>/5 @5');
  mirror.takeWritten(gone('web', 6));
  mirror.takeWatched(there('web', 5));
  assert.equal(shown(mirror, 'web'), 'none');
  mirror.takeWatched(there('web', 7));
  assert.equal(shown(mirror, 'web'), '/r=>/7 @7');
});

test('failures leave what is known, with their mark, until the watch tells something', () => {
  const mirror = new Mirror();
  mirror.takeSnapshot(snapshot(1, there('web', 1)));
  mirror.fail(new Error('no route'));
  assert.equal(shown(mirror, 'web'), '/r=>/1 @1 (no route)');
  assert.equal(shown(mirror, 'other'), 'none (no route)');
  mirror.asked();
  mirror.takeSnapshot(snapshot(1, there('web', 1)));
  assert.equal(shown(mirror, 'web'), '/r=>/1 @1');
});

test('what is no dtab leaves the last one that was, and fails where there was none', () => {
  const mirror = new Mirror();
  mirror.takeSnapshot(snapshot(2, there('web', 1), unreadable('api', 2)));
  assert.equal(shown(mirror, 'api'), 'failed: api is no dtab');
  mirror.takeWatched(unreadable('web', 3));
  assert.equal(shown(mirror, 'web'), '/r=>/1 @1 (web is no dtab)');
  assert.deepEqual(names(mirror), ['api', 'web'], 'both are there');
  mirror.takeWatched(there('api', 4));
  assert.equal(shown(mirror, 'api'), '/r=>/4 @4');
  mirror.takeWatched(gone('web', 5));
  mirror.takeWatched(unreadable('web', 6));
  assert.equal(shown(mirror, 'web'), 'failed: web is no dtab', 'the one that was deleted does not come back');
});

test('a backend that was replaced by an older one is believed', () => {
  const mirror = new Mirror();
  mirror.takeSnapshot(snapshot(90, there('web', 80), there('api', 90)));
  mirror.fail(new Error('gone'));
  mirror.asked();
  mirror.takeSnapshot(snapshot(3, there('web', 3)));
  assert.equal(shown(mirror, 'web'), '/r=>/3 @3');
  assert.deepEqual(names(mirror), ['web']);
  mirror.takeWatched(there('web', 4));
  assert.equal(shown(mirror, 'web'), '/r=>/4 @4');
});

test('the list is the same value until a namespace comes or goes', () => {
  const mirror = new Mirror();
  mirror.takeSnapshot(snapshot(1, there('b', 1)));
  const before = names(mirror);
  mirror.takeWatched(there('b', 2));
  assert.equal(names(mirror), before);
  mirror.takeWatched(there('a', 3));
  assert.deepEqual(names(mirror), ['a', 'b']);
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
      const mirror = new Mirror();
      const backend = new Map<string, Fact>();
      let revision = 0;
      let unheard: Fact[] = [];
      const all = () => [...backend.values()].filter(({ stored }) => stored !== null);
      mirror.takeSnapshot(snapshot(0));
      const written = new Map<string, bigint>();
      for (const each of steps) {
        if (each.type === 'ours' || each.type === 'theirs') {
          const fact = each.isGone ? gone(each.spot, ++revision) : there(each.spot, ++revision);
          backend.set(each.spot, fact);
          unheard.push(fact);
          if (each.type === 'ours') {
            mirror.takeWritten(fact);
            written.set(each.spot, fact.revision);
          }
        } else if (each.type === 'catch up') {
          const fact = unheard.shift();
          if (fact !== undefined) mirror.takeWatched(fact);
        } else {
          unheard = [];
          mirror.asked();
          mirror.takeSnapshot(snapshot(revision, ...all()));
        }
        for (const spot of spots) {
          const state = mirror.observe(spot);
          assert.equal(state.state, 'ok');
          const known =
            state.state === 'ok' && state.value !== null ? BigInt(`${Buffer.from(state.value.version)}`) : undefined;
          if (known !== undefined) assert.ok(known >= (written.get(spot) ?? 0n), 'our own write was taken back');
        }
      }
      for (const fact of unheard) mirror.takeWatched(fact);
      for (const spot of spots) {
        const expected = backend.get(spot)?.stored ?? null;
        assert.equal(
          shown(mirror, spot),
          expected === null ? 'none' : `${showDtab(expected.dtab as never)} @${Buffer.from(expected.version)}`,
        );
      }
      assert.deepEqual(
        names(mirror),
        all()
          .map(({ namespace }) => namespace)
          .toSorted(),
      );
    }),
  );
});

test('a snapshot that was asked for before a write takes nothing of it back', () => {
  const mirror = new Mirror();
  mirror.takeSnapshot(snapshot(10, there('web', 10)));
  mirror.asked();
  mirror.takeWritten(there('web', 11));
  mirror.takeWritten(there('new', 12));
  mirror.takeSnapshot(snapshot(10, there('web', 10)));
  assert.equal(shown(mirror, 'web'), '/r=>/11 @11');
  assert.deepEqual(names(mirror), ['new', 'web']);
  mirror.takeWritten(gone('web', 13));
  mirror.takeSnapshot(snapshot(12, there('web', 11), there('new', 12)));
  assert.equal(shown(mirror, 'web'), 'none');
});

test('a deletion is not taken back by a snapshot that was asked for before it, though others had later revisions', () => {
  const mirror = new Mirror();
  mirror.takeSnapshot(snapshot(100, there('web', 50), there('other', 100)));
  mirror.asked();
  // As Kubernetes tells it: after what was deleted, nobody knows how long after.
  mirror.takeWritten(gone('web', 51));
  mirror.takeSnapshot(snapshot(100, there('web', 50), there('other', 100)));
  assert.equal(shown(mirror, 'web'), 'none');
  assert.deepEqual(names(mirror), ['other']);
  mirror.takeWatched(gone('web', 101));
  mirror.takeWatched(there('web', 102));
  assert.equal(shown(mirror, 'web'), '/r=>/102 @102');
});

test('a snapshot that was asked for afterwards knows better, also with lower revisions', () => {
  const mirror = new Mirror();
  mirror.takeSnapshot(snapshot(10, there('web', 10)));
  mirror.takeWritten(there('web', 20));
  mirror.takeWritten(there('new', 21));
  mirror.asked();
  mirror.takeSnapshot(snapshot(10, there('web', 10)));
  assert.equal(shown(mirror, 'web'), '/r=>/10 @10');
  assert.deepEqual(names(mirror), ['web']);
  assert.equal(mirror.revision, 10n);
  mirror.takeWritten(there('web', 11));
  assert.equal(shown(mirror, 'web'), '/r=>/11 @11');
});

test('one fact of an older revision in a newer snapshot is believed: it was restored before others were written', () => {
  const mirror = new Mirror();
  mirror.takeSnapshot(snapshot(10, there('web', 10)));
  mirror.asked();
  mirror.takeSnapshot(snapshot(30, there('web', 5), there('other', 30)));
  assert.equal(shown(mirror, 'web'), '/r=>/5 @5');
});

test('a backend made anew that has come to the same revision is believed', () => {
  const mirror = new Mirror();
  mirror.takeSnapshot(snapshot(10, there('web', 10)));
  mirror.asked();
  mirror.takeSnapshot(snapshot(10, there('web', 10, '/r=>/other')));
  assert.equal(shown(mirror, 'web'), '/r=>/other @10');
});

test('what has not changed is the same object, however often it is told', () => {
  const mirror = new Mirror();
  mirror.takeSnapshot(snapshot(10, there('web', 10)));
  const before = mirror.observe('web');
  for (const revision of [10, 12, 7]) {
    mirror.asked();
    mirror.takeSnapshot(snapshot(revision, there('web', 10)));
    const after = mirror.observe('web');
    assert.ok(before.state === 'ok' && after.state === 'ok' && before.value === after.value);
  }
});
