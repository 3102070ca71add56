/** Replacements for failures: alternatives, other endpoints, idle connections; and each balancer under its name. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { fsRouting, startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { inParallel } from '../support/parallel.ts';
import { connectPeer, listeningPeer } from '../support/peer.ts';
import { refusingPort } from '../support/ports.ts';
import { askRedis, redisBehind, startRedis } from '../support/redis.ts';
import { until } from '../support/waiting.ts';

test('an alternative takes over while the first name does not exist, and the first is used once it exists', async t => {
  const [a, b] = await Promise.all([startRedis(t), startRedis(t)]);
  const proxy = await startLinkerdTcp(
    t,
    fsRouting({
      dtab: '/svc/redis => /#/io.l5d.fs/a | /#/io.l5d.fs/b;',
      disco: { a: [a.port], b: [b.port] },
    }),
  );
  assert.equal(await redisBehind(proxy.port), a.port);
  proxy.folder.remove('disco/a');
  await until(async () => (await redisBehind(proxy.port)) === b.port, 'new connections to reach b');
  proxy.folder.write('disco/a', `127.0.0.1 ${a.port}\n`);
  await until(async () => (await redisBehind(proxy.port)) === a.port, 'new connections to return to a');
});

// A name that went was without addresses for a moment, until its alternative was known: connections of that moment were refused.
test('no client notices the changes between a name and its alternative', async t => {
  const [a, b] = await Promise.all([startRedis(t), startRedis(t)]);
  const proxy = await startLinkerdTcp(
    t,
    fsRouting({
      dtab: '/svc/redis => /#/io.l5d.fs/a | /#/io.l5d.fs/b;',
      disco: { a: [a.port], b: [b.port] },
    }),
  );
  let isOver = false;
  const client = async (): Promise<void> => {
    while (!isOver) assert.match(await askRedis(proxy.port, 'PING'), /^\+PONG/);
  };
  const operator = async (): Promise<void> => {
    try {
      for (let i = 0; i < 5; i++) {
        proxy.folder.remove('disco/a');
        await until(async () => (await redisBehind(proxy.port)) === b.port, 'new connections to reach b');
        proxy.folder.write('disco/a', `127.0.0.1 ${a.port}\n`);
        await until(async () => (await redisBehind(proxy.port)) === a.port, 'new connections to return to a');
      }
    } finally {
      isOver = true;
    }
  };
  await Promise.all([operator(), client(), client(), client(), client()]);
  await proxy.program.printed(/\/svc\/redis: resolved to \/#\/io\.l5d\.fs\/b \(1 endpoint\)/);
  assert.equal(await proxy.metric('l5d:srv:failures'), 0);
});

test('a file without addresses is a name that exists: its alternative does not take over', async t => {
  const b = await listeningPeer(t);
  const proxy = await startLinkerdTcp(
    t,
    fsRouting({ dtab: '/svc/redis => /#/io.l5d.fs/a | /#/io.l5d.fs/b;', disco: { a: [], b: [b.port] } }),
  );
  await assert.rejects(askRedis(proxy.port, 'PING'));
  assert.equal(b.accepted, 0);
  assert.equal(await proxy.metric('l5d:srv:stream:end', { cause: 'NN' }), 1);
});

test('a dead endpoint beside a live one costs no client an error in 500 connections', async t => {
  const [redis, dead] = [await startRedis(t), await refusingPort(t)];
  const proxy = await startLinkerdTcp(
    t,
    fsRouting({ dtab: '/svc/redis => /#/io.l5d.fs/a;', disco: { a: [redis.port, dead] } }),
  );
  await inParallel(500, 20, async () => assert.match(await askRedis(proxy.port, 'PING'), /^\+PONG/));
  assert.ok((await proxy.metric('l5d:balancer:connection:failure', { cause: 'refused' })) >= 5);
  assert.equal(await proxy.metric('l5d:srv:failures'), 0);
  const failures = await proxy.metric('l5d:balancer:endpoint:failures', { endpoint: `127.0.0.1:${dead}` });
  assert.ok(failures < 250, `after 5 failures in a row it is left out, yet it was tried ${failures} times`);
});

test('a server that dies between two connections is not noticed by the second client', async t => {
  const [a, b] = await Promise.all([startRedis(t), startRedis(t)]);
  const proxy = await startLinkerdTcp(
    t,
    fsRouting({ dtab: '/svc/redis => /#/io.l5d.fs/a;', disco: { a: [a.port, b.port] } }),
  );
  await inParallel(20, 5, async () => void (await redisBehind(proxy.port)));
  await a.program.stop();
  const behind = new Set<number>();
  await inParallel(50, 10, async () => void behind.add(await redisBehind(proxy.port)));
  assert.deepEqual([...behind], [b.port]);
});

test('minConnections keeps idle connections open before the first client, and a client gets one of them', async t => {
  const backend = await listeningPeer(t);
  const proxy = await startLinkerdTcp(t, {
    ...fsRouting({
      dtab: '/svc/redis => /#/io.l5d.fs/a;',
      disco: { a: [backend.port] },
      client: 'minConnections: 3',
    }),
  });
  const open = async () => proxy.metric('l5d:balancer:connection:open', { dst: '/svc/redis' });
  await until(async () => (await open()) >= 3, 'three spare connections');
  assert.equal(await proxy.metric('l5d:srv:accepts'), 0);
  const spares = await Promise.all(Array.from({ length: backend.accepted }, () => backend.socket()));
  assert.ok(spares.length >= 3);
  const client = await connectPeer(t, proxy.port);
  client.queue(10);
  await Promise.race(spares.map(spare => once(spare.resume(), 'data')));
});

for (const kind of ['p2c', 'ewma', 'roundRobin'])
  test(`loadBalancer ${kind} spreads connections over all endpoints`, async t => {
    const redises = await Promise.all([startRedis(t), startRedis(t), startRedis(t)]);
    const proxy = await startLinkerdTcp(
      t,
      fsRouting({
        dtab: '/svc/redis => /#/io.l5d.fs/a;',
        disco: { a: redises.map(({ port }) => port) },
        client: `loadBalancer: {kind: ${kind}}`,
      }),
    );
    const before = await Promise.all(redises.map(redis => redis.info('total_connections_received')));
    await inParallel(300, 10, async () => assert.match(await askRedis(proxy.port, 'PING'), /^\+PONG/));
    const after = await Promise.all(redises.map(redis => redis.info('total_connections_received')));
    const shares = after.map((count, i) => count - (before[i] as number) - 1);
    assert.equal(
      shares.reduce((sum, share) => sum + share),
      300,
    );
    // Round robin turns in each of the workers; the latency that ewma goes by is the machine's.
    const [least, most] = { p2c: [60, 140], ewma: [10, 250], roundRobin: [90, 110] }[kind] as [number, number];
    assert.ok(
      shares.every(share => share >= least && share <= most),
      `${kind}: ${shares}`,
    );
    const { routers } = JSON.parse(await proxy.get('/config.json'));
    assert.equal(routers[0].client.loadBalancer.kind, kind);
  });
