/** The store on a real etcd: the contract, what it looks like from outside, several stores at once. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, type TestContext, test } from 'node:test';
import { parseDtab } from '../../src/dtab/parse.ts';
import { showDtab } from '../../src/dtab/show.ts';
import type { Activity } from '../../src/live/activity.ts';
import type { RemoteStore } from '../../src/stores/remote-store.ts';
import type { VersionedDtab } from '../../src/stores/store.ts';
import { startEtcd } from '../support/etcd.ts';
import { configuredEtcdStore, etcdStoreOn, freshPrefix } from '../support/etcd-store.ts';
import { projectRoot } from '../support/linkerd-tcp.ts';
import { observe, recordedLog } from '../support/naming.ts';
import { openDescriptors } from '../support/open-files.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';
import { dtabs, known, presentOf, storeContract } from './contract.ts';

const [first, second] = dtabs as [(typeof dtabs)[0], (typeof dtabs)[0]];
const etcd = await startEtcd({ after: release => after(() => release() as Promise<void>) });

const dtabIs = (text: string) => (state: Activity<VersionedDtab | null>) =>
  state.state === 'ok' && state.value !== null && showDtab(state.value.dtab) === text;

test('configuring the store does not load protobuf', () => {
  // In a process of its own: other tests of this one have used a store.
  const script = `
    import { createRequire } from 'node:module';
    import { configuredEtcdStore } from './test/support/etcd-store.ts';
    configuredEtcdStore({ after() {} }, '');
    console.log(Object.keys(createRequire(import.meta.url).cache).filter(file => file.includes('protobufjs')).length);
  `;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', script];
  assert.equal(execFileSync(process.execPath, args, { cwd: projectRoot, encoding: 'utf8' }), '0\n');
});

async function openForContract(t: TestContext) {
  const [prefix, log] = [freshPrefix(), recordedLog()];
  const corrupt = (namespace: string) => etcd.ctl('put', `${prefix}/${namespace}`, 'no dtab');
  return { store: etcdStoreOn(t, etcd, prefix, log), log, corrupt };
}

storeContract('io.l5d.etcd', openForContract, {
  tooManyBytes: 1_600_000,
  invalidNamespace: 'a/b',
  upstreamWatches: store => (store as RemoteStore).watches,
  runs: 15,
});

test('a namespace is a key with the text of its dtab, and its version the revision that wrote it, in decimal', async t => {
  const prefix = freshPrefix();
  const store = etcdStoreOn(t, etcd, prefix);
  const version = await store.create('web', parseDtab('/svc => /a | /b ; /x => 0.5 * /c & 2 * /d'));
  const answer = JSON.parse(await etcd.ctl('get', `${prefix}/web`, '--write-out=json'));
  assert.equal(Buffer.from(version).toString(), String(answer.kvs[0].mod_revision));
  const stored = Buffer.from(answer.kvs[0].value, 'base64').toString();
  assert.equal(stored, showDtab(parseDtab('/svc => /a | /b ; /x => 0.5 * /c & 2 * /d')));
  await store.delete('web');
  assert.equal(await etcd.ctl('get', `${prefix}/web`), '');
});

test('what others write and delete is seen, in any layout of their text', async t => {
  const prefix = freshPrefix();
  const store = etcdStoreOn(t, etcd, prefix);
  const seen = observe(t, store.observe('web'));
  await known(seen);
  await etcd.ctl('put', `${prefix}/web`, '/svc => /a ;\n/x => /y ;\n');
  await seen.until(dtabIs('/svc=>/a;/x=>/y'), 'the foreign write');
  const { version } = (seen.last as unknown as { value: VersionedDtab }).value;
  await store.update('web', first, version);
  await etcd.ctl('del', `${prefix}/web`);
  await seen.until(state => state.state === 'ok' && state.value === null, 'the foreign deletion');
});

test('keys that are no namespaces are ignored, also beside the prefix', async t => {
  const prefix = freshPrefix();
  const foreign = ['/', '/a/b', '/ ', '/.', 'x/web', '0', ''];
  for (const key of foreign) await etcd.ctl('put', `${prefix}${key}`, 'foreign');
  const store = etcdStoreOn(t, etcd, prefix);
  const names = observe(t, store.list());
  await known(names);
  for (const key of foreign) await etcd.ctl('put', `${prefix}${key}`, 'again');
  await etcd.ctl('put', `${prefix}/web`, '/svc=>/a');
  await names.until(state => state.state === 'ok' && state.value.length > 0, 'the namespace');
  assert.deepEqual(names.last, { state: 'ok', value: ['web'] });
});

test('text that is no dtab keeps the last good one, or fails where there is none, and harms nobody else', async t => {
  const prefix = freshPrefix();
  await etcd.ctl('put', `${prefix}/never`, '/svc ->');
  const store = etcdStoreOn(t, etcd, prefix);
  await store.create('web', first);
  const [web, never, other] = ['web', 'never', 'other'].map(name => observe(t, store.observe(name)));
  await known(web!);
  const failed = await never!.until(({ state }) => state === 'failed', 'the failure');
  assert.match(failed.state === 'failed' ? failed.error.message : '', /namespace never in .* is not a valid dtab/);
  await etcd.ctl('put', `${prefix}/web`, '/svc ->');
  const stale = await web!.until(state => 'unconfirmed' in state, 'the mark');
  assert.equal(presentOf(web!)?.dtab, showDtab(first));
  assert.match(String('unconfirmed' in stale && stale.unconfirmed), /namespace web in .* is not a valid dtab/);
  await store.put('other', second);
  assert.equal(presentOf(other!)?.dtab, showDtab(second));
  await store.put('never', second);
  assert.equal(presentOf(never!)?.dtab, showDtab(second));
});

test('more namespaces than one answer holds are all there, at one revision', async t => {
  const prefix = freshPrefix();
  const store = etcdStoreOn(t, etcd, prefix);
  const names = Array.from({ length: 130 }, (_, i) => `ns${String(i).padStart(3, '0')}`);
  await Promise.all(names.map(name => store.put(name, first)));
  const listed = observe(t, store.list());
  await known(listed);
  assert.deepEqual(listed.last, { state: 'ok', value: names });
  assert.equal(presentOf(await known(observe(t, store.observe('ns129'))))?.dtab, showDtab(first));
});

test('two stores on one etcd see what the other writes; of updates at once through both one wins', async t => {
  const prefix = freshPrefix();
  const stores = [etcdStoreOn(t, etcd, prefix), etcdStoreOn(t, etcd, prefix)] as const;
  const seen = stores.map(store => observe(t, store.observe('web')));
  for (const each of seen) await known(each);
  let version = await stores[0].create('web', first);
  for (let round = 0; round < 10; round++) {
    const tries = Array.from({ length: 6 }, (_, i) => parseDtab(`/svc=>/round${round}/${i}`));
    const results = await Promise.allSettled(tries.map((dtab, i) => stores[i % 2]!.update('web', dtab, version)));
    const won = results.flatMap((result, i) => (result.status === 'fulfilled' ? [i] : []));
    assert.equal(won.length, 1);
    version = (results[won[0]!] as PromiseFulfilledResult<Uint8Array>).value;
    for (const each of seen) await each.until(dtabIs(showDtab(tries[won[0]!]!)), 'the winner');
  }
});

test('watching and leaving again and again leaves nothing open, nor does closing', async t => {
  const before = openDescriptors();
  const store = etcdStoreOn(t, etcd);
  await store.put('web', first);
  for (let round = 0; round < 100; round++) {
    const seen = observe(t, store.observe('web'));
    await known(seen);
    seen.stop();
  }
  assert.ok(openDescriptors() <= before + 2, `${openDescriptors()} descriptors, ${before} before`);
  await store.close();
  await until(() => openDescriptors() <= before, 'the connection to be closed');
});

test('a configuration that cannot be right is refused with its place', t => {
  const refused = (keys: string, message: RegExp) => assert.throws(() => configuredEtcdStore(t, keys), message);
  const dir = tempDir(t);
  refused('hots: etcd', /namerd\.yml:1:\d+ .*hots: unknown key; did you mean host/);
  refused('host: "http://etcd"', /namerd\.yml:1:\d+ .*host: expected a host name or an address/);
  refused('port: 0', /namerd\.yml:1:\d+ .*port: expected a port/);
  refused('pathPrefix: namerd/dtabs', /namerd\.yml:1:\d+ .*pathPrefix: expected a path such as/);
  refused('host: a, endpoints: [{host: b}]', /namerd\.yml:1:\d+ .*endpoints: give endpoints, or host and port/);
  refused('endpoints: []', /namerd\.yml:1:\d+ .*endpoints/);
  refused('username: a', /namerd\.yml:1:\d+ .*username: give username and passwordFile together/);
  refused('requestTimeoutMs: 1', /namerd\.yml:1:\d+ .*requestTimeoutMs: expected a whole number/);
  refused(`username: a, passwordFile: ${dir.path}/none`, /cannot read .*none: ENOENT/);
  refused(`tls: {trustCerts: [${dir.path}/none.pem]}`, /cannot read .*none\.pem: no such file/);
  const key = dir.write('bad.pem', 'no key');
  refused(`tls: {clientAuth: {certPath: ${key}, keyPath: ${key}}}`, /TLS cannot be set up: the PEM files/);
});
