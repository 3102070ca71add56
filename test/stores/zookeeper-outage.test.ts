/** The store `io.l5d.zk` through the death, the silence and the return of its servers, with writers and observers at work. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { getData, openToAll } from '../../src/clients/zookeeper/messages.ts';
import { parseDtab } from '../../src/dtab/parse.ts';
import { RemoteStore } from '../../src/stores/remote-store.ts';
import { ZooKeeperBackend } from '../../src/stores/zookeeper/backend.ts';
import { recordedLog } from '../support/naming.ts';
import { StoreLoad } from '../support/store-load.ts';
import { until, within } from '../support/waiting.ts';
import { openSession, startEnsemble, startZooKeeper, type ZooKeeperServer } from '../support/zookeeper.ts';

/** @param first which server is tried first */
function open(t: TestContext, servers: readonly ZooKeeperServer[], first = 0): RemoteStore {
  const backend = new ZooKeeperBackend({
    ...{ store: 'io.l5d.zk', prefix: '/dtabs', acls: openToAll, auth: undefined, sessionTimeoutMs: 1500 },
    servers: servers.map(({ port }) => ({ host: '127.0.0.1', port })),
    random: () => first / servers.length,
  });
  const retries = { baseMs: 250, maxMs: 1000 };
  const store = new RemoteStore({ store: 'io.l5d.zk', backend, log: recordedLog(), random: Math.random, retries });
  t.after(() => store.close());
  return store;
}

async function startLoad(t: TestContext, stores: readonly RemoteStore[]): Promise<StoreLoad> {
  const load = new StoreLoad(t, stores);
  await load.progress();
  return load;
}

async function storedIn(t: TestContext, server: ZooKeeperServer) {
  const session = await openSession(t, server);
  return (namespace: string) => session.ask(getData(`/dtabs/${namespace}`), ({ body }) => body.bytes().toString());
}

const sessions = async (server: ZooKeeperServer) => (await server.ask('cons')).match(/sid=/g)?.length ?? 0;

test('a server that dies under load: what is known stays, writes are refused at once, all goes on when it is back', async t => {
  const server = await startZooKeeper(t, { tickMs: 100 });
  const load = await startLoad(t, [open(t, [server]), open(t, [server])]);
  for (let round = 0; round < 2; round++) {
    await server.kill();
    await load.unconfirmed();
    await load.refused(
      /^io\.l5d\.zk: cannot write namespace load\d: .*ECONNREFUSED.*; reads go on; try again once writes work/,
    );
    await server.start();
    await load.progress();
  }
  assert.ok(load.slowestRefusalMs < 3000, `refused after ${load.slowestRefusalMs} ms`);
  await load.finish(await storedIn(t, server));
});

test('a server that falls silent for longer than the session lasts: the same, with a new session', async t => {
  const server = await startZooKeeper(t, { tickMs: 100 });
  const load = await startLoad(t, [open(t, [server]), open(t, [server])]);
  const leaving = open(t, [server]);
  await leaving.put('other', parseDtab('/a=>/b'));
  server.signal('SIGSTOP');
  t.after(() => server.signal('SIGCONT'));
  const started = performance.now();
  await load.unconfirmed();
  assert.ok(performance.now() - started < 5000, 'it is noticed soon');
  await load.refused(/has been silent|has not opened a session|no session within/);
  await within(leaving.close(), 'a store to close meanwhile', 3000);
  server.signal('SIGCONT');
  await load.progress();
  assert.ok(load.slowestRefusalMs < 4000, `refused after ${load.slowestRefusalMs} ms`);
  await until(async () => (await sessions(server)) === 2, 'the old sessions to be gone');
  await load.finish(await storedIn(t, server));
});

test('an ensemble that loses the server we are at, its leader, or its majority', { timeout: 120_000 }, async t => {
  const servers = await startEnsemble(t, 3, { tickMs: 100 });
  const load = await startLoad(t, [open(t, servers, 0), open(t, servers, 1)]);
  assert.equal(await sessions(servers[0]!), 1);

  await servers[0]!.kill();
  await load.progress();
  await servers[0]!.start();

  const modes = await Promise.all(servers.map(server => server.ask('srvr')));
  const leader = servers[modes.findIndex(mode => /Mode: leader/.test(mode))]!;
  await leader.kill();
  await load.progress();
  await leader.start();
  await load.progress();

  const [a, b] = servers as [ZooKeeperServer, ZooKeeperServer, ZooKeeperServer];
  await Promise.all([a.kill(), b.kill()]);
  await load.unconfirmed();
  await load.refused(/try again once writes work/);
  await Promise.all([a.start(), b.start()]);
  await load.progress();
  await load.finish(await storedIn(t, a));
});
