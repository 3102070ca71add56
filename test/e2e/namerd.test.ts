/** The proxy follows a namerd: names, weights and addresses change under live traffic, and only new connections notice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { namedBackend, openSession, whoAnswers } from '../support/named-backend.ts';
import { boundJson, leafJson, unionJson } from '../support/namerd.ts';
import { launchNamerd } from '../support/namerd-process.ts';
import { available, namerdRouting, routeOf, setTree, setWeb, untilRoute } from '../support/namerd-routing.ts';
import { inParallel } from '../support/parallel.ts';
import { until } from '../support/waiting.ts';

for (const [style, interpreterOf] of [
  ["linkerd-tcp's keys", (port: number) => `baseUrl: "http://127.0.0.1:${port}", namespace: prod, periodSecs: 20`],
  [
    "Linkerd's keys",
    (port: number) => `dst: /$/inet/127.0.0.1/${port}, namespace: prod, retry: {baseSeconds: 1, maxSeconds: 2}`,
  ],
] as const) {
  test(`a namerd configured with ${style} is asked for the name, with the dtab of the router, in its namespace`, async t => {
    const [namerd, a] = await Promise.all([launchNamerd(t), namedBackend(t, 'a')]);
    await namerd.call('setAddr', '/#/io.l5d.fs/a', boundJson([a.address]));
    await namerd.call('setBind', 'prod', '/svc/web', leafJson('/#/io.l5d.fs/a'));
    const proxy = await startLinkerdTcp(
      t,
      namerdRouting(namerd.url, { interpreter: interpreterOf(namerd.port), router: 'dtab: /host => /svc' }),
    );
    const session = await openSession(t, proxy.port);
    assert.equal(session.backend, 'a');
    await session.exchange();
    await session.finish();
    assert.deepEqual(await namerd.call('requests'), [
      'GET /api/1/bind/prod?path=%2Fsvc%2Fweb&dtab=%2Fhost%3D%3E%2Fsvc&watch=1',
      'GET /api/1/addr/prod?path=%2F%23%2Fio.l5d.fs%2Fa&watch=1',
    ]);
    const { tree, endpoints } = await routeOf(proxy);
    assert.deepEqual(
      endpoints.map(({ address, branch }) => ({ address, branch })),
      [{ address: a.address, branch: '/#/io.l5d.fs/a' }],
    );
    assert.partialDeepStrictEqual(tree, { type: 'leaf', bound: { id: '/#/io.l5d.fs/a', path: '/' } });
    assert.equal(await proxy.metric('l5d:resolver:success_count', { rt: 'test', namespace: 'prod' }), 2);
    assert.equal(await proxy.metric('l5d:resolver:failure_count', { rt: 'test', namespace: 'prod' }), 0);
    assert.equal(await proxy.metric('l5d:resolver:request_latency_ms_count', { namespace: 'prod' }), 2);
  });
}

test('a weighted union is drawn for each connection, and new weights hold for the next ones', async t => {
  const [namerd, a, b] = await Promise.all([launchNamerd(t), namedBackend(t, 'a'), namedBackend(t, 'b')]);
  await namerd.call('setAddr', '/#/fs/a', boundJson([a.address]));
  await namerd.call('setAddr', '/#/fs/b', boundJson([b.address]));
  const split = (ofA: number, ofB: number) =>
    setTree(namerd, unionJson([ofA, leafJson('/#/fs/a')], [ofB, leafJson('/#/fs/b')]));
  await split(0.75, 0.25);
  const proxy = await startLinkerdTcp(t, namerdRouting(namerd.url));
  await untilRoute(proxy, ({ endpoints }) => endpoints.length === 2, 'both branches');

  const share = async (): Promise<number> => {
    let toA = 0;
    await inParallel(400, 20, async () => {
      if ((await whoAnswers(proxy.port)) === 'a') toA++;
    });
    return toA;
  };
  // Six standard deviations; that this goes wrong by chance is not to be expected in a lifetime.
  const first = await share();
  assert.ok(Math.abs(first - 300) <= 52, `${first} of 400 went to a, of which 300 were due`);
  await split(0, 1);
  await untilRoute(proxy, ({ tree }) => JSON.stringify(tree).includes('"weight":0,'), 'the new weights');
  assert.equal(await share(), 0);
});

test('endpoints come and go through the address watch, and no session is touched', async t => {
  const [namerd, a, b] = await Promise.all([launchNamerd(t), namedBackend(t, 'a'), namedBackend(t, 'b')]);
  await setWeb(namerd, '/#/fs/web', [a.address]);
  const proxy = await startLinkerdTcp(t, namerdRouting(namerd.url));
  const onA = await openSession(t, proxy.port);
  await onA.exchange();

  await namerd.call('setAddr', '/#/fs/web', boundJson([a.address, b.address]));
  await until(async () => (await whoAnswers(proxy.port)) === 'b', 'the added endpoint to be used');
  const onB = await until(async () => {
    const session = await openSession(t, proxy.port);
    if (session.backend === 'b') return session;
    await session.finish();
    return undefined;
  }, 'a session on the added endpoint');
  await onA.exchange();

  await namerd.call('setAddr', '/#/fs/web', boundJson([b.address]));
  await untilRoute(proxy, route => available(route) === b.address, 'a to be out of rotation');
  await inParallel(50, 5, async () => assert.equal(await whoAnswers(proxy.port), 'b'));
  await Promise.all([onA.exchange('1M'), onB.exchange('1M')]);
  const { endpoints } = await routeOf(proxy);
  assert.equal(endpoints.find(({ address }) => address === a.address)?.state, 'retired');

  await onA.finish();
  await untilRoute(proxy, route => route.endpoints.every(({ address }) => address === b.address), 'a to be forgotten');
  await onB.finish();
  assert.equal((await namerd.call('requests')).length, 2, 'one watch for the tree, one for the addresses');
});

test('a change of the tree moves new connections within a second, while established sessions stay', async t => {
  const [namerd, a, b] = await Promise.all([launchNamerd(t), namedBackend(t, 'a'), namedBackend(t, 'b')]);
  await setWeb(namerd, '/#/fs/a', [a.address]);
  const proxy = await startLinkerdTcp(t, namerdRouting(namerd.url));
  const before = await openSession(t, proxy.port);
  assert.equal(before.backend, 'a');
  await setWeb(namerd, '/#/fs/b', [b.address]);
  await until(async () => (await whoAnswers(proxy.port)) === 'b', 'b to be reached', { timeoutMs: 1000 });
  await inParallel(50, 5, async () => assert.equal(await whoAnswers(proxy.port), 'b'));
  await before.exchange('1M');
  await before.finish();
});

test('heartbeats are silence to everything but the watch', async t => {
  const [namerd, a, b] = await Promise.all([launchNamerd(t), namedBackend(t, 'a'), namedBackend(t, 'b')]);
  await setWeb(namerd, '/#/fs/a', [a.address]);
  const proxy = await startLinkerdTcp(t, namerdRouting(namerd.url));
  assert.equal(await whoAnswers(proxy.port), 'a');
  await namerd.call('heartbeat');
  await namerd.call('write', '  \r\n\n');
  await setWeb(namerd, '/#/fs/b', [b.address]);
  await until(async () => (await whoAnswers(proxy.port)) === 'b', 'b to be reached');
  assert.equal(await proxy.metric('l5d:resolver:failure_count'), 0);
  // Two addresses and two trees: a heartbeat is no document.
  assert.equal(await proxy.metric('l5d:resolver:success_count'), 4);
});

test("one namerd serves a proxy's many names, each by its own route", async t => {
  const [namerd, a, b] = await Promise.all([launchNamerd(t), namedBackend(t, 'a'), namedBackend(t, 'b')]);
  for (const { name, address } of [a, b]) {
    await namerd.call('setAddr', `/#/fs/${name}`, boundJson([address]));
    await namerd.call('setBind', 'default', `/svc/${name}`, leafJson(`/#/fs/${name}`));
  }
  const proxy = await startLinkerdTcp(t, namerdRouting(namerd.url, { servers: { '/svc/a': '', '/svc/b': '' } }));
  for (const [path, port] of proxy.ports) assert.equal(`/svc/${await whoAnswers(port)}`, path);
});
