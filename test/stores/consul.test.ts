/** The store `io.l5d.consul`: the contract, how it lies in Consul, and what it makes of all that Consul may say. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test, { type TestContext } from 'node:test';
import { parseDtab } from '../../src/dtab/parse.ts';
import { showDtab } from '../../src/dtab/show.ts';
import type { RemoteStore } from '../../src/stores/remote-store.ts';
import type { DtabStore } from '../../src/stores/store.ts';
import { observe, recordedLog } from '../support/naming.ts';
import { until } from '../support/waiting.ts';
import { openStore, startConsul } from './consul-setup.ts';
import { hex, known, presentOf, rejects, storeContract } from './contract.ts';

async function openForContract(t: TestContext) {
  const consul = await startConsul(t);
  const own = `contract/${randomUUID()}/`;
  const log = recordedLog();
  const corrupt = (namespace: string) => consul.set(`${own}${namespace}`, 'no dtab');
  return { store: openStore(t, consul, { folder: own, log }), log, corrupt };
}

storeContract('io.l5d.consul', openForContract, {
  tooManyBytes: 400_000,
  invalidNamespace: '%2e%2e',
  upstreamWatches: store => (store as RemoteStore).watches,
  runs: 15,
});

const a = parseDtab('/svc=>/a');
const b = parseDtab('/svc=>/b');
const folder = 'namerd/dtabs/';
const ascii = (version: Uint8Array) => Buffer.from(version).toString('ascii');

function see(t: TestContext, store: DtabStore, namespace: string) {
  const seen = observe(t, store.observe(namespace));
  return {
    seen,
    /** Waits for `dtab`, or for nothing to be there. */
    becomes: (dtab: string | null) =>
      seen.until(
        state => state.state === 'ok' && (state.value === null ? null : showDtab(state.value.dtab)) === dtab,
        `namespace ${namespace} to be ${dtab}`,
      ),
    unconfirmed: () => seen.until(state => state.state === 'ok' && state.unconfirmed !== undefined, 'doubt'),
    confirmed: () => seen.until(state => state.state === 'ok' && state.unconfirmed === undefined, 'no doubt'),
  };
}

const namesOf = (t: TestContext, store: DtabStore) => {
  const seen = observe(t, store.list());
  return { seen, become: (names: string) => seen.until(is => is.state === 'ok' && is.value.join() === names, names) };
};

test('a namespace is one key with the dtab as text; its version is the ModifyIndex in ASCII', async t => {
  const consul = await startConsul(t);
  const store = openStore(t, consul);
  const created = await store.create('web', parseDtab('/svc => /a | /b ; /svc/x => 0.5*/c & 1*/d'));
  assert.equal(consul.value(`${folder}web`), '/svc=>/a | /b;/svc/x=>0.50*/c & /d');
  assert.equal(ascii(created), String(consul.entry(`${folder}web`)!.ModifyIndex));
  const updated = await store.update('web', b, created);
  assert.equal(ascii(updated), String(consul.entry(`${folder}web`)!.ModifyIndex));
  assert.ok(Number(ascii(updated)) > Number(ascii(created)));
});

test('what Namerd has written is there, and its updates are followed; versions are those of the keys', async t => {
  const consul = await startConsul(t);
  const index = consul.set(`${folder}default`, '/svc => /#/io.l5d.fs ;\n');
  const store = openStore(t, consul);
  const { seen, becomes } = see(t, store, 'default');
  await becomes('/svc=>/#/io.l5d.fs');
  assert.equal(presentOf(seen)?.version, hex(Buffer.from(String(index))));
  consul.set('something/else', 'that moves the index of the whole');
  const later = consul.set(`${folder}default`, '/svc=>/b');
  await becomes('/svc=>/b');
  await store.update('default', a, Buffer.from(String(later)));
  consul.delete(`${folder}default`);
  await becomes(null);
});

test('an empty dtab is an empty value', async t => {
  const consul = await startConsul(t);
  consul.set(`${folder}old`, '');
  const store = openStore(t, consul);
  await see(t, store, 'old').becomes('');
  await store.create('new', []);
  assert.equal(consul.entry(`${folder}new`)!.Value, null);
  await see(t, store, 'new').becomes('');
});

test('other keys are not listed: the folder itself, folders in it, names that are none', async t => {
  const consul = await startConsul(t);
  for (const key of ['', 'bar/', 'bar/web', 'baz', 'b@dn@m35p@c3', 'a.b', 'é']) consul.set(`${folder}${key}`, '/a=>/b');
  consul.set('namerd/dtabsen', '/a=>/b');
  const store = openStore(t, consul);
  const { seen, become } = namesOf(t, store);
  await become('baz');
  for (const namespace of ['bar/web', 'b@dn@m35p@c3', 'a.b']) {
    assert.equal(presentOf(await known(observe(t, store.observe(namespace)))), null);
    await rejects(store.put(namespace, a), 'STORE_NAMESPACE_INVALID');
    await rejects(store.delete(namespace), 'STORE_NAMESPACE_INVALID');
  }
  assert.equal(seen.values.filter(({ state }) => state === 'ok').length, 1);
});

