/** Several namerds, and names of one with several addresses: when another one is used. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { NamerdCluster } from '../../../src/clients/namerd/cluster.ts';
import { Heartbeats } from '../../../src/clients/namerd/heartbeats.ts';
import { NamerdHttpClient } from '../../../src/clients/namerd/http-client.ts';
import { systemClock } from '../../../src/live/clock.ts';
import { leafJson, type NamerdServer, startNamerd } from '../../support/namerd.ts';
import { type Cleanup, interpreterOf, Logged, shown, treeOf } from './setup.ts';

function clusterOf(t: Cleanup, urls: readonly string[], requestTimeoutMs = 5000) {
  const log = new Logged();
  let moves = 0;
  const members = urls.map(
    url => new NamerdHttpClient({ baseUrl: new URL(url), requestTimeoutMs, maxBodyBytes: 100_000, clock: systemClock }),
  );
  const cluster = new NamerdCluster({ members, log, moved: () => moves++ });
  t.after(() => cluster.close());
  return { cluster, log, moves: () => moves };
}

async function namerds(t: Cleanup & Parameters<typeof startNamerd>[0]): Promise<readonly NamerdServer[]> {
  const all = [await startNamerd(t), await startNamerd(t)];
  for (const [i, namerd] of all.entries()) namerd.setBind('default', '/svc/a', leafJson(`/#/fs/a${i}`));
  return all;
}

test('the first namerd is used until it fails, then the next one, without a pause; the log says so once', async t => {
  const [first, second] = await namerds(t);
  const { cluster, log, moves } = clusterOf(t, [first.url, second.url]);
  // Backoff as configured by default: only that the next server is tried at once makes this quick.
  const { bind } = interpreterOf(t, first.url, {
    client: cluster,
    backoff: { baseMs: 5000, maxMs: 600_000 },
  } as object);
  const tree = bind('/svc/a');
  assert.equal(shown({ state: 'ok', value: await treeOf(tree) }), '/#/fs/a0');
  await first.stop();
  await tree.first(state => shown(state) === '/#/fs/a1');
  assert.equal(moves(), 1);
  assert.equal(log.lines.length, 1);
  assert.match(log.lines[0], /^warn namerd at http:\S+ is used now; http:\S+ failed: /);
});

test('the namerd in use stays in use when an earlier one is back', async t => {
  const [first, second] = await namerds(t);
  const { cluster } = clusterOf(t, [first.url, second.url]);
  await first.stop();
  await assert.rejects(cluster.get('/api/1/bind/default?path=/svc/a'));
  await cluster.get('/api/1/bind/default?path=/svc/a');
  await first.start();
  assert.equal(cluster.url(''), second.url);
  await cluster.get('/api/1/bind/default?path=/svc/a');
  assert.equal(cluster.url(''), second.url);
});

test('a namerd that answers 503 is passed over, one that refuses the request is not', async t => {
  const [first, second] = await namerds(t);
  const { cluster } = clusterOf(t, [first.url, second.url]);
  first.setStatus('bind', 403);
  await assert.rejects(cluster.get('/api/1/bind/default?path=/svc/a'), { code: 'NAMERD_DENIED' });
  assert.equal(cluster.url(''), first.url);
  first.setStatus('bind', 503);
  await assert.rejects(cluster.get('/api/1/bind/default?path=/svc/a'), { code: 'NAMERD_STATUS' });
  assert.equal(cluster.url(''), second.url);
});

test('a namerd whose streams fall silent is passed over', async t => {
  const [first, second] = await namerds(t);
  const { cluster } = clusterOf(t, [first.url, second.url]);
  const heartbeats = new Heartbeats({ silenceMs: 150, minGapMs: 0 });
  const { bind } = interpreterOf(t, first.url, { client: cluster, heartbeats } as object);
  const tree = bind('/svc/a');
  await treeOf(tree);
  first.heartbeat();
  await tree.first(state => shown(state) === '/#/fs/a1');
  assert.equal(cluster.url(''), second.url);
});

test('when all are down each is asked in turn, and names say why they are not known', async t => {
  const [first, second] = await namerds(t);
  await Promise.all([first.stop(), second.stop()]);
  const { cluster } = clusterOf(t, [first.url, second.url]);
  const { bind } = interpreterOf(t, first.url, { client: cluster } as object);
  const tree = bind('/svc/a');
  assert.match(shown(await tree.first(({ state }) => state === 'failed')), /^failed: cannot reach/);
  await second.start();
  await tree.first(state => shown(state) === '/#/fs/a1');
});

test('a host name whose first address hangs leads to its next address after one timeout', async t => {
  const good = await startNamerd(t);
  good.setBind('default', '/svc/a', leafJson('/#/fs/a'));
  const { port } = new URL(good.url);
  const hanging = createServer(socket => socket.on('error', () => {})).listen(Number(port), '127.0.0.2');
  await once(hanging, 'listening');
  assert.equal((hanging.address() as AddressInfo).port, Number(port));
  t.after(() => hanging.close());
  const client = new NamerdHttpClient({
    baseUrl: new URL(`http://namerd.test:${port}`),
    requestTimeoutMs: 200,
    maxBodyBytes: 100_000,
    clock: systemClock,
    lookup: (_host, _options, done) =>
      done(null, [
        { address: '127.0.0.2', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ]),
  });
  const cluster = new NamerdCluster({ members: [client], log: new Logged() });
  t.after(() => cluster.close());
  await assert.rejects(cluster.get('/api/1/bind/default?path=/svc/a'), /no complete answer within 200 ms/);
  assert.equal(cluster.choices, 2);
  await cluster.get('/api/1/bind/default?path=/svc/a');
});
