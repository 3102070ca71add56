/** Names of a namespace: live through changes of its dtab, kept warm for a while, and then gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BehaviorSubject, of } from 'rxjs';
import { leaf, neg } from '../../src/dtab/name-tree.ts';
import { parseDtab, parsePath } from '../../src/dtab/parse.ts';
import { ok } from '../../src/live/activity.ts';
import { Namespaces, type NamespacesOptions } from '../../src/namerd/core/namespaces.ts';
import { Observations } from '../../src/namerd/core/observations.ts';
import { boundAddr } from '../../src/naming/addr.ts';
import { builtinNamer } from '../../src/naming/builtin/builtin.ts';
import { boundTo, FakeNamer, showState } from '../support/fake-namer.ts';
import { fakeDns, observe } from '../support/naming.ts';
import { TestStore } from './rig.ts';

/** Time that passes when a test says so. */
class HandClock {
  #now = 0;
  readonly #timers = new Map<() => void, number>();

  after(ms: number, run: () => void): () => void {
    const once = () => run();
    this.#timers.set(once, this.#now + ms);
    return () => void this.#timers.delete(once);
  }

  pass(ms: number): void {
    this.#now += ms;
    for (const [run, at] of [...this.#timers]) if (at <= this.#now && this.#timers.delete(run)) run();
  }

  get timers(): number {
    return this.#timers.size;
  }
}

function setUp(options: Partial<NamespacesOptions> = {}) {
  const store = new TestStore();
  const namer = new FakeNamer();
  const clock = new HandClock();
  const namespaces = new Namespaces({
    store,
    namers: [{ prefix: parsePath('/#/n'), namer }],
    builtin: builtinNamer(fakeDns()),
    clock,
    ...options,
  });
  return { store, namer, clock, namespaces };
}

const svc = parsePath('/svc/web');

test('a change of the stored dtab binds anew, one that changes no rule of it does not', async t => {
  const { store, namer, namespaces } = setUp();
  namer.answer('/a/web', boundTo('/#/n/a/web'));
  namer.answer('/b/web', boundTo('/#/n/b/web'));
  const seen = observe(t, namespaces.bind('default', [], svc));
  await store.put('default', parseDtab('/svc => /#/n/a'));
  await store.put('default', parseDtab('/svc =>   /#/n/a ;'));
  await store.put('default', parseDtab('/svc => /#/n/b'));
  await store.put('other', parseDtab('/svc => /#/n/a'));
  await store.delete('default');
  assert.deepEqual(seen.values.map(showState), ['~', '/#/n/a/web', '/#/n/b/web', '~']);
  assert.equal(namer.started, 2);
});

test('the dtab of a request is appended to the stored one, and is followed for that request only', async t => {
  const { store, namer, namespaces } = setUp();
  namer.answer('/a/web', boundTo('/#/n/a/web'));
  await store.put('default', parseDtab('/svc => /#/n/x'));
  const seen = observe(t, namespaces.interpreter('default').bind(parseDtab('/svc => /#/n/a'), svc));
  assert.equal(showState(seen.last!), '/#/n/a/web');
  seen.stop();
  assert.deepEqual(namespaces.observed, { trees: 0, addrs: 0 });
  assert.equal(namer.watches.size, 0);
});

test('a store that fails fails the name only where it never was known', t => {
  const { store, namespaces } = setUp();
  store.state.next({ state: 'failed', error: new Error('away') });
  const seen = observe(t, namespaces.bind('default', [], svc));
  assert.equal(showState(seen.last!), 'failed: away');
  store.state.next(undefined);
  assert.equal(showState(seen.last!), '~');
});

test('a request within the idle time finds the name still watched; after that nothing is left', async t => {
  const { store, namer, clock, namespaces } = setUp({ idleMs: 60_000 });
  namer.answer('/web', boundTo('/#/n/web', '/', of(boundAddr([{ ip: '10.0.0.1', port: 1, meta: {} }]))));
  await store.put('default', parseDtab('/svc => /#/n'));
  for (let poll = 0; poll < 5; poll++) {
    observe(t, namespaces.bind('default', [], svc)).stop();
    observe(t, namespaces.addr(parsePath('/#/n/web'))).stop();
    clock.pass(59_000);
  }
  assert.equal(namer.started, 2, 'one for the tree, one for the id');
  assert.deepEqual(namespaces.observed, { trees: 1, addrs: 1 });
  clock.pass(1000);
  assert.deepEqual(namespaces.observed, { trees: 0, addrs: 0 });
  assert.equal(namer.watches.size, 0);
  assert.equal(store.observers, 0);
  assert.equal(clock.timers, 0);
});

test('a scan of 10 000 names that do not exist leaves at most the limit behind, for a few seconds', async t => {
  const { store, namer, clock, namespaces } = setUp({ keptIdle: 100, idleMs: 60_000, negativeIdleMs: 5000 });
  await store.put('default', parseDtab('/svc => /#/n'));
  for (let i = 0; i < 10_000; i++) {
    namer.answer(`/x${i}`, ok(neg));
    observe(t, namespaces.bind('default', [], parsePath(`/svc/x${i}`))).stop();
    observe(t, namespaces.addr(parsePath(`/#/n/x${i}`))).stop();
  }
  assert.deepEqual(namespaces.observed, { trees: 100, addrs: 100 });
  clock.pass(5000);
  assert.deepEqual(namespaces.observed, { trees: 0, addrs: 0 });
  assert.equal(namer.watches.size, 0);
  assert.equal(store.observers, 0);
  assert.equal(clock.timers, 0);
});

test('of the idle ones the longest unused goes first, and those in use stay', t => {
  const clock = new HandClock();
  const kept = new Observations<string>({ limit: 2, idleMs: () => 1000, clock });
  const made: string[] = [];
  const get = (key: string) =>
    observe(
      t,
      kept.get(key, () => {
        made.push(key);
        return new BehaviorSubject(key);
      }),
    );
  const used = get('used');
  for (const key of ['a', 'b', 'a', 'c']) get(key).stop();
  assert.equal(kept.size, 3);
  get('a').stop();
  get('b').stop();
  assert.deepEqual(made, ['used', 'a', 'b', 'c', 'b'], 'b was given up for c, then looked up again');
  assert.equal(get('used').last, 'used');
  clock.pass(1000);
  assert.equal(kept.size, 1);
  assert.equal(used.last, 'used');
  kept.close();
  assert.equal(kept.size, 0);
  assert.equal(clock.timers, 0);
});

test('a namer that answers with a tree of bound names is asked once for many who watch', t => {
  const { namer, namespaces } = setUp();
  namer.answer('/web', ok(leaf({ type: 'path', path: parsePath('/$/inet/127.1/80') })));
  const seen = Array.from({ length: 50 }, () => observe(t, namespaces.bind('default', [], parsePath('/#/n/web'))));
  assert.equal(namer.started, 1);
  for (const each of seen) assert.equal(showState(each.last!), '/$/inet/127.1/80');
});
