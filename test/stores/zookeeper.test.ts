/** The store `io.l5d.zk` on a real server: the contract, Linkerd's layout, two namerds, and what is not as it should be. */
import assert from 'node:assert/strict';
import test, { after, before, type TestContext } from 'node:test';
import fc from 'fast-check';
import { z } from 'zod';
import { JuteWriter } from '../../src/clients/zookeeper/jute.ts';
import { create, getData, openToAll, readStat, remove, setData } from '../../src/clients/zookeeper/messages.ts';
import type { ZooKeeperSession } from '../../src/clients/zookeeper/session.ts';
import { load } from '../../src/config/load.ts';
import { parseDtab } from '../../src/dtab/parse.ts';
import { showDtab } from '../../src/dtab/show.ts';
import { createStore, storeConfig } from '../../src/stores/kind.ts';
import type { RemoteStore } from '../../src/stores/remote-store.ts';
import { makeParent, versionBytes } from '../../src/stores/zookeeper/layout.ts';
import { zookeeperStore } from '../../src/stores/zookeeper/zookeeper.ts';
import { observe, recordedLog } from '../support/naming.ts';
import { withScope } from '../support/scope.ts';
import { until } from '../support/waiting.ts';
import { openSession, startZooKeeper, type ZooKeeperServer } from '../support/zookeeper.ts';
import { dtabs, hex, known, presentOf, rejects, storeContract } from './contract.ts';

let server: ZooKeeperServer;
const releases: (() => unknown)[] = [];
before(async () => {
  server = await startZooKeeper({ after: release => void releases.push(release) });
});
after(async () => {
  for (const release of releases.reverse()) await release();
});

let prefixes = 0;
const newPrefix = () => `/test/dtabs${prefixes++}`;
const context = () => ({ log: recordedLog(), now: () => 0, random: () => 0, epochMs: () => 0 });
const schema = z.strictObject({ storage: storeConfig([zookeeperStore]) });
const parsed = (text: string) => load({ program: 'namerd', file: 'namerd.yml', text, schema }).storage;

const here = () => `{host: 127.0.0.1, port: ${server.port}}`;

/** @param more further keys of the config */
function open(t: TestContext, prefix = newPrefix(), more = '', addrs = here(), log = recordedLog()): RemoteStore {
  const text = `storage: {kind: io.l5d.zk, zkAddrs: [${addrs}], pathPrefix: ${prefix}${more}}\n`;
  const store = createStore([zookeeperStore], parsed(text), { ...context(), log }) as RemoteStore;
  t.after(() => store.close());
  return store;
}

async function openForContract(t: TestContext) {
  const [prefix, log] = [newPrefix(), recordedLog()];
  const others = await znodes(t);
  const corrupt = async (namespace: string) => {
    await makeParent(others.session, prefix, openToAll);
    await others
      .create(`${prefix}/${namespace}`, 'no dtab')
      .catch(() => others.set(`${prefix}/${namespace}`, 'no dtab'));
  };
  return { store: open(t, prefix, '', here(), log), log, corrupt };
}

storeContract('io.l5d.zk', openForContract, {
  tooManyBytes: 1_100_000,
  invalidNamespace: 'a/b',
  forgetsVersions: true,
  upstreamWatches: store => (store as RemoteStore).watches,
  runs: 15,
});

const [first, second] = dtabs as [(typeof dtabs)[0], (typeof dtabs)[0]];

/** What other programs do. */
async function znodes(t: TestContext) {
  const session = await openSession(t, server);
  return {
    session,
    create: (path: string, data: string | Buffer = '', acls = openToAll) =>
      session.ask(create(path, Buffer.from(data), acls), () => {}),
    set: (path: string, data: string | Buffer) => session.ask(setData(path, Buffer.from(data), -1), () => {}),
    remove: (path: string) => session.ask(remove(path, -1), () => {}),
    read: (path: string) =>
      session.ask(getData(path), ({ body }) => ({ data: body.bytes().toString(), ...readStat(body) })),
  };
}

/** `scheme:id:permissions` of each. */
const aclsOf = (session: ZooKeeperSession, path: string): Promise<string[]> =>
  session.ask({ type: 6, body: new JuteWriter().text(path).written() }, ({ body }) =>
    Array.from({ length: body.int() }, () => {
      const permissions = body.int();
      return `${body.text()}:${body.text()}:${permissions}`;
    }),
  );

