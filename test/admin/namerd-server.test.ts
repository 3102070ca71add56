/** namerd's admin API, by itself. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type NamerdView, startNamerdAdmin } from '../../src/admin/namerd-server.ts';
import { parseDtab } from '../../src/dtab/parse.ts';
import { silentLog } from '../../src/log.ts';
import { Registry } from '../../src/metrics/registry.ts';
import { Namespaces } from '../../src/namerd/namespaces.ts';
import { builtinNamer } from '../../src/naming/builtin/builtin.ts';
import { systemClock } from '../../src/naming/namerd/clock.ts';
import { TestStore } from '../namerd/rig.ts';
import { fakeDns } from '../support/naming.ts';
import { within } from '../support/waiting.ts';

async function start(t: TestContext, view: Partial<NamerdView> = {}) {
  const store = new TestStore();
  const namespaces = new Namespaces({ store, namers: [], builtin: builtinNamer(fakeDns()), clock: systemClock });
  const admin = await startNamerdAdmin({
    ip: '127.0.0.1',
    port: 0,
    log: silentLog,
    registry: new Registry({ pages: 1 }),
    namerd: {
      config: () => ({ storage: { kind: 'io.l5d.consul', token: 'abc' } }),
      ready: () => ({ ready: true, waitingFor: [] }),
      shutdown: () => {},
      namespaces,
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
