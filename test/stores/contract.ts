/**
 * What every store promises (src/stores/store.ts), as tests that each kind runs against itself.
 *
 *   storeContract('io.l5d.inMemory', t => openMemory(t), {});
 */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { lastValueFrom, toArray } from 'rxjs';
import type { Dtab } from '../../src/dtab/dtab.ts';
import { parseDtab } from '../../src/dtab/parse.ts';
import { showDtab } from '../../src/dtab/show.ts';
import { type ErrorCode, LinkerdTcpError } from '../../src/errors.ts';
import type { Activity } from '../../src/live/activity.ts';
import type { DtabStore, Version, VersionedDtab } from '../../src/stores/store.ts';
import { dtab as anyDtab } from '../support/dtab-arbitraries.ts';
import { type Observer, observe, type RecordedLog } from '../support/naming.ts';
import { within } from '../support/waiting.ts';

export interface StoreTraits {
  /** A name this store refuses. */
  readonly invalidNamespace: string;
  /** Names have no upper-case letters. */
  readonly lowerCase?: boolean;
  /** The backend counts versions anew for a namespace that is deleted and created again. */
  readonly forgetsVersions?: boolean;
  /** Watches held upstream at this moment; absent where there is no upstream. */
  readonly upstreamWatches?: (store: DtabStore) => number;
  /** Length of a dtab that the backend refuses for its size. */
  readonly tooManyBytes?: number;
  /** How many histories the property test tries. */
  readonly runs?: number;
}

export const dtabs: readonly Dtab[] = ['/svc=>/a', '/svc=>/b;/x=>/y|/z', '', '/svc=>0.5*/a&2.0*/b'].map(parseDtab);
const [first, second, third] = dtabs as readonly [Dtab, Dtab, Dtab, Dtab];

export interface OpenedStore {
  readonly store: DtabStore;
  readonly log: RecordedLog;
  /** Writes a value that is not a dtab, past the store; absent where the store is its own source of truth. */
  readonly corrupt?: (namespace: string) => unknown;
}

