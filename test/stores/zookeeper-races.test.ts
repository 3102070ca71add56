/** The store `io.l5d.zk` where a server answers in an order that a real one gives only now and then. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { JuteReader, JuteWriter } from '../../src/clients/zookeeper/jute.ts';
import { openToAll } from '../../src/clients/zookeeper/messages.ts';
import { parseDtab } from '../../src/dtab/parse.ts';
import { RemoteStore } from '../../src/stores/remote-store.ts';
import { ZooKeeperBackend } from '../../src/stores/zookeeper/backend.ts';
import { answer, type Connection, fakeZooKeeper } from '../support/fake-zookeeper.ts';
import { observe, recordedLog } from '../support/naming.ts';
import type { Scope } from '../support/scope.ts';
import { until } from '../support/waiting.ts';
import { known } from './contract.ts';

const types = { 2: 'delete', 4: 'getData', 5: 'setData', 9: 'sync', 12: 'getChildren', 15: 'create' } as const;

function open(t: Scope, port: number): RemoteStore {
  const servers = [{ host: '127.0.0.1', port }];
  const options = {
    store: 'zk',
    prefix: '/dtabs',
    acls: openToAll,
    servers,
    sessionTimeoutMs: 10_000,
    auth: undefined,
  };
  const backend = new ZooKeeperBackend({ ...options, random: () => 0 });
  const store = new RemoteStore({ store: 'zk', backend, log: recordedLog(), random: () => 0 });
  t.after(() => store.close());
  return store;
}

/** The next request that has not been taken, as `type path`, and its number. */
function requestsOf(connection: () => Connection | undefined) {
  let taken = 0;
  return async (expected: string): Promise<number> => {
    const request = await until(() => connection()?.requests[taken], `the request ${expected}`);
    const body = new JuteReader(request);
    taken++;
    const xid = body.int();
    assert.equal(`${types[body.int() as keyof typeof types]} ${body.text()}`, expected);
    return xid;
  };
}

const stat = (modified: bigint, version: number): Buffer =>
  new JuteWriter()
    .long(0n)
    .long(modified)
    .long(0n)
    .long(0n)
    .int(version)
    .int(0)
    .int(0)
    .long(0n)
    .int(0)
    .int(0)
    .long(0n)
    .written();
const names = (...all: string[]): Buffer =>
  all.reduce((body, name) => body.text(name), new JuteWriter().int(all.length)).written();
const created = (path: string, modified: bigint): Buffer =>
  Buffer.concat([new JuteWriter().text(path).written(), stat(modified, 0)]);
const childrenChanged = answer(-1, 0, new JuteWriter().int(4).int(3).text('/dtabs').written());

/** A store that is watched and knows that there is nothing. */
async function watched(t: Scope) {
  const { port, connections } = await fakeZooKeeper(t);
  const store = open(t, port);
  const seen = observe(t, store.observe('web'));
  const next = requestsOf(() => connections[0]);
  const send = (body: Buffer) => connections[0]!.send(body);
  send(answer(await next('sync /dtabs')));
  send(answer(await next('getChildren /dtabs'), 0, names()));
  await known(seen);
  return { port, connections, store, seen, next, send };
}

const dtab = parseDtab('/svc=>/a');

test('what we create and another one deletes before we list it is gone', async t => {
  const { store, seen, next, send } = await watched(t);
  const creation = store.create('web', dtab);
  const create = await next('create /dtabs/web');
  send(childrenChanged);
  const list = await next('getChildren /dtabs');
  send(answer(create, 0, created('/dtabs/web', 5n)));
  await creation;
  await seen.until(state => state.state === 'ok' && state.value !== null, 'what was created');
  send(answer(list, 0, names()));
  await seen.until(state => state.state === 'ok' && state.value === null, 'its end');
});

test('what is gone in the same breath in which its creation is answered stays gone', async t => {
  const { connections, store, seen, next } = await watched(t);
  const creation = store.create('web', dtab);
  const create = await next('create /dtabs/web');
  connections[0]!.send(childrenChanged);
  const list = await next('getChildren /dtabs');
  connections[0]!.socket.cork();
  connections[0]!.send(answer(create, 0, created('/dtabs/web', 5n)));
  connections[0]!.send(answer(list, 0, names()));
  connections[0]!.socket.uncork();
  await creation;
  await new Promise(resolve => setImmediate(resolve));
  assert.deepEqual(seen.last, { state: 'ok', value: null });
});

test('a put that finds no znode above it, however often it is made, is not told that the namespace is missing', async t => {
  const { store, next, send } = await watched(t);
  const write = store.put('web', dtab);
  const noNode = -101;
  send(answer(await next('setData /dtabs/web'), noNode));
  send(answer(await next('create /dtabs/web'), noNode));
  send(answer(await next('create /dtabs')));
  send(answer(await next('create /dtabs/web'), noNode));
  await assert.rejects(write, {
    code: 'STORE_UNAVAILABLE',
    message: /another client keeps deleting \/dtabs; reads go on/,
  });
});

test('a write whose answer is cut off may have taken effect, and says so', async t => {
  const { connections, store, next } = await watched(t);
  const creation = store.create('web', dtab);
  await next('create /dtabs/web');
  connections[0]!.socket.destroy();
  await assert.rejects(creation, {
    code: 'STORE_UNAVAILABLE',
    message: /closed the connection; the write may still take effect: read the namespace/,
  });
});

test('a write that waited in vain for a session is not sent later', async t => {
  const { port, connections } = await fakeZooKeeper(t, 0);
  const store = open(t, port);
  const started = performance.now();
  await assert.rejects(store.create('web', dtab), {
    code: 'STORE_UNAVAILABLE',
    message: /no session within 2000 ms; reads go on; try again once writes work/,
  });
  assert.ok(performance.now() - started < 4000);
  connections[0]!.grant(10_000);
  const other = store.delete('other');
  const next = requestsOf(() => connections.at(-1));
  connections.at(-1)!.send(answer(await next('delete /dtabs/other')));
  await other;
});
