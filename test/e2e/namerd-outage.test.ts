/** The worst a namerd can do: the last good endpoints and every established session survive it, and it is followed afterwards. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type LinkerdTcp, startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { type NamedBackend, namedBackend, openSession, type Session, whoAnswers } from '../support/named-backend.ts';
import { boundJson, type Json, leafJson } from '../support/namerd.ts';
import { launchNamerd, type NamerdProcess } from '../support/namerd-process.ts';
import { namerdRouting, routeOf, setTree, setWeb, untilRoute } from '../support/namerd-routing.ts';
import { inParallel } from '../support/parallel.ts';
import { until } from '../support/waiting.ts';

interface Scene {
  readonly namerd: NamerdProcess;
  readonly proxy: LinkerdTcp;
  readonly a: NamedBackend;
  readonly b: NamedBackend;
  /** Was established before anything happened. */
  readonly session: Session;
}

/** `/svc/web` leads to a, over a namerd that is tried again within 200 ms, and has a session. */
async function scene(t: TestContext, limits = ''): Promise<Scene> {
  const [namerd, a, b] = await Promise.all([launchNamerd(t), namedBackend(t, 'a'), namedBackend(t, 'b')]);
  await setWeb(namerd, '/#/fs/a', [a.address]);
  const interpreter = `baseUrl: "${namerd.url}", namespace: default, periodSecs: 0.2${limits}`;
  const proxy = await startLinkerdTcp(t, namerdRouting(namerd.url, { interpreter }));
  const session = await openSession(t, proxy.port);
  await namerd.call('untilWatches', 2);
  await session.exchange();
  return { namerd, proxy, a, b, session };
}

/** New connections go to a, and the session from before is as good as ever. */
async function serves({ proxy, session }: Scene): Promise<void> {
  await inParallel(20, 5, async () => assert.equal(await whoAnswers(proxy.port), 'a'));
  await session.exchange('100k');
}

/** New connections follow namerd's current answer. */
async function followsAgain({ namerd, proxy, b, session }: Scene): Promise<void> {
  await setWeb(namerd, '/#/fs/b', [b.address]);
  await until(async () => (await whoAnswers(proxy.port)) === 'b', 'new connections to follow to b');
  const { stale } = await untilRoute(proxy, route => route.stale === undefined, 'the route to be fresh');
  assert.equal(stale, undefined);
  assert.equal(await proxy.metric('l5d:resolver:stale_seconds'), 0);
  await session.exchange('1M');
  await session.finish();
  assert.equal(await proxy.metric('l5d:srv:stream:failure'), 0);
}

const isStale = async (proxy: LinkerdTcp, reason: RegExp): Promise<void> => {
  const route = await untilRoute(proxy, ({ stale }) => reason.test(stale?.reason ?? ''), `it to be stale: ${reason}`);
  assert.equal(route.state, 'bound');
  assert.ok((await proxy.metric('l5d:resolver:stale_seconds', { dst: '/svc/web' })) > 0);
};

for (const [where, limits] of [
  ['', ''],
  [', behind a transformer', ', transformers: [{kind: io.l5d.specificHost, host: 127.0.0.1}]'],
] as const) {
  test(`namerd is killed and comes back with an empty memory${where}: the last endpoints stay, then it is followed again`, async t => {
    const the = await scene(t, limits);
    await the.namerd.kill();
    await isStale(the.proxy, /cannot reach/);
    await serves(the);
    assert.ok((await the.proxy.metric('l5d:resolver:failure_count')) > 0);

    await the.namerd.start();
    await isStale(the.proxy, /\/svc\/web does not resolve/);
    await serves(the);
    await followsAgain(the);
  });
}

test('during an outage the log has a line for the loss and one for the return, whatever the number of retries', async t => {
  const { namerd, proxy } = await scene(t);
  await namerd.kill();
  await until(async () => (await proxy.metric('l5d:resolver:failure_count')) >= 10, 'ten failed requests');
  await namerd.start();
  await proxy.program.printed(/namerd at \S+ recovered/);
  const lost = proxy.program.output.split('\n').filter(line => line.includes('cannot reach'));
  assert.equal(lost.length, 1, lost.join('\n'));
});

