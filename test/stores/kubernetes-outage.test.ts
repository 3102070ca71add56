/** The store `io.l5d.k8s` while its API server is killed, stopped, cut off, restored and started again, with writers at work. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parseDtab } from '../../src/dtab/parse.ts';
import { type FakeKubernetes, startKubernetes } from '../support/fake-kubernetes.ts';
import { observe } from '../support/naming.ts';
import { StoreLoad } from '../support/store-load.ts';
import { until } from '../support/waiting.ts';
import { known } from './contract.ts';
import { openKubernetes } from './kubernetes-rig.ts';

const quick = { watchSeconds: 1, answerMs: 300, writeMs: 400 };
const numbered = (n: number) => parseDtab(`/svc=>/n${n}`);
const openTwo = (t: TestContext, server: FakeKubernetes) => [0, 1].map(() => openKubernetes(t, server, quick).store);

const storedIn = (server: FakeKubernetes) => async (namespace: string) =>
  (server.objects.get(namespace)['dentries'] as { prefix: string; dst: string }[])
    .map(({ prefix, dst }) => `${prefix}=>${dst}`)
    .join();

test('killed and started again under load: what was acknowledged is kept, and reads go on meanwhile', async t => {
  const server = await startKubernetes(t);
  const load = new StoreLoad(t, openTwo(t, server));
  await load.progress();
  for (let round = 0; round < 3; round++) {
    await server.stop();
    await load.unconfirmed();
    await server.start();
    await load.progress();
  }
  assert.ok(load.failed > 0);
  await load.finish(storedIn(server));
});

test('stopped and continued under load: it is noticed, writes are refused in time, and all goes on by itself', async t => {
  const server = await startKubernetes(t);
  const load = new StoreLoad(t, openTwo(t, server));
  await load.progress();
  for (let round = 0; round < 2; round++) {
    server.pause();
    await load.unconfirmed();
    await load.refused(/no complete answer within 400 ms/);
    server.resume();
    await load.progress();
  }
  await load.finish(storedIn(server));
});

test('watches that are cut, lost, ended and forgotten under load lose nothing', async t => {
  const server = await startKubernetes(t);
  const load = new StoreLoad(t, openTwo(t, server));
  await load.progress();
  for (const disturb of [
    () => server.cutWatches(),
    () => server.muteWatches(),
    () => server.endWatches(),
    () => server.objects.compact(),
    () => server.sendRaw('<html>\n'),
    () => {
      server.muteWatches();
      server.objects.compact();
    },
  ]) {
    disturb();
    await load.progress();
  }
  await load.finish(storedIn(server));
});

test('after a hundred failures of every kind nothing is left behind: connections, watches, log lines', async t => {
  const server = await startKubernetes(t);
  const { store, log } = openKubernetes(t, server, quick);
  await store.put('web', numbered(1));
  const seen = observe(t, store.observe('web'));
  await known(seen);
  const begunWith = server.connections;
  for (let i = 0; i < 100; i++) {
    const isOk = () => seen.last?.state === 'ok' && seen.last.unconfirmed === undefined;
    await until(() => isOk() && server.watches === 1, 'the watch', { everyMs: 2 });
    if (i % 2 === 0) server.cutWatches();
    else server.sendRaw('x\n');
    await until(() => !isOk(), 'the failure to be told', { everyMs: 1 });
  }
  await until(() => server.watches === 1, 'the watch');
  assert.ok(server.connections <= begunWith + 1, `${server.connections} connections, ${begunWith} at first`);
  seen.stop();
  await until(() => server.watches === 0, 'the watch to end');
  assert.ok(log.lines.length <= 202, `${log.lines.length} lines for 100 failures and recoveries`);
  await store.close();
  await until(() => server.connections === 0, 'all connections to be closed');
});

test('an API server that is away is not asked in a loop', async t => {
  const server = await startKubernetes(t);
  const { store } = openKubernetes(t, server);
  let answers = 0;
  server.instead = (_verb, response) => {
    answers++;
    response.writeHead(503).end('starting');
  };
  observe(t, store.list());
  await delay(1000);
  // Waits of up to 20, 40, 80, 160 and then 200 ms: some 15 in a second.
  assert.ok(answers > 2 && answers < 40, `${answers} requests in a second`);
});
