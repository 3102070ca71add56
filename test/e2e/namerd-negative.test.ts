/** Names that do not resolve: the client's experience, and the operator's log. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LinkerdTcp, startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { namedBackend, openSession, whoAnswers } from '../support/named-backend.ts';
import { boundJson, type Json, leafJson } from '../support/namerd.ts';
import { launchNamerd, type NamerdProcess } from '../support/namerd-process.ts';
import { available, namerdRouting, setTree, setWeb, untilRoute } from '../support/namerd-routing.ts';
import { connectPeer } from '../support/peer.ts';
import type { Scope } from '../support/scope.ts';
import { until } from '../support/waiting.ts';

/** Connects, is ended without a byte. @returns the line of the access log, from the phases on, and how long it took. */
async function refusal(t: Scope, proxy: LinkerdTcp): Promise<{ readonly line: string; readonly totalMs: number }> {
  const from = proxy.program.output.length;
  const client = await connectPeer(t, proxy.port);
  const { port } = client.socket.address() as { port: number };
  await client.over();
  assert.equal(client.received, 0);
  client.socket.destroy();
  const [line] = await proxy.program.printed(new RegExp(`127\\.0\\.0\\.1:${port} \\S+/\\S+ .*\n`), { from });
  return { line: line.trim(), totalMs: Number(/ -?\d+\/-?\d+\/(\d+) /.exec(line)?.[1]) };
}

for (const [what, fail] of [
  ['cannot be reached', namerd => namerd.kill()],
  ['never answers', namerd => namerd.call('setHanging', true)],
  ['answers 503', namerd => namerd.call('setStatus', 'bind', 503)],
] as readonly (readonly [string, (namerd: NamerdProcess) => Promise<void>])[]) {
  test(`namerd ${what}: connections to a name never known wait for connectTimeoutMs and no longer`, async t => {
    const namerd = await launchNamerd(t);
    await fail(namerd);
    const proxy = await startLinkerdTcp(
      t,
      namerdRouting(namerd.url, { servers: { '/svc/web': 'connectTimeoutMs: 300' } }),
    );
    const { line, totalMs } = await refusal(t, proxy);
    assert.match(line, / - -1\/-1\/\d+ 0\/0 0 NT "/);
    assert.ok(totalMs >= 299, line);
    assert.equal(await proxy.metric('l5d:srv:stream:end', { cause: 'NT' }), 1);
  });
}

test('a connection that waits for a lost namerd is served when that answers', async t => {
  const [namerd, a] = await Promise.all([launchNamerd(t), namedBackend(t, 'a')]);
  await namerd.call('setHanging', true);
  const interpreter = `baseUrl: "${namerd.url}", namespace: default, periodSecs: 0.2, requestTimeoutMs: 200`;
  const proxy = await startLinkerdTcp(t, namerdRouting(namerd.url, { interpreter }));
  const opening = openSession(t, proxy.port);
  await until(async () => (await proxy.metric('l5d:srv:waiters')) === 1, 'the connection to wait');
  await setWeb(namerd, '/#/fs/a', [a.address]);
  await namerd.call('setHanging', false);
  const session = await opening;
  assert.equal(session.backend, 'a');
  await session.exchange('1M');
  await session.finish();
});

for (const [what, tree, reason] of [
  ['nothing', { type: 'neg' }, /\/svc\/web does not resolve: nothing at \/svc\/web/],
  ['explicitly nothing', { type: 'fail' }, /\/svc\/web does not resolve: /],
  ['an empty set', { type: 'empty' }, /\/svc\/web does not resolve: /],
  ['a service without an address', leafJson('/#/fs/gone'), /\/svc\/web has no address: there is none in \/#\/fs\/gone/],
] as readonly (readonly [string, Json, RegExp])[]) {
  test(`a name that means ${what} from the start is refused at once, with the reason in the access log`, async t => {
    const namerd = await launchNamerd(t);
    await setTree(namerd, tree);
    const proxy = await startLinkerdTcp(t, namerdRouting(namerd.url));
    await untilRoute(proxy, ({ state, reason: why }) => state === 'negative' && reason.test(why ?? ''), 'its reason');
    const { line, totalMs } = await refusal(t, proxy);
    assert.match(line, / 0\/0 0 NN "/);
    assert.match(line, reason);
    assert.ok(totalMs < 1000, line);
  });
}

test('a name that is refused is served as soon as it means something', async t => {
  const [namerd, a] = await Promise.all([launchNamerd(t), namedBackend(t, 'a')]);
  const proxy = await startLinkerdTcp(t, namerdRouting(namerd.url));
  assert.match((await refusal(t, proxy)).line, / NN "/);
  await setWeb(namerd, '/#/fs/a', [a.address]);
  await untilRoute(proxy, route => available(route) === a.address, 'the name to be known');
  assert.equal(await whoAnswers(proxy.port), 'a');
});

for (const [what, router, vanish] of [
  ['with onNegative: fail, a name that is forgotten', 'onNegative: fail', namerd => setTree(namerd, { type: 'neg' })],
  [
    'with onNegative: fail, a name that loses its last address',
    'onNegative: fail',
    namerd => namerd.call('setAddr', '/#/fs/a', boundJson([])),
  ],
  ['a name that a rule says to fail', '', namerd => setTree(namerd, { type: 'fail' })],
] as readonly (readonly [string, string, (namerd: NamerdProcess) => Promise<void>])[]) {
  test(`${what} is refused, though it had backends; its sessions go on`, async t => {
    const [namerd, a] = await Promise.all([launchNamerd(t), namedBackend(t, 'a')]);
    await setWeb(namerd, '/#/fs/a', [a.address]);
    const proxy = await startLinkerdTcp(t, namerdRouting(namerd.url, { router }));
    const session = await openSession(t, proxy.port);
    await vanish(namerd);
    await untilRoute(proxy, ({ state }) => state === 'negative', 'the name to be negative');
    assert.match((await refusal(t, proxy)).line, / NN "/);
    assert.equal(await proxy.metric('l5d:resolver:stale_seconds'), 0);
    await session.exchange('1M');
    await session.finish();

    await setWeb(namerd, '/#/fs/a', [a.address]);
    await setTree(namerd, leafJson('/#/fs/a'));
    await untilRoute(proxy, route => available(route) === a.address, 'the name to be known again');
    assert.equal(await whoAnswers(proxy.port), 'a');
  });
}
