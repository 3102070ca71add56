/** What the store does while etcd dies, hangs, forgets, or elects: under load, without being restarted. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { parseDtab } from '../../src/dtab/parse.ts';
import { type Etcd, leaderOf, startEtcd, startEtcdCluster } from '../support/etcd.ts';
import { configuredEtcdStore } from '../support/etcd-store.ts';
import { observe } from '../support/naming.ts';
import { openDescriptors } from '../support/open-files.ts';
import { StoreLoad } from '../support/store-load.ts';
import { until } from '../support/waiting.ts';
import { known, presentOf, rejects } from './contract.ts';

const storeOn = (t: TestContext, members: readonly Etcd[], keys = '') => {
  const endpoints = members.map(({ port }) => `{host: 127.0.0.1, port: ${port}}`).join(', ');
  return configuredEtcdStore(t, `endpoints: [${endpoints}]${keys}`);
};

const storedIn = (etcd: Etcd) => (namespace: string) =>
  etcd.ctl('get', '--print-value-only', `/namerd/dtabs/${namespace}`);

test('etcd is killed under load and comes back with its data', async t => {
  const etcd = await startEtcd(t);
  const load = new StoreLoad(t, [storeOn(t, [etcd]), storeOn(t, [etcd])]);
  for (let round = 0; round < 2; round++) {
    await load.progress();
    const failed = load.failed;
    await etcd.kill();
    await load.unconfirmed();
    await until(() => load.failed > failed + 4, 'writes to be refused');
    await etcd.start();
    await load.progress();
  }
  await load.finish(storedIn(etcd));
});

test('etcd is paused under load: that is noticed, and the end of it too; no connection is left behind', async t => {
  const etcd = await startEtcd(t);
  const stores = [storeOn(t, [etcd], ', requestTimeoutMs: 1000'), storeOn(t, [etcd], ', requestTimeoutMs: 1000')];
  const load = new StoreLoad(t, stores);
  await load.progress();
  const before = openDescriptors();
  etcd.pause();
  await load.unconfirmed(10_000);
  const failed = load.failed;
  await until(() => load.failed > failed + 16, 'more writes to be refused');
  assert.ok(openDescriptors() <= before + 4, 'connections to the silent server are given up');
  etcd.resume();
  await load.progress();
  await load.finish(storedIn(etcd));
  await Promise.all(stores.map(store => store.close()));
});

test('an etcd that has lost its data is believed, and written to', async t => {
  const etcd = await startEtcd(t);
  const stores = [storeOn(t, [etcd]), storeOn(t, [etcd])] as const;
  const web = stores.map(store => observe(t, store.observe('web')));
  const names = await known(observe(t, stores[0].list()));
  for (let i = 0; i < 20; i++) await stores[0].put(i % 2 ? 'web' : 'gone', parseDtab(`/old=>/${i}`));
  for (const each of web) await each.until(() => presentOf(each)?.dtab === '/old=>/19', 'the old state');
  await etcd.kill();
  etcd.wipe();
  await etcd.start();
  for (const each of web) await each.until(state => state.state === 'ok' && state.value === null, 'it to be gone');
  await names.until(state => state.state === 'ok' && state.value.length === 0, 'the empty list');
  const version = await stores[1].create('web', parseDtab('/new=>/1'));
  await stores[0].update('web', parseDtab('/new=>/2'), version);
  for (const each of web) await each.until(() => presentOf(each)?.dtab === '/new=>/2', 'the new state');
});

test('three members: the leader dies under load, another takes over, no acknowledged write is lost', async t => {
  const members = await startEtcdCluster(t, 3);
  const load = new StoreLoad(t, [storeOn(t, members), storeOn(t, members.toReversed())]);
  await load.progress();
  const leader = await leaderOf(members);
  await leader.kill();
  await load.progress(10);
  const [survivor, other] = members.filter(member => member !== leader) as [Etcd, Etcd];
  // A majority is needed: the last one alone confirms nothing and takes no writes.
  await other.kill();
  await load.unconfirmed();
  await leader.start();
  await load.progress(10);
  await load.finish(storedIn(survivor));
});

test('a closed port is told as such, at once, and found open later', async t => {
  const etcd = await startEtcd(t);
  await etcd.kill();
  const store = storeOn(t, [etcd]);
  const web = observe(t, store.observe('web'));
  const failed = await web.until(({ state }) => state === 'failed', 'the failure');
  assert.match(
    failed.state === 'failed' ? failed.error.message : '',
    /io\.l5d\.etcd \(127.*\): cannot watch its namespaces: connect ECONNREFUSED/,
  );
  await rejects(store.put('web', []), 'STORE_UNAVAILABLE');
  await etcd.start();
  await store.put('web', parseDtab('/svc=>/a'));
  await web.until(state => state.state === 'ok' && presentOf(web)?.dtab === '/svc=>/a', 'the watch to begin');
});