test('mistakes of the config are told with their places', () => {
  const text = `storage:
  kind: io.l5d.zk
  zkAddrs:
  - {host: zk1, port: 70000}
  - {port: 2181}
  pathPrefix: dtabs/
  sessionTimeoutMs: 5
  authInfo: {scheme: digest}
  acls:
  - {scheme: world, id: anyone, perms: rr}
  - {scheme: world, id: anyone, perms: ''}
  - {scheme: world, id: anyone, perms: rx}
  chroot: /x
`;
  assert.throws(
    () => parsed(text),
    ({ message }: Error) => {
      for (const problem of [
        /namerd\.yml:4:23 .*zkAddrs\[0\]\.port: expected a port/,
        /namerd\.yml:5:\d+ .*zkAddrs\[1\]\.host/,
        /namerd\.yml:6:15 .*pathPrefix: expected the path of a znode, such as \/dtabs/,
        /namerd\.yml:7:21 .*sessionTimeoutMs: expected a whole number of milliseconds from 100/,
        /namerd\.yml:8:13 .*authInfo\.auth: missing; expected what the scheme/,
        /namerd\.yml:10:40 .*acls\[0\]\.perms: expected letters of crwda/,
        /namerd\.yml:11:40 .*acls\[1\]\.perms: expected letters of crwda/,
        /namerd\.yml:12:40 .*acls\[2\]\.perms: expected letters of crwda/,
        /namerd\.yml:13:3 .*chroot: unknown key/,
      ])
        assert.match(message, problem);
      return true;
    },
  );
  assert.throws(() => parsed('storage: {kind: io.l5d.zk}'), /zkAddrs/);
});

test('keys that are left out are as with Linkerd', () => {
  assert.deepEqual(parsed('storage: {kind: io.l5d.zk, zkAddrs: [{host: zk}]}'), {
    kind: 'io.l5d.zk',
    zkAddrs: [{ host: 'zk', port: 2181 }],
    pathPrefix: '/dtabs',
    sessionTimeoutMs: 10_000,
  });
});

test('a namespace is a znode under the prefix with the dtab as text, its version that of the data in 4 bytes', async t => {
  const prefix = newPrefix();
  const store = open(t, prefix);
  const created = await store.create('web', first);
  const { session, read } = await znodes(t);
  assert.deepEqual(
    { ...(await read(`${prefix}/web`)), modified: 0n },
    {
      ...{ data: showDtab(first), modified: 0n, version: 0, children: 0 },
    },
  );
  assert.equal(Buffer.from(created).toString('base64'), 'AAAAAA==');
  assert.equal(Buffer.from(await store.put('web', second)).toString('base64'), 'AAAAAQ==');
  assert.deepEqual(await aclsOf(session, `${prefix}/web`), ['world:anyone:31']);
  assert.match(await server.ask('dump'), /Ephemerals \(0\)/, 'it stays when we are gone');
});

test('version -1, which is any to ZooKeeper, is none to us', async t => {
  const store = open(t);
  await store.create('web', first);
  await rejects(store.update('web', second, Buffer.from('ffffffff', 'hex')), 'STORE_CONFLICT');
  await rejects(store.delete('web', Buffer.from('ffffffff', 'hex')), 'STORE_CONFLICT');
});

test('what one namerd writes all see, and of two that change one version one wins', async t => {
  const prefix = newPrefix();
  const [a, b] = [open(t, prefix), open(t, prefix)];
  const seen = observe(t, b.observe('web'));
  const names = observe(t, b.list());
  const version = await a.create('web', first);
  await seen.until(state => state.state === 'ok' && state.value !== null, 'the creation');
  assert.deepEqual(presentOf(seen), { dtab: showDtab(first), version: hex(version) });
  await names.until(state => state.state === 'ok' && state.value.length === 1, 'the name');
  for (let round = 0; round < 20; round++) {
    const present = presentOf(seen)!;
    const from = Buffer.from(present.version, 'hex');
    const tries = await Promise.allSettled([a, b].map((store, i) => store.update('web', dtabs[i]!, from)));
    assert.equal(tries.filter(({ status }) => status === 'fulfilled').length, 1);
    await seen.until(({ state }) => state === 'ok' && presentOf(seen)!.version !== present.version, 'the winner');
  }
  await a.delete('web');
  await seen.until(state => state.state === 'ok' && state.value === null, 'the deletion');
  await names.until(state => state.state === 'ok' && state.value.length === 0, 'the name to go');
});