for (const [what, misbehave] of [
  ['a line of text that ends the watches', namerd => namerd.call('failWatches', 'no leader for /dtabs')],
  ['a line of garbage', namerd => namerd.call('write', '\u0000{]"!\n')],
  [
    'half a document and the end',
    namerd => namerd.call('write', '{"type":"leaf"').then(() => namerd.call('endWatches')),
  ],
  ['a document of another shape', namerd => namerd.call('write', '{"type":"bound","addrs":[{"ip":"nowhere"}]}\n')],
  ['watches that are cut', namerd => namerd.call('cutWatches')],
] as readonly (readonly [string, (namerd: NamerdProcess) => Promise<unknown>])[]) {
  test(`${what}: nothing changes, and the watches come back`, async t => {
    const the = await scene(t);
    await misbehave(the.namerd);
    await until(async () => (await the.proxy.metric('l5d:resolver:failure_count')) > 0, 'the proxy to notice');
    await serves(the);
    await followsAgain(the);
  });
}

test('503 to everything: nothing changes, and what was set meanwhile is followed when it heals', async t => {
  const the = await scene(t);
  for (const endpoint of ['bind', 'addr', 'resolve', 'delegate'] as const)
    await the.namerd.call('setStatus', endpoint, 503);
  await the.namerd.call('cutWatches');
  await isStale(the.proxy, /503/);
  await serves(the);
  for (const endpoint of ['bind', 'addr', 'resolve', 'delegate'] as const)
    await the.namerd.call('setStatus', endpoint, 200);
  await followsAgain(the);
});

test('only the tree is lost: the addresses are still followed', async t => {
  const the = await scene(t);
  await the.namerd.call('setStatus', 'bind', 503);
  await the.namerd.call('cutWatches', 'bind');
  await isStale(the.proxy, /503/);
  await the.namerd.call('setAddr', '/#/fs/a', boundJson([the.b.address]));
  await until(async () => (await whoAnswers(the.proxy.port)) === 'b', 'the new address to be reached');
  assert.match((await routeOf(the.proxy)).stale?.reason ?? '', /503/);
  await the.session.exchange();
});

test('streams that stop without an end are reopened after watchIdleTimeoutMs', async t => {
  const the = await scene(t, ', watchIdleTimeoutMs: 1000');
  await the.namerd.call('muteWatches');
  await serves(the);
  await followsAgain(the);
});

test('a namerd that stands still in the middle of everything is waited out', async t => {
  const the = await scene(t, ', watchIdleTimeoutMs: 1000, requestTimeoutMs: 300');
  the.namerd.signal('SIGSTOP');
  t.after(() => the.namerd.signal('SIGCONT'));
  await isStale(the.proxy, /no complete answer within 300 ms/);
  await serves(the);
  the.namerd.signal('SIGCONT');
  await followsAgain(the);
});

for (const [what, vanish, reason] of [
  ['a tree that is neg', namerd => setTree(namerd, { type: 'neg' }), /does not resolve/],
  ['a tree that is empty', namerd => setTree(namerd, { type: 'empty' }), /a rule says \$ \(empty\)|does not resolve/],
  ['addresses that are neg', namerd => namerd.call('setAddr', '/#/fs/a', { type: 'neg' }), /none in \/#\/fs\/a/],
  ['an empty set of addresses', namerd => namerd.call('setAddr', '/#/fs/a', boundJson([])), /none in \/#\/fs\/a/],
  [
    'addresses that failed',
    namerd => namerd.call('setAddr', '/#/fs/a', { type: 'failed', cause: 'no quorum' } as Json),
    /no quorum/,
  ],
  ['another name without an address', namerd => setTree(namerd, leafJson('/#/fs/nobody')), /none in \/#\/fs\/nobody/],
] as readonly (readonly [string, (namerd: NamerdProcess) => Promise<unknown>, RegExp])[]) {
  test(`${what}: the last good endpoints are kept, and called stale`, async t => {
    const the = await scene(t);
    await vanish(the.namerd);
    await isStale(the.proxy, reason);
    await serves(the);
    await followsAgain(the);
  });
}