/** `open` gives an empty store and closes it when the test is over. */
export function storeContract(name: string, open: (t: TestContext) => Promise<OpenedStore>, traits: StoreTraits): void {
  const titled = (title: string, body: (t: TestContext, store: DtabStore, opened: OpenedStore) => Promise<void>) =>
    test(`${name}: ${title}`, async t => {
      const opened = await open(t);
      await body(t, opened.store, opened);
    });

  titled('a created namespace is told with its dtab and the version of the write', async (t, store) => {
    const seen = observe(t, store.observe('web'));
    const version = await store.create('web', first);
    assert.deepEqual(presentOf(await known(seen)), { dtab: showDtab(first), version: hex(version) });
  });

  titled('a namespace that exists is not created again', async (t, store) => {
    const seen = observe(t, store.observe('web'));
    await store.create('web', first);
    await rejects(store.create('web', second), 'STORE_EXISTS');
    assert.equal(presentOf(await known(seen))?.dtab, showDtab(first));
  });

  titled('an update needs the present version', async (t, store) => {
    const seen = observe(t, store.observe('web'));
    const old = await store.create('web', first);
    const version = await store.update('web', second, old);
    assert.notEqual(hex(version), hex(old));
    await rejects(store.update('web', third, old), 'STORE_CONFLICT');
    await rejects(store.update('web', third, Buffer.from('yolo')), 'STORE_CONFLICT');
    await rejects(store.update('web', third, new Uint8Array()), 'STORE_CONFLICT');
    assert.deepEqual(presentOf(await known(seen)), { dtab: showDtab(second), version: hex(version) });
  });

  titled('what does not exist is neither updated nor deleted', async (t, store) => {
    const names = observe(t, store.list());
    const version = await store.create('web', first);
    await rejects(store.update('api', second, version), 'STORE_MISSING');
    await rejects(store.delete('api'), 'STORE_MISSING');
    assert.deepEqual(namesOf(await known(names)), ['web']);
  });

  titled('a deletion that names a version needs the present one', async (t, store) => {
    const seen = observe(t, store.observe('web'));
    const old = await store.create('web', first);
    const version = await store.update('web', second, old);
    await rejects(store.delete('web', old), 'STORE_CONFLICT');
    await rejects(store.delete('web', Buffer.from('yolo')), 'STORE_CONFLICT');
    assert.deepEqual(presentOf(await known(seen)), { dtab: showDtab(second), version: hex(version) });
    await store.delete('web', version);
    assert.equal(presentOf(seen), null);
    await rejects(store.delete('web', version), 'STORE_MISSING');
  });

  titled('a put replaces whatever there is, also nothing', async (t, store) => {
    const seen = observe(t, store.observe('web'));
    const created = await store.put('web', first);
    assert.deepEqual(presentOf(await known(seen)), { dtab: showDtab(first), version: hex(created) });
    const replaced = await store.put('web', second);
    assert.deepEqual(presentOf(seen), { dtab: showDtab(second), version: hex(replaced) });
    assert.notEqual(hex(created), hex(replaced));
  });

  titled('a namespace is null to its observer before it is created and after it is deleted', async (t, store) => {
    const seen = observe(t, store.observe('web'));
    await known(seen);
    await store.create('web', first);
    await store.delete('web');
    await store.create('web', second);
    const told = seen.values.filter(({ state }) => state !== 'pending').map(shownState);
    assert.deepEqual(told, ['null', showDtab(first), 'null', showDtab(second)]);
  });

  titled('namespaces are listed sorted, and live', async (t, store) => {
    const names = observe(t, store.list());
    await known(names);
    const upper = traits.lowerCase === true ? [] : ['B'];
    for (const namespace of ['b', 'a10', 'a-b', ...upper, 'a2']) await store.put(namespace, first);
    assert.deepEqual(namesOf(names), [...upper, 'a-b', 'a10', 'a2', 'b']);
    await store.delete('a10');
    assert.deepEqual(namesOf(names), [...upper, 'a-b', 'a2', 'b']);
  });

  titled('a write is visible to whoever looks after it was answered', async (t, store) => {
    for (const dtab of dtabs) {
      const version = await store.put('web', dtab);
      const seen = observe(t, store.observe('web'));
      assert.deepEqual(presentOf(await known(seen)), { dtab: showDtab(dtab), version: hex(version) });
      seen.stop();
    }
    await store.delete('web');
    assert.equal(presentOf(await known(observe(t, store.observe('web')))), null);
    assert.deepEqual(namesOf(await known(observe(t, store.list()))), []);
  });

  titled('equal values are told once', async (t, store) => {
    const seen = observe(t, store.observe('web'));
    const names = observe(t, store.list());
    await known(seen);
    await known(names);
    const version = await store.put('web', first);
    await store.put('web', second);
    await store.put('other', first);
    await rejects(store.update('web', third, version), 'STORE_CONFLICT');
    await rejects(store.create('web', third), 'STORE_EXISTS');
    assertNeverTwice(seen.values);
    assertNeverTwice(names.values);
    assert.deepEqual(names.values.filter(({ state }) => state === 'ok').map(shownState), ['', 'web', 'other,web']);
  });

  titled('the same dtab written again has a version of its own', async (_t, store) => {
    const before = await store.put('web', first);
    assert.notEqual(hex(await store.put('web', first)), hex(before));
    await rejects(store.update('web', second, before), 'STORE_CONFLICT');
  });

  titled('of 20 updates at once with one version exactly one wins', async (t, store) => {
    const seen = observe(t, store.observe('web'));
    const version = await store.create('web', first);
    const tries = Array.from({ length: 20 }, (_, i) => parseDtab(`/svc=>/try${i}`));
    const results = await Promise.allSettled(tries.map(dtab => store.update('web', dtab, version)));
    const won = results.flatMap((result, i) => (result.status === 'fulfilled' ? [{ i, version: result.value }] : []));
    assert.equal(won.length, 1);
    for (const result of results) if (result.status === 'rejected') assertCode(result.reason, 'STORE_CONFLICT');
    assert.deepEqual(presentOf(await known(seen)), {
      dtab: showDtab(tries[won[0]!.i]!),
      version: hex(won[0]!.version),
    });
  });

  titled('of 20 creations at once exactly one wins', async (_t, store) => {
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => store.create('web', first)));
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const result of results) if (result.status === 'rejected') assertCode(result.reason, 'STORE_EXISTS');
  });

  titled('no version comes twice', async (_t, store) => {
    const versions: string[] = [];
    const write = async (version: Promise<Version>) => versions.push(hex(await version));
    for (let life = 0; life < 3; life++) {
      if (traits.forgetsVersions === true) versions.length = 0;
      await write(store.create('web', first));
      for (const dtab of dtabs) await write(store.put('web', dtab));
      assert.equal(new Set(versions).size, versions.length);
      await store.delete('web');
    }
  });

  titled('a name that cannot be a namespace is refused, and observed as absent', async (t, store) => {
    for (const namespace of ['', traits.invalidNamespace]) {
      await rejects(store.create(namespace, first), 'STORE_NAMESPACE_INVALID');
      await rejects(store.put(namespace, first), 'STORE_NAMESPACE_INVALID');
      assert.equal(presentOf(await known(observe(t, store.observe(namespace)))), null);
    }
    assert.deepEqual(namesOf(await known(observe(t, store.list()))), []);
  });

  titled('whoever stops observing hears nothing more, and leaves nothing behind', async (t, store) => {
    const open = Array.from({ length: 10 }, () => observe(t, store.observe('web')));
    const lists = Array.from({ length: 10 }, () => observe(t, store.list()));
    for (const each of [...open, ...lists]) await known<unknown>(each);
    if (traits.upstreamWatches !== undefined) assert.equal(traits.upstreamWatches(store), 1);
    await store.put('web', first);
    for (const each of open) assert.equal(presentOf(each)?.dtab, showDtab(first));
    const stopped = [...open.slice(1), ...lists];
    for (const each of stopped) each.stop();
    const heard = stopped.map(({ values }) => values.length);
    await store.put('web', second);
    await store.put('other', second);
    assert.deepEqual(
      stopped.map(({ values }) => values.length),
      heard,
    );
    assert.equal(presentOf(open[0]!)?.dtab, showDtab(second));
    open[0]!.stop();
    if (traits.upstreamWatches !== undefined) assert.equal(traits.upstreamWatches(store), 0);
  });

  titled('whoever leaves before anything is known leaves nothing behind, and hinders nobody', async (t, store) => {
    for (let i = 0; i < 20; i++) {
      const seen = observe(t, store.observe('web'));
      if (i % 2 === 1) await new Promise(resolve => setImmediate(resolve));
      seen.stop();
    }
    if (traits.upstreamWatches !== undefined) assert.equal(traits.upstreamWatches(store), 0);
    const version = await store.put('web', first);
    const seen = await known(observe(t, store.observe('web')));
    assert.deepEqual(presentOf(seen), { dtab: showDtab(first), version: hex(version) });
  });

  titled('an observer may write: everybody ends with the newest value', async (t, store) => {
    const answered = Promise.withResolvers<Version>();
    const subscription = store.observe('web').subscribe(state => {
      if (shownState(state) === showDtab(first)) store.put('web', second).then(answered.resolve, answered.reject);
    });
    t.after(() => subscription.unsubscribe());
    const seen = observe(t, store.observe('web'));
    await store.put('web', first);
    const version = await within(answered.promise, 'the write of the observer');
    assert.deepEqual(presentOf(seen), { dtab: showDtab(second), version: hex(version) });
    assertNeverTwice(seen.values);
  });

  titled('closing ends all observations and refuses what comes after', async (t, store) => {
    await store.put('web', first);
    await known(observe(t, store.observe('web')));
    const ended = Promise.all([lastValueFrom(store.observe('web')), lastValueFrom(store.list())]);
    await within(store.close(), 'the store to close');
    const [present] = await within(ended, 'the observations to end');
    assert.equal(present.state, 'ok');
    await within(lastValueFrom(store.observe('web').pipe(toArray())), 'an observation of a closed store to end');
    await rejects(store.put('web', second), 'STORE_UNAVAILABLE');
    await rejects(store.create('api', second), 'STORE_UNAVAILABLE');
    await rejects(store.delete('web'), 'STORE_UNAVAILABLE');
    await store.close();
  });

  titled('closing while the first write and the first observation begin ends both', async (_t, store) => {
    const write = store.put('web', first).catch(error => assertCode(error, 'STORE_UNAVAILABLE'));
    const observation = lastValueFrom(store.observe('web').pipe(toArray()));
    await within(store.close(), 'the store to close');
    await within(observation, 'the observation to end');
    await within(write, 'the write to end');
  });

  titled(
    'history lists every write with its number, version, author and time, and deletions too',
    async (_t, store) => {
      if (store.history === undefined) return;
      const created = await store.create('web', first, { writtenBy: 'ann' });
      const updated = await store.update('web', second, created, { writtenBy: 'deploy' });
      await store.delete('web', updated, { writtenBy: 'ann' });
      const restored = await store.put('web', first, { restoredFrom: 1 });
      const { versions, next } = await store.history('web', { withText: true });
      assert.equal(next, undefined);
      const shown = versions.map(({ version, at, bytes, ...rest }) => rest);
      assert.deepEqual(shown, [
        { number: 4, restoredFrom: 1, isDeletion: false, text: showDtab(first) },
        { number: 3, writtenBy: 'ann', isDeletion: true, text: '' },
        { number: 2, writtenBy: 'deploy', isDeletion: false, text: showDtab(second) },
        { number: 1, writtenBy: 'ann', isDeletion: false, text: showDtab(first) },
      ]);
      assert.deepEqual(
        versions.filter(({ isDeletion }) => !isDeletion).map(({ version }) => hex(version)),
        [restored, updated, created].map(hex),
      );
      assert.deepEqual(
        versions.map(({ bytes }) => bytes),
        [first, undefined, second, first].map(dtab => (dtab === undefined ? 0 : Buffer.byteLength(showDtab(dtab)))),
      );
      assert.ok(versions.every(({ at }, i) => i === 0 || at <= versions[i - 1]!.at));
      assert.deepEqual(await store.history('other'), { versions: [] });
    },
  );

  titled('history comes in pages, and without texts unless they are asked for', async (_t, store) => {
    if (store.history === undefined) return;
    for (let i = 1; i <= 7; i++) await store.put('web', parseDtab(`/svc=>/${i}`));
    await store.put('other', first);
    const pages: number[][] = [];
    for (let before: number | undefined = Number.MAX_SAFE_INTEGER; before !== undefined; ) {
      const page = await store.history('web', { limit: 3, before });
      assert.ok(page.versions.every(({ text }) => text === undefined));
      pages.push(page.versions.map(({ number }) => number));
      before = page.next;
    }
    assert.deepEqual(pages, [[7, 6, 5], [4, 3, 2], [1]]);
    assert.deepEqual(await store.history('web', { before: 1 }), { versions: [] });
  });

  titled('one version is read by its number and by its opaque version', async (_t, store) => {
    if (store.version === undefined) return;
    const created = await store.put('web', first);
    const updated = await store.put('web', second);
    await store.put('other', third);
    for (const [which, number, dtab] of [
      [1, 1, first],
      [created, 1, first],
      [2, 2, second],
      [updated, 2, second],
    ] as const) {
      const found = await store.version('web', which);
      assert.deepEqual([found?.number, found?.text], [number, showDtab(dtab)]);
    }
    for (const which of [0, 3, -1, 1.5, Buffer.from('yolo'), new Uint8Array(8), new Uint8Array()])
      assert.equal(await store.version('web', which), undefined);
    assert.equal(await store.version('other', created), undefined);
  });

  titled('an update without a version replaces whichever is current, if there is one', async (t, store) => {
    await rejects(store.update('web', first, undefined), 'STORE_MISSING');
    await store.create('web', first);
    const version = await store.update('web', second, undefined);
    const seen = observe(t, store.observe('web'));
    assert.deepEqual(presentOf(await known(seen)), { dtab: showDtab(second), version: hex(version) });
  });

  titled(
    'a value that is not a dtab is logged once, leaves the last dtab, and is repaired',
    async (t, store, opened) => {
      if (opened.corrupt === undefined) return;
      const { log, corrupt } = opened;
      const errors = () => log.lines.filter(line => line.startsWith('error: namespace web '));
      const old = await store.put('web', first);
      const seen = observe(t, store.observe('web'));
      const names = observe(t, store.list());
      await known(names);
      await corrupt('web');
      const broken = await seen.until(state => state.state === 'ok' && state.unconfirmed !== undefined, 'the damage');
      const stored = broken.state === 'ok' ? broken.value : null;
      assert.equal(showDtab(stored!.dtab), showDtab(first));
      assert.match(
        errors().join(),
        /^error: namespace web in .* is not a valid dtab: .*; write it again to repair it$/,
      );
      assert.deepEqual([...store.health!.unreadable.keys()], ['web']);
      assert.deepEqual(namesOf(names), ['web']);
      await rejects(store.update('web', second, old), 'STORE_CONFLICT');
      const version = await store.update('web', second, stored!.version);
      assert.deepEqual(seen.last, { state: 'ok', value: { dtab: second, version } });
      assert.equal(errors().length, 1);
      const recovered = () => log.lines.some(line => /^info: .*: namespace web recovered$/.test(line));
      assert.ok(recovered(), log.lines.join());
      assert.equal(store.health!.unreadable.size, 0);
    },
  );

  titled('a value that never was a dtab is repaired by an update without a version', async (t, store, opened) => {
    if (opened.corrupt === undefined) return;
    await opened.corrupt('web');
    const seen = observe(t, store.observe('web'));
    const state = await seen.until(({ state }) => state === 'failed', 'the failure');
    assertCode(state.state === 'failed' && state.error, 'STORE_UNREADABLE');
    const version = await store.update('web', second, undefined);
    assert.deepEqual(seen.last, { state: 'ok', value: { dtab: second, version } });
  });

  titled('a dtab that is too large is refused for good, and changes nothing', async (t, store, { log }) => {
    if (traits.tooManyBytes === undefined) return;
    const large = parseDtab(`/svc=>/${'x'.repeat(traits.tooManyBytes)}`);
    const seen = observe(t, store.observe('web'));
    const version = await store.put('web', first);
    await rejects(store.put('web', large), 'STORE_TOO_LARGE');
    await rejects(store.update('web', large, version), 'STORE_TOO_LARGE');
    await rejects(store.create('api', large), 'STORE_TOO_LARGE');
    assert.deepEqual(presentOf(seen), { dtab: showDtab(first), version: hex(version) });
    assert.equal(store.health!.writeFailure, undefined, 'writes work');
    assert.deepEqual(
      log.lines.filter(line => line.startsWith('error')),
      [],
    );
    await store.update('web', second, version);
  });

  titled('any sequence of writes has the outcome it would have on a map', async (t, store) => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 25 }), async writes => {
        // Namespaces of its own for each run: opening a store anew may be slow.
        const model = new Model(`run${run++}-`);
        const names = observe(t, store.list());
        const seen = spots.map(spot => observe(t, store.observe(model.namespace(spot))));
        for (const each of writes) {
          await model.apply(store, each);
          assert.deepEqual(
            namesOf(await known(names))?.filter(namespace => namespace.startsWith(model.prefix)),
            model.names,
          );
          for (const spot of spots) {
            const present = model.present.get(model.namespace(spot));
            const expected = present === undefined ? null : { dtab: present.dtab, version: hex(present.version) };
            assert.deepEqual(presentOf(await known(seen[spot]!)), expected);
          }
        }
        for (const each of [names, ...seen]) {
          assertNeverTwice(each.values);
          each.stop();
        }
      }),
      { numRuns: traits.runs ?? 100 },
    );
  });
}