test('what is not a dtab is told as such: the last good one stays, others are not touched', async t => {
  const prefix = newPrefix();
  const store = open(t, prefix);
  await store.put('web', first);
  await store.put('other', first);
  const { create, set } = await znodes(t);
  await create(`${prefix}/binary`, Buffer.of(0x2f, 0xff, 0xfe));
  const web = observe(t, store.observe('web'));
  const binary = observe(t, store.observe('binary'));
  const other = observe(t, store.observe('other'));
  await binary.until(({ state }) => state === 'failed', 'the failure');
  assert.match(
    binary.last?.state === 'failed' ? binary.last.error.message : '',
    /namespace binary in .* is not a valid dtab: its data is not UTF-8/,
  );
  await known(web);
  await set(`${prefix}/web`, '/svc => => /a');
  const marked = await web.until(state => state.state === 'ok' && state.unconfirmed !== undefined, 'the mark');
  assert.match(
    marked.state === 'ok' ? marked.unconfirmed!.message : '',
    /namespace web in .* is not a valid dtab.*expected/,
  );
  assert.equal(presentOf(web)?.dtab, showDtab(first));
  assert.deepEqual(other.last?.state === 'ok' && other.last.unconfirmed, undefined);
  await set(`${prefix}/web`, '/svc => /mended ; ');
  await web.until(state => state.state === 'ok' && state.unconfirmed === undefined, 'the mended one');
  assert.equal(presentOf(web)?.dtab, '/svc=>/mended');
  await store.put('binary', second);
  assert.equal(presentOf(binary)?.dtab, showDtab(second));
});

test('what is no namespace is not listed: folders of others, and names that nobody can write', async t => {
  const prefix = newPrefix();
  const store = open(t, prefix);
  await store.put('web', first);
  const { create } = await znodes(t);
  await create(`${prefix}/folder`);
  await create(`${prefix}/folder/below`, '/svc=>/x');
  await create(`${prefix}/two words`, '/svc=>/x');
  await create(`${prefix}/empty`);
  const names = await known(observe(t, store.list()));
  assert.deepEqual(names.last, { state: 'ok', value: ['empty', 'web'] });
  assert.equal(presentOf(await known(observe(t, store.observe('empty'))))?.dtab, '');
  assert.equal(presentOf(await known(observe(t, store.observe('folder')))), null);
});

test('the znode above all may be deleted while it is watched: it comes again', async t => {
  const prefix = newPrefix();
  const store = open(t, prefix);
  const names = await known(observe(t, store.list()));
  await store.put('web', first);
  const { remove, read } = await znodes(t);
  await remove(`${prefix}/web`);
  await remove(prefix);
  await names.until(state => state.state === 'ok' && state.value.length === 0, 'the end of all');
  await until(async () => (await read(prefix).catch(() => undefined)) !== undefined, 'the znode to come again');
  await store.put('web', second);
  assert.deepEqual(names.last, { state: 'ok', value: ['web'] });
  await open(t, prefix).put('api', second);
  await names.until(state => state.state === 'ok' && state.value.length === 2, 'what another one writes');
});

test('who we are and what others may do: ACLs are those of the config, and a refusal says so', async t => {
  const prefix = newPrefix();
  const owner = open(
    t,
    prefix,
    `, authInfo: {scheme: digest, auth: 'ann:secret'}, acls: [{scheme: auth, id: '', perms: crwda}, {scheme: world, id: anyone, perms: r}]`,
  );
  const stranger = open(t, prefix);
  await owner.put('web', first);
  const seen = await known(observe(t, stranger.observe('web')));
  assert.equal(presentOf(seen)?.dtab, showDtab(first));
  await assert.rejects(stranger.put('web', second), {
    code: 'STORE_FORBIDDEN',
    message: /does not allow namerd to write namespace web: the znode's ACL does not allow it/,
  });
  await rejects(stranger.create('api', second), 'STORE_FORBIDDEN');
  await rejects(stranger.delete('web'), 'STORE_FORBIDDEN');
  await owner.put('web', second);
  await seen.until(() => presentOf(seen)?.dtab === showDtab(second), 'the change');
  const { session } = await znodes(t);
  const acls = await aclsOf(session, `${prefix}/web`);
  assert.match(acls[0]!, /^digest:ann:[A-Za-z0-9+/=]+:31$/);
  assert.equal(acls[1], 'world:anyone:1');
});

test('a namespace that we may not read is told as forbidden, and the others are read', async t => {
  const prefix = newPrefix();
  const store = open(t, prefix);
  await store.put('web', first);
  const { create } = await znodes(t);
  await create(`${prefix}/secret`, '/svc=>/x', [{ scheme: 'ip', id: '192.0.2.1', permissions: 31 }]);
  const secret = observe(t, store.observe('secret'));
  const failure = await secret.until(({ state }) => state === 'failed', 'the failure');
  assert.match(
    failure.state === 'failed' ? failure.error.message : '',
    /does not allow namerd to read namespace secret/,
  );
  assert.equal(presentOf(await known(observe(t, store.observe('web'))))?.dtab, showDtab(first));
});

