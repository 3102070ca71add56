/** What is the same for all stores elsewhere: the contract over a backend in memory, its failures, replicas, late answers. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { parseDtab } from '../../src/dtab/parse.ts';
import { LinkerdTcpError } from '../../src/errors.ts';
import { RemoteStore } from '../../src/stores/remote-store.ts';
import { observe, recordedLog } from '../support/naming.ts';
import { within } from '../support/waiting.ts';
import { hex, known, presentOf, rejects, storeContract } from './contract.ts';
import { MemoryBackend, MemoryServer } from './memory-backend.ts';

const [first, second] = ['/svc=>/a', '/svc=>/b'].map(parseDtab) as [
  ReturnType<typeof parseDtab>,
  ReturnType<typeof parseDtab>,
];

function open(t: TestContext, server = new MemoryServer(), writeTimeoutMs = 5000) {
  const backend = new MemoryBackend(server);
  const log = recordedLog();
  const store = new RemoteStore({ store: 'test.memory', backend, log, random: () => 0, writeTimeoutMs });
  t.after(() => store.close());
  return { backend, log, store, server };
}

const openForContract = async (t: TestContext) => {
  const { store, log, server } = open(t);
  return { store, log, corrupt: (namespace: string) => server.corrupt(namespace) };
};

storeContract('a remote store', openForContract, {
  tooManyBytes: 100_001,
  invalidNamespace: 'a/b',
  upstreamWatches: store => (store as RemoteStore).watches,
});

test('the watch upstream is one for all who look, and ends with the last of them', async t => {
  const { store, server } = open(t);
  const observers = [observe(t, store.list()), observe(t, store.observe('a')), observe(t, store.observe('b'))];
  assert.equal(server.watchers, 1);
  for (const each of observers) each.stop();
  assert.equal(server.watchers, 0);
});

test('while the backend fails the last good state is served with the reason, writes are refused, and it comes back by itself', async t => {
  const { store, backend, server, log } = open(t);
  await store.put('web', first);
  const seen = observe(t, store.observe('web'));
  backend.failure = new Error('connection refused');
  server.breakWatches(new Error('cut'));
  const state = await seen.until(({ state, ...rest }) => 'unconfirmed' in rest && state === 'ok', 'the mark');
  assert.match(
    String('unconfirmed' in state && state.unconfirmed),
    /test\.memory: cannot watch its namespaces: cut; retrying/,
  );
  await assert.rejects(
    store.put('web', second),
    /test\.memory: cannot write namespace web: connection refused; reads go on; try again/,
  );
  await rejects(store.put('web', second), 'STORE_UNAVAILABLE');
  backend.failure = undefined;
  await seen.until(({ state, ...rest }) => state === 'ok' && !('unconfirmed' in rest), 'the mark to go');
  const version = await store.put('web', second);
  assert.deepEqual(presentOf(seen), { dtab: '/svc=>/b', version: hex(version) });
  assert.ok(log.lines.includes('info: test.memory: the watch recovered'), log.lines.join('\n'));
});

test('a backend that cannot be reached at first is a failure with its reason, and then known', async t => {
  const { store, backend } = open(t);
  backend.failure = new Error('connection refused');
  const seen = observe(t, store.list());
  const state = await seen.until(({ state }) => state === 'failed', 'the failure');
  assert.match(
    String(state.state === 'failed' && state.error),
    /test\.memory: cannot watch its namespaces: connection refused/,
  );
  backend.failure = undefined;
  await known(seen);
});

test('a write through one replica is seen by the others, and of two with one version one wins', async t => {
  const server = new MemoryServer();
  const [one, other] = [open(t, server), open(t, server)];
  const seen = observe(t, other.store.observe('web'));
  const version = await one.store.put('web', first);
  assert.deepEqual(presentOf(await known(seen)), { dtab: '/svc=>/a', version: hex(version) });
  const tries = [one, other].map(({ store }) => store.update('web', second, version));
  const results = await Promise.allSettled(tries);
  assert.deepEqual(results.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
});

test('a backend that does not answer a write is told after its time, with what may have happened', async t => {
  const { store, backend } = open(t, new MemoryServer(), 20);
  const gate = Promise.withResolvers<void>();
  backend.gate = gate.promise;
  const seen = observe(t, store.observe('web'));
  await assert.rejects(store.put('web', first), /no answer within 20 ms; the write may still take effect/);
  gate.resolve();
  await seen.until(() => presentOf(seen) !== null, 'the write to take effect after all');
});

test('who leaves when told of something leaves nothing behind', async t => {
  const { store, server } = open(t);
  const told = Promise.withResolvers<void>();
  const subscription = store.list().subscribe(({ state }) => {
    if (state !== 'pending') queueMicrotask(() => subscription.unsubscribe());
    told.resolve();
  });
  await within(told.promise, 'the list');
  await new Promise(setImmediate);
  assert.equal(server.watchers, 0);
  assert.equal(store.watches, 0);
});

test('a write that succeeds begins a watch again that failed, at once', async t => {
  const backend = new MemoryBackend(new MemoryServer());
  backend.watchFailure = new Error('connection refused');
  const hour = 3_600_000;
  const retries = { baseMs: hour, maxMs: hour };
  const store = new RemoteStore({ store: 'test.memory', backend, log: recordedLog(), random: () => 1, retries });
  t.after(() => store.close());
  const names = observe(t, store.list());
  await names.until(({ state }) => state === 'failed', 'the failure');
  backend.watchFailure = undefined;
  const version = await store.put('web', first);
  assert.deepEqual(presentOf(observe(t, store.observe('web'))), { dtab: '/svc=>/a', version: hex(version) });
  assert.equal(names.last?.state, 'pending', 'a reader waits for what is on its way');
  await names.until(state => state.state === 'ok' && state.value.join() === 'web', 'the list');
});

test('writes that fail are logged once, and once when they recover', async t => {
  const { store, backend, log } = open(t);
  const names = observe(t, store.list());
  await known(names);
  backend.failure = new Error('no leader');
  for (let i = 0; i < 3; i++) await rejects(store.put(`web${i}`, first), 'STORE_UNAVAILABLE');
  assert.match(store.health.writeFailure ?? '', /cannot write namespace web2: no leader/);
  backend.failure = undefined;
  await store.put('web', first);
  await store.put('web', second);
  assert.equal(store.health.writeFailure, undefined);
  assert.deepEqual(log.lines, [
    'error: test.memory: cannot write namespace web0: no leader; reads go on; try again once writes work',
    'info: test.memory: writes recovered',
  ]);
});

test('a permission that is missing for one namespace is logged once, though others are written meanwhile', async t => {
  const { store, backend, log } = open(t);
  backend.failure = new LinkerdTcpError('STORE_FORBIDDEN', { store: 'test.memory', action: 'write', reason: 'no' });
  await rejects(store.put('web', first), 'STORE_FORBIDDEN');
  const denial = backend.failure;
  for (let i = 0; i < 3; i++) {
    backend.failure = undefined;
    await store.put('other', first);
    backend.failure = denial;
    await rejects(store.put('web', first), 'STORE_FORBIDDEN');
  }
  assert.equal(log.lines.length, 1, log.lines.join());
  backend.failure = undefined;
  await store.put('web', first);
  assert.deepEqual(log.lines.slice(1), ['info: test.memory: writes recovered']);
});

test('a namespace with an unusual name stays readable, writable and deletable, and no new one is created', async t => {
  const { store, server } = open(t);
  server.write('$(id)', first);
  const seen = observe(t, store.observe('$(id)'));
  await known(seen);
  await store.put('$(id)', second);
  await store.update('$(id)', first, undefined);
  await store.delete('$(id)');
  assert.equal(presentOf(seen), null);
  for (const name of ['$(id)', '`id`', 'a;b', "a'b", 'a&b', 'a*', 'a\\b', 'a|b', 'a<b', 'a"b', 'a?b', 'a#b', 'a%b']) {
    await rejects(store.create(name, first), 'STORE_NAMESPACE_INVALID');
    await rejects(store.put(name, first), 'STORE_NAMESPACE_INVALID');
  }
  for (const name of ['web', 'Team-A_1.b~c@d:e+f']) await store.create(name, first);
});