const spots = [0, 1, 2] as const;

type Write =
  | { readonly type: 'create' | 'put'; readonly spot: number; readonly dtab: Dtab }
  | { readonly type: 'update'; readonly spot: number; readonly dtab: Dtab; readonly isStale: boolean }
  | { readonly type: 'delete'; readonly spot: number };

const spot = fc.constantFrom(...spots);
const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record({ type: fc.constantFrom('create' as const, 'put' as const), spot, dtab: anyDtab }),
  fc.record({ type: fc.constant('update' as const), spot, dtab: anyDtab, isStale: fc.boolean() }),
  fc.record({ type: fc.constant('delete' as const), spot }),
);

/** What the writes so far must have come to. */
class Model {
  readonly prefix: string;
  readonly present = new Map<string, { readonly dtab: string; readonly version: Version }>();
  /** A version each namespace no longer has. */
  readonly #stale = new Map<string, Version>();

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  get names(): readonly string[] {
    return [...this.present.keys()].toSorted();
  }

  namespace(spot: number): string {
    return `${this.prefix}${spot}`;
  }

  async apply(store: DtabStore, write: Write): Promise<void> {
    const namespace = this.namespace(write.spot);
    const present = this.present.get(namespace);
    switch (write.type) {
      case 'create':
        if (present !== undefined) return rejects(store.create(namespace, write.dtab), 'STORE_EXISTS');
        return this.#replace(namespace, write.dtab, await store.create(namespace, write.dtab));
      case 'put':
        return this.#replace(namespace, write.dtab, await store.put(namespace, write.dtab));
      case 'update': {
        const stale = this.#stale.get(namespace) ?? Buffer.from('never');
        const version = write.isStale ? stale : (present?.version ?? stale);
        if (present === undefined) return rejects(store.update(namespace, write.dtab, version), 'STORE_MISSING');
        if (write.isStale) return rejects(store.update(namespace, write.dtab, version), 'STORE_CONFLICT');
        return this.#replace(namespace, write.dtab, await store.update(namespace, write.dtab, version));
      }
      case 'delete':
        if (present === undefined) return rejects(store.delete(namespace), 'STORE_MISSING');
        await store.delete(namespace);
        this.#stale.delete(namespace);
        this.present.delete(namespace);
    }
  }