test('an authInfo that the server does not take is an error of its own, and does not have the secret in it', async t => {
  const store = open(t, newPrefix(), `, authInfo: {scheme: nonsense, auth: 'ann:hush'}`);
  await assert.rejects(store.put('web', first), ({ code, message }: { code: string; message: string }) => {
    assert.equal(code, 'STORE_FORBIDDEN');
    assert.match(message, /rejects `authInfo`/);
    assert.doesNotMatch(message, /hush/);
    return true;
  });
  const seen = observe(t, store.observe('web'));
  await seen.until(({ state }) => state === 'failed', 'the failure');
});

test('a dtab that is too long for ZooKeeper is refused before it ends the connection', async t => {
  const store = open(t);
  const seen = await known(observe(t, store.observe('web')));
  const dentries = (n: number) => parseDtab(`/svc=>${'/0123456789'.repeat(n)}`);
  const version = await store.put('web', dentries(90_000));
  await assert.rejects(store.put('web', dentries(100_000)), {
    code: 'STORE_TOO_LARGE',
    message: /1100\d\d\d bytes, and the limit is 1032191; shorten/,
  });
  assert.equal(presentOf(seen)?.version, hex(version));
});

test('a server whose name is not known is told and passed over', async t => {
  const lost = open(t, newPrefix(), '', '{host: no-such-host.invalid}');
  const seen = observe(t, lost.observe('web'));
  await seen.until(({ state }) => state === 'failed', 'the failure');
  assert.match(seen.last?.state === 'failed' ? seen.last.error.message : '', /no-such-host\.invalid/);
  await assert.rejects(lost.put('web', first), { code: 'STORE_UNAVAILABLE', message: /no-such-host\.invalid/ });
  const store = open(t, newPrefix(), '', `{host: no-such-host.invalid}, ${here()}`);
  await store.put('web', first);
});

test('after a storm of changes by three namerds and another program, all know the same', async t => {
  const prefix = newPrefix();
  const stores = [open(t, prefix), open(t, prefix), open(t, prefix)];
  const names = ['a', 'b', 'c', 'd', 'e'];
  const seen = stores.map(store => names.map(name => observe(t, store.observe(name))));
  const lists = stores.map(store => observe(t, store.list()));
  for (const list of lists) await known(list);
  const others = await znodes(t);
  const change = fc.tuple(fc.constantFrom('put', 'create', 'delete'), fc.constantFrom(...names), fc.nat(1000));
  const storm = async (seed: number, apply: (type: string, name: string, n: number) => Promise<unknown>) => {
    for (const [type, name, n] of fc.sample(change, { numRuns: 150, seed }))
      await apply(type, name, n).catch(error => assert.match(`${error.code}`, /^STORE_(EXISTS|MISSING)$|^-1(01|10)$/));
  };
  await Promise.all([
    ...stores.map((store, i) =>
      storm(i, (type, name, n) => {
        if (type === 'delete') return store.delete(name);
        return type === 'put' ? store.put(name, parseDtab(`/n=>/${n}`)) : store.create(name, parseDtab(`/n=>/${n}`));
      }),
    ),
    storm(3, (type, name, n) => {
      if (type === 'delete') return others.remove(`${prefix}/${name}`);
      return others[type === 'put' ? 'set' : 'create'](`${prefix}/${name}`, `/n=>/${n}`);
    }),
  ]);
  const there: string[] = [];
  for (const [i, name] of names.entries()) {
    const now = await others.read(`${prefix}/${name}`).catch(() => undefined);
    if (now !== undefined) there.push(name);
    const expected = now === undefined ? null : { dtab: now.data, version: hex(versionBytes(now.version)) };
    for (const each of seen) {
      const got = () => JSON.stringify(presentOf(each[i]!));
      await until(
        () => got() === JSON.stringify(expected),
        () => `${name}: ${got()} to be ${JSON.stringify(expected)}`,
      );
    }
  }
  for (const list of lists)
    await list.until(state => state.state === 'ok' && `${state.value}` === `${there}`, `the list ${there}`);
});

test('nothing is left on the server: neither sessions of closed stores nor watches of those that nobody looks at', async () => {
  const prefix = newPrefix();
  const connections = async () => (await server.ask('cons')).match(/^ ?\/.*sid=/gm)?.length ?? 0;
  const before = await connections();
  await withScope(async scope => {
    const store = open(scope as TestContext, prefix);
    for (const name of ['a', 'b', 'c']) await store.put(name, first);
    for (let i = 0; i < 50; i++) {
      const seen = await known(observe(scope, store.observe('a')));
      seen.stop();
      assert.equal(store.watches, 0);
    }
    assert.equal(await connections(), before + 1);
    const watches = Number(/Total watches:(\d+)/.exec(await server.ask('wchs'))![1]);
    assert.ok(watches <= 40, `${watches} watches`);
  });
  await until(async () => (await connections()) === before, 'the session to end');
});