test('one question watches everything, and nothing is asked while nobody looks', async t => {
  const consul = await startConsul(t);
  const store = openStore(t, consul, { waitMs: 60_000 });
  await store.put('web', a);
  assert.equal(consul.requests().length, 1);
  const observers = ['web', 'api', 'other'].map(namespace => observe(t, store.observe(namespace)));
  for (const each of observers) await known(each);
  await until(() => consul.blocked() === 1, 'the question');
  for (const each of observers) each.stop();
  await until(() => consul.blocked() === 0, 'the question to be gone');
  consul.forgetRequests();
  consul.set(`${folder}web`, '/svc=>/b');
  assert.deepEqual(consul.requests(), []);
  await see(t, store, 'web').becomes('/svc=>/b');
});

test('a text that is no dtab leaves the last good one, and is told; one that never was is a failure', async t => {
  const consul = await startConsul(t);
  const store = openStore(t, consul);
  consul.set(`${folder}web`, '/svc=>/a');
  consul.set(`${folder}bad`, 'nonsense');
  const web = see(t, store, 'web');
  const bad = see(t, store, 'bad');
  await web.becomes('/svc=>/a');
  assert.match(
    (bad.seen.last as { error?: Error }).error!.message,
    /io\.l5d\.consul \(test\) is not a valid dtab: .*expected/,
  );
  consul.set(`${folder}web`, '/svc=>');
  await web.unconfirmed();
  assert.equal(presentOf(web.seen)?.dtab, '/svc=>/a');
  await store.put('bad', b);
  await bad.becomes('/svc=>/b');
  consul.set(`${folder}web`, '/svc=>/c');
  await web.becomes('/svc=>/c');
  await web.confirmed();
});