  #replace(namespace: string, dtab: Dtab, version: Version): void {
    const before = this.present.get(namespace);
    if (before !== undefined) this.#stale.set(namespace, before.version);
    this.present.set(namespace, { dtab: showDtab(dtab), version });
  }
}

export const hex = (version: Version): string => Buffer.from(version).toString('hex');

/** The observer, once it has seen a value. */
export async function known<T>(observer: Observer<Activity<T>>): Promise<Observer<Activity<T>>> {
  await observer.until(({ state }) => state === 'ok', 'a known value');
  return observer;
}

export function presentOf({ last }: Observer<Activity<VersionedDtab | null>>) {
  assert.equal(last?.state, 'ok');
  if (last?.state !== 'ok' || last.value === null) return null;
  return { dtab: showDtab(last.value.dtab), version: hex(last.value.version) };
}

const namesOf = ({ last }: Observer<Activity<readonly string[]>>) => (last?.state === 'ok' ? last.value : undefined);

function shownState(state: Activity<VersionedDtab | readonly string[] | null>): string {
  if (state.state !== 'ok') return state.state;
  if (state.value === null) return 'null';
  return 'dtab' in state.value ? showDtab(state.value.dtab) : state.value.join(',');
}

function assertNeverTwice(values: readonly Activity<VersionedDtab | readonly string[] | null>[]): void {
  const shown = values.map(state => {
    const version = state.state === 'ok' && state.value !== null && 'version' in state.value ? state.value.version : [];
    return `${shownState(state)} ${hex(Uint8Array.from(version))}`;
  });
  for (const [i, value] of shown.entries()) assert.notEqual(value, shown[i - 1]);
}

export async function rejects(writing: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(writing, error => {
    assertCode(error, code);
    return true;
  });
}

function assertCode(error: unknown, code: ErrorCode): void {
  assert.ok(error instanceof LinkerdTcpError, `${error}`);
  assert.equal(error.code, code);
  assert.doesNotMatch(error.message, /\{\w+\}/, 'a detail of the message is missing');
}
