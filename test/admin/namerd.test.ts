/** namerd's admin API, by itself. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { NEVER, type Observable, of } from 'rxjs';
import { type NamerdView, startNamerdAdmin } from '../../src/admin/namerd/server.ts';
import { parseDtab } from '../../src/dtab/parse.ts';
import { type Activity, failed } from '../../src/live/activity.ts';
import { systemClock } from '../../src/live/clock.ts';
import { silentLog } from '../../src/log.ts';
import { Registry } from '../../src/metrics/registry.ts';
import { Namespaces } from '../../src/namerd/core/namespaces.ts';
import { Slices } from '../../src/namerd/core/sliced.ts';
import { builtinNamer } from '../../src/naming/builtin/builtin.ts';
import { TestStore } from '../namerd/rig.ts';
import { fakeDns } from '../support/naming.ts';
import { within } from '../support/waiting.ts';

type Exports = NonNullable<Parameters<typeof startNamerdAdmin>[0]['exports']>;

async function start(t: TestContext, view: Partial<NamerdView> = {}, exports: Exports = []) {
  const store = new TestStore();
  const registry = new Registry({ pages: 1 });
  registry.scope({}).computed('l5d:namerd:watches', {}, () => 7);
  const namespaces = new Namespaces({ store, namers: [], builtin: builtinNamer(fakeDns()), clock: systemClock });
  const admin = await startNamerdAdmin({
    ip: '127.0.0.1',
    port: 0,
    log: silentLog,
    registry,
    exports,
    namerd: {
      config: () => ({ storage: { kind: 'io.l5d.consul', token: 'abc' } }),
      ready: () => ({ ready: true, waitingFor: [] }),
      shutdown: () => {},
      namespaces,
      slices: new Slices(),
      store,
      watches: () => [{ path: '/#/io.l5d.fs/web', ageMs: 3, failure: 'gone' }],
      ...view,
    },
  });
  t.after(() => admin.close());
  return { store, ask: (path: string, init?: RequestInit) => fetch(`http://${admin.address}${path}`, init) };
}

test('it lists its endpoints, answers probes and hides secrets', async t => {
  const { ask } = await start(t, { ready: () => ({ ready: false, waitingFor: ['the storage'] }) });
  assert.match(await (await ask('/')).text(), /^POST \/dtab\/delegator\.json +the same for a JSON body/m);
  for (const path of ['/admin/ping', '/live']) assert.equal(await (await ask(path)).text(), 'pong');
  const ready = await ask('/ready');
  assert.equal(ready.status, 503);
  assert.deepEqual(await ready.json(), { ready: false, waitingFor: ['the storage'] });
  assert.deepEqual(await (await ask('/config.json')).json(), {
    storage: { kind: 'io.l5d.consul', token: '(hidden)' },
  });
});

test('delegator.json answers under 5 MB, however wide the rule is', async t => {
  const { ask, store } = await start(t);
  const wide = `/a=>${Array(9000).fill('/b').join('|')}`;
  await store.put('wide', parseDtab(wide));
  const post = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ dtab: wide, path: '/a' }),
  };
  for (const answer of [
    await ask('/dtab/delegator.json?path=/a&namespace=wide'),
    await ask('/dtab/delegator.json', post),
  ]) {
    const text = await answer.text();
    assert.match(text, /not explained further: it takes more than 2000 lookups/);
    assert.ok(text.length < 5_000_000, `${text.length} characters`);
  }
});

test('delegator.json explains by the dtab given and by a stored one', async t => {
  const { ask, store } = await start(t);
  await store.put('tea', parseDtab('/a=>/b'));
  const expected = {
    type: 'delegate',
    path: '/a',
    delegate: { type: 'neg', path: '/b', dentry: { prefix: '/a', dst: '/b' } },
  };
  const post = (body: string, type = 'application/json') =>
    ask('/dtab/delegator.json', { method: 'POST', headers: { 'content-type': type }, body });
  assert.deepEqual(await (await ask('/dtab/delegator.json?path=/a&dtab=/a=>/b')).json(), expected);
  assert.deepEqual(await (await ask('/dtab/delegator.json?path=/a&namespace=tea')).json(), expected);
  assert.deepEqual(await (await post('{"dtab":"/a=>/b","path":"/a"}')).json(), expected);
  assert.equal((await post('{"dtab":"/a=>/b","path":"/a"}', 'text/plain')).status, 415);
  assert.match(await (await post('{}')).text(), /Malformed delegation request/);
  assert.equal((await ask('/dtab/delegator.json')).status, 400);
  const put = await ask('/dtab/delegator.json', { method: 'PUT' });
  assert.equal(put.status, 405);
  assert.equal(put.headers.get('allow'), 'GET, HEAD, POST');
});

test('a shutdown begins when its answer is out', async t => {
  const called = Promise.withResolvers<string>();
  const { ask } = await start(t, { shutdown: called.resolve });
  assert.equal((await ask('/admin/shutdown', { method: 'POST' })).status, 200);
  assert.equal(await within(called.promise, 'the shutdown'), 'POST /admin/shutdown');
});

test('the stored dtabs are shown, with the reason if they cannot be confirmed', async t => {
  const { ask, store } = await start(t);
  const shown = async () => (await ask('/storage.json')).json();
  assert.deepEqual(await shown(), { state: 'ok', namespaces: {} });
  const version = Buffer.from(await store.put('tea', parseDtab('/a=>/b'))).toString('base64');
  assert.deepEqual(await shown(), { state: 'ok', namespaces: { tea: { state: 'ok', version, dtab: '/a=>/b' } } });
  assert.deepEqual(await (await ask('/namer_state.json')).json(), [
    { path: '/#/io.l5d.fs/web', ageMs: 3, failure: 'gone' },
  ]);
});

test('a storage that fails, or stays silent, is shown as it is', async t => {
  const failing = (list: Observable<Activity<readonly string[]>>) => start(t, { store: { list: () => list } as never });
  const { ask } = await failing(of(failed(new Error('no route'))));
  assert.deepEqual(await (await ask('/storage.json')).json(), { state: 'failed', reason: 'no route', namespaces: {} });
  const silent = await failing(NEVER);
  assert.deepEqual(await (await silent.ask('/storage.json')).json(), { state: 'pending', namespaces: {} });
});

test('metrics are also where telemetry wants them, by the names it wants', async t => {
  const { ask } = await start(t, {}, [{ path: '/admin/metrics/prometheus', prefix: 'namerd_' }]);
  const at = async (path: string) => (await ask(path)).text();
  assert.match(await at('/metrics'), /^# TYPE l5d:namerd:watches gauge\nl5d:namerd:watches 7$/m);
  const prefixed = await at('/admin/metrics/prometheus');
  assert.match(prefixed, /^# TYPE namerd_l5d:namerd:watches gauge\nnamerd_l5d:namerd:watches 7$/m);
  assert.doesNotMatch(prefixed, /^(?:# \w+ )?l5d/m);
  const moved = await start(t, {}, [{ path: '/metrics', prefix: 'a:' }]);
  assert.match(await (await moved.ask('/metrics')).text(), /^a:l5d:namerd:watches 7$/m);
});