test('two stores on one Consul see the writes of each other, and of two updates at once one wins', async t => {
  const consul = await startConsul(t);
  const [one, two] = [openStore(t, consul), openStore(t, consul)];
  const seenByTwo = see(t, two, 'web');
  const listed = namesOf(t, two);
  await known(seenByTwo.seen);
  let version = await one.create('web', a);
  await seenByTwo.becomes('/svc=>/a');
  await listed.become('web');
  for (let i = 0; i < 8; i++) {
    const tries = [one, two].map((store, n) => store.update('web', parseDtab(`/svc=>/${n}/${i}`), version));
    const results = await Promise.allSettled(tries);
    const won = results.findIndex(({ status }) => status === 'fulfilled');
    assert.deepEqual(results.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
    await rejects(tries[1 - won]!, 'STORE_CONFLICT');
    version = await tries[won]!;
    await seenByTwo.becomes(`/svc=>/${won}/${i}`);
  }
  await one.delete('web', version);
  await seenByTwo.becomes(null);
  await listed.become('');
});

test('a version that is no number is another version', async t => {
  const store = openStore(t, await startConsul(t));
  await store.create('web', a);
  for (const text of ['0', '-1', '012', '1e3', ' 12', '99999999999999999999', 'yolo', '']) {
    await rejects(store.update('web', b, Buffer.from(text)), 'STORE_CONFLICT');
    await rejects(store.delete('web', Buffer.from(text)), 'STORE_CONFLICT');
  }
});

test('a removal that Consul forgets changes nothing, though the index goes backwards', async t => {
  const consul = await startConsul(t);
  const store = openStore(t, consul, { waitMs: 50 });
  await store.put('web', a);
  await store.put('gone', a);
  const { seen, becomes } = see(t, store, 'web');
  const { seen: names, become } = namesOf(t, store);
  await become('gone,web');
  await store.delete('gone');
  consul.reapTombstones();
  consul.forgetRequests();
  await until(
    () => consul.requests().filter(({ url }) => !url.includes('index=')).length > 0,
    'the watch to begin anew',
  );
  await until(() => consul.requests().filter(({ url }) => url.includes('index=')).length > 3, 'it to go on');
  assert.equal(names.values.filter(({ state }) => state === 'ok').length, 2);
  assert.equal(seen.values.filter(({ state }) => state === 'ok').length, 1);
  consul.set(`${folder}web`, '/svc=>/b');
  await becomes('/svc=>/b');
  await store.put('gone', a);
  await become('gone,web');
});

test('a Consul that was restored from a backup is believed: what was changed since is as it was', async t => {
  const consul = await startConsul(t);
  const store = openStore(t, consul, { waitMs: 50 });
  await store.put('old', a);
  const version = await store.put('web', a);
  consul.save('backup');
  await store.put('web', b);
  await store.put('new', b);
  await store.delete('old');
  const [web, old] = [see(t, store, 'web'), see(t, store, 'old')];
  const { become } = namesOf(t, store);
  await become('new,web');
  consul.restore('backup');
  await web.becomes('/svc=>/a');
  await old.becomes('/svc=>/a');
  await become('old,web');
  await store.update('web', parseDtab('/svc=>/c'), version);
  assert.equal(presentOf(web.seen)?.dtab, '/svc=>/c');
});

test('a restore is noticed also when something is written before it is seen', async t => {
  const consul = await startConsul(t);
  const store = openStore(t, consul);
  await store.put('web', a);
  consul.save('backup');
  await store.put('web', b);
  const web = see(t, store, 'web');
  await web.becomes('/svc=>/b');
  await until(() => consul.blocked() === 1, 'the question');
  consul.restore('backup');
  consul.set(`${folder}other`, '/a=>/b');
  await web.becomes('/svc=>/a');
});

test('a Consul that was made anew, empty and counting from the start, is believed', async t => {
  const consul = await startConsul(t);
  const store = openStore(t, consul, { waitMs: 50 });
  for (let i = 0; i < 10; i++) await store.put('web', a);
  const web = see(t, store, 'web');
  await web.becomes('/svc=>/a');
  consul.wipe();
  await web.becomes(null);
  await store.create('web', b);
  await web.becomes('/svc=>/b');
});

test('without a leader a store that reads stale goes on with doubt; others keep what they have', async t => {
  const consul = await startConsul(t);
  const stale = openStore(t, consul, { consistency: 'stale' });
  const strict = openStore(t, consul);
  await strict.put('web', a);
  const [seenStale, seenStrict] = [see(t, stale, 'web'), see(t, strict, 'web')];
  for (const { becomes } of [seenStale, seenStrict]) await becomes('/svc=>/a');
  consul.setLeader(false);
  for (const { seen, unconfirmed } of [seenStale, seenStrict]) {
    await unconfirmed();
    assert.equal(presentOf(seen)?.dtab, '/svc=>/a');
  }
  await rejects(strict.put('web', b), 'STORE_UNAVAILABLE');
  const late = openStore(t, consul, { consistency: 'stale' });
  const seenLate = see(t, late, 'web');
  await seenLate.becomes('/svc=>/a');
  consul.setLeader(true);
  for (const { confirmed } of [seenStale, seenStrict, seenLate]) await confirmed();
  await stale.put('web', b);
  for (const { becomes } of [seenStale, seenStrict, seenLate]) await becomes('/svc=>/b');
});

test('a server that lags behind takes nothing back, not even when the watch begins anew', async t => {
  const consul = await startConsul(t);
  const store = openStore(t, consul, { consistency: 'stale', waitMs: 50 });
  await store.put('web', a);
  const before = see(t, store, 'web');
  await before.becomes('/svc=>/a');
  consul.setLagging(true);
  await store.put('web', b);
  consul.forgetRequests();
  await until(() => consul.requests().length > 5, 'some questions');
  before.seen.stop();
  const after = see(t, store, 'web');
  await after.becomes('/svc=>/b');
  consul.forgetRequests();
  await until(() => consul.requests().length > 5, 'some questions');
  assert.equal(presentOf(after.seen)?.dtab, '/svc=>/b');
  assert.ok(before.seen.values.every((value, i, all) => i === 0 || value !== all[i - 1]));
  assert.equal(presentOf(before.seen)?.dtab, '/svc=>/b');
});

test('how it reads is said in every question', async t => {
  const consul = await startConsul(t);
  for (const [consistency, parameter] of [
    ['consistent', /[?&]consistent=true/],
    ['stale', /[?&]stale=true/],
  ] as const) {
    consul.forgetRequests();
    const { seen } = see(t, openStore(t, consul, { consistency, datacenter: 'dc1' }), 'web');
    await until(() => consul.requests().length > 2, 'some questions');
    seen.stop();
    for (const { url } of consul.requests()) {
      assert.match(url, parameter);
      assert.match(url, /[?&]dc=dc1(&|$)/);
    }
  }
});

test('another datacenter that cannot be reached is a failure, and says so', async t => {
  const consul = await startConsul(t);
  const store = openStore(t, consul, { datacenter: 'mars' });
  await assert.rejects(
    store.put('web', a),
    /cannot write namespace web: it answered 500: No path to datacenter; reads go on/,
  );
  const { seen } = see(t, store, 'web');
  const { error } = (await seen.until(({ state }) => state === 'failed', 'the failure')) as { error: Error };
  assert.match(error.message, /cannot watch its namespaces: it answered 500: No path to datacenter/);
});

test('rights that are missing are told as such; with a token that has them all is well', async t => {
  const consul = await startConsul(t);
  consul.set(`${folder}web`, '/svc=>/a');
  consul.setRights({ good: { read: [], write: [folder] }, reader: { read: [folder], write: [] } });
  const good = openStore(t, consul, { token: 'good' });
  await see(t, good, 'web').becomes('/svc=>/a');
  await good.put('web', b);
  const reader = openStore(t, consul, { token: 'reader' });
  await see(t, reader, 'web').becomes('/svc=>/b');
  for (const write of [reader.put('web', a), reader.create('api', a), reader.delete('web')])
    await rejects(write, 'STORE_FORBIDDEN');
  for (const options of [{ token: 'unknown' }, {}]) {
    const store = openStore(t, consul, options);
    await rejects(store.put('web', a), 'STORE_FORBIDDEN');
    const { seen } = see(t, store, 'web');
    const { error } = (await seen.until(({ state }) => state === 'failed', 'the failure')) as { error: Error };
    assert.equal((error as { code?: string }).code, 'STORE_FORBIDDEN');
    assert.match(error.message, /does not allow namerd to read the namespaces: .*(ACL not found|Permission denied)/);
  }
});

test('rights that are taken away empty nothing, in whichever way Consul hides what is there', async t => {
  const consul = await startConsul(t);
  const all = { read: [], write: [folder] };
  const some = { read: [`${folder}web`], write: [] };
  consul.set(`${folder}web`, '/svc=>/a');
  consul.set(`${folder}api`, '/svc=>/a');
  for (const [token, left] of [
    ['app', {}],
    ['app', { app: { read: [], write: [] } }],
    ['app', { app: some }],
    [undefined, {}],
    [undefined, { anonymous: { read: ['other'], write: [] } }],
  ] as const) {
    consul.setRights({ app: all, anonymous: all });
    const log = recordedLog();
    const store = openStore(t, consul, { ...(token !== undefined && { token }), log });
    const { seen, becomes, unconfirmed, confirmed } = see(t, store, 'web');
    const listed = namesOf(t, store);
    await becomes('/svc=>/a');
    await listed.become('api,web');
    consul.setRights(left);
    await unconfirmed();
    assert.equal(presentOf(seen)?.dtab, '/svc=>/a');
    assert.match(log.lines[0]!, /does not allow namerd to read the namespaces/);
    consul.setRights({ app: all, anonymous: all });
    await confirmed();
    assert.ok(listed.seen.values.every(is => is.state !== 'ok' || is.value.join() === 'api,web'));
    await store.close();
  }
});

test('whoever may read nothing because there is nothing is not refused', async t => {
  const consul = await startConsul(t);
  consul.setRights({ app: { read: [], write: [folder] } });
  const store = openStore(t, consul, { token: 'app' });
  await namesOf(t, store).become('');
});

test('a dtab as long as the limit is stored, and one that Consul refuses for its size is refused with its words', async t => {
  const consul = await startConsul(t);
  const store = openStore(t, consul);
  const longest = parseDtab(`/svc=>/${'x'.repeat(390_000 - '/svc=>/'.length)}`);
  await store.put('n'.repeat(255), longest);
  await rejects(store.put('web', parseDtab(`/svc=>/${'x'.repeat(390_000)}`)), 'STORE_TOO_LARGE');
  consul.setFault({ status: 413, body: 'Request body(9 bytes) too large, max size: 8 bytes.' }, 'writes');
  await rejects(store.put('web', a), 'STORE_TOO_LARGE');
  await assert.rejects(store.put('web', a), /Request body\(9 bytes\) too large, max size: 8 bytes/);
  consul.setFault({ status: 400, body: 'Failed to parse body' }, 'writes');
  await rejects(store.put('web', a), 'STORE_REJECTED');
});

test('with a Consul that does not report what a token may not read, namerd says so once', async t => {
  const consul = await startConsul(t, { version: '1.8.7' });
  consul.set(`${folder}web`, '/svc=>/a');
  consul.set(`${folder}hidden`, '/svc=>/a');
  consul.setRights({ app: { read: [`${folder}web`, 'agent'], write: [] } });
  const log = recordedLog();
  const store = openStore(t, consul, { token: 'app', log });
  const names = namesOf(t, store);
  await names.become('web');
  const said = () => log.lines.filter(line => /Consul 1\.8\.7 does not report keys/.test(line));
  await until(() => said().length === 1, 'the warning');
  assert.match(said()[0]!, /^warn: .*; give the token read access to all keys below namerd\/dtabs\//);
  consul.cut();
  await names.become('web');
  assert.equal(said().length, 1);
});
