/** Whole stories: a namerd's life from an empty namespace to a restart, and a server too old to stream. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { type NamedBackend, namedBackend, openSession, whoAnswers } from '../support/named-backend.ts';
import { boundJson, leafJson } from '../support/namerd.ts';
import { launchNamerd, type NamerdProcess } from '../support/namerd-process.ts';
import { namerdRouting, untilRoute } from '../support/namerd-routing.ts';
import { until } from '../support/waiting.ts';

const dtabs = (namerd: NamerdProcess, init?: RequestInit): Promise<Response> =>
  fetch(`${namerd.url}/api/1/dtabs/validation`, init);

const asDtab = { 'content-type': 'application/dtab' };

/** Updates the stored dtab as an operator does, with the version it read; what the rules mean is set beside it. */
async function routeTo(namerd: NamerdProcess, { port, address }: NamedBackend): Promise<void> {
  const current = await dtabs(namerd, { headers: { accept: 'application/dtab' } });
  assert.equal(current.status, 200);
  const id = `/$/inet/127.1/${port}`;
  const body = `/svc=>/host;/host/skrrt=>${id}`;
  const headers = { ...asDtab, 'if-match': current.headers.get('etag') ?? '' };
  assert.equal((await dtabs(namerd, { method: 'PUT', headers, body })).status, 204);
  assert.equal((await dtabs(namerd, { method: 'PUT', headers, body: '' })).status, 412, 'the version has moved on');
  await namerd.call('setAddr', id, boundJson([address]));
  await namerd.call('setBind', 'validation', '/svc/skrrt', leafJson(id));
}

test('from an empty namespace through updates, a death and a rebirth, new connections are always right and sessions whole', async t => {
  const namerd = await launchNamerd(t);
  const backends = await Promise.all(['a', 'b', 'c'].map(name => namedBackend(t, name)));
  const [a, b, c] = backends as [NamedBackend, NamedBackend, NamedBackend];
  const proxy = await startLinkerdTcp(
    t,
    namerdRouting(namerd.url, {
      interpreter: `dst: /$/inet/127.1/${namerd.port}, namespace: validation, retry: {baseSeconds: 0.2, maxSeconds: 1}`,
      servers: { '/svc/skrrt': '' },
    }),
  );
  assert.equal((await dtabs(namerd)).status, 404);
  assert.equal((await dtabs(namerd, { method: 'POST', headers: asDtab, body: '' })).status, 204);
  assert.equal((await dtabs(namerd, { method: 'POST', headers: asDtab, body: '' })).status, 409);
  await assert.rejects(whoAnswers(proxy.port), 'nothing is routed yet');

  const sessions = [];
  await routeTo(namerd, a);
  await untilRoute(proxy, ({ state }) => state === 'bound', 'the first route');
  for (const backend of [a, b, c, a, b]) {
    await routeTo(namerd, backend);
    // From the first route on a connection that fails is an error, and here a failure of the test.
    await until(async () => (await whoAnswers(proxy.port)) === backend.name, 'the update', { timeoutMs: 3000 });
    sessions.push(await openSession(t, proxy.port));
    for (const session of sessions) await session.exchange();
  }

  await namerd.kill('SIGTERM');
  await until(async () => (await proxy.metric('l5d:resolver:failure_count')) > 0, 'the proxy to notice');
  for (let i = 0; i < 20; i++) assert.equal(await whoAnswers(proxy.port), 'b');

  await namerd.start();
  await untilRoute(proxy, ({ stale }) => /names nothing/.test(stale?.reason ?? ''), 'the empty memory to be seen');
  assert.equal(await whoAnswers(proxy.port), 'b');
  assert.equal((await dtabs(namerd, { method: 'POST', headers: asDtab, body: '' })).status, 204);
  await routeTo(namerd, c);
  await until(async () => (await whoAnswers(proxy.port)) === 'c', 'the reborn namerd to be followed', {
    timeoutMs: 10_000,
  });
  for (const session of sessions) {
    await session.exchange('1M');
    await session.finish();
  }
  assert.deepEqual(
    sessions.map(({ backend }) => backend),
    ['a', 'b', 'c', 'a', 'b'],
  );
});

test('a server without bind is polled every periodSecs, through failures and negative answers', async t => {
  const [namerd, a, b] = await Promise.all([launchNamerd(t), namedBackend(t, 'a'), namedBackend(t, 'b')]);
  await namerd.call('setStatus', 'bind', 404);
  await namerd.call('setResolve', 'default', '/svc/web', boundJson([a.address]));
  const proxy = await startLinkerdTcp(
    t,
    namerdRouting(namerd.url, { interpreter: `baseUrl: "${namerd.url}", namespace: default, periodSecs: 0.1` }),
  );
  const session = await openSession(t, proxy.port);
  assert.equal(session.backend, 'a');
  await proxy.program.printed(/no streaming bind.*polling resolve every 0\.1 s/);

  const polls = async () => (await namerd.call('requests')).filter(line => line.includes('/resolve/')).length;
  const before = await polls();
  const startedAt = performance.now();
  await until(async () => (await polls()) >= before + 6, 'six polls');
  const tookMs = performance.now() - startedAt;
  const polled = (await polls()) - before;
  assert.ok(polled <= tookMs / 100 + 2, `${polled} polls in ${tookMs} ms`);

  await namerd.call('setResolve', 'default', '/svc/web', boundJson([b.address]));
  await until(async () => (await whoAnswers(proxy.port)) === 'b', 'the next answer to be followed');
  await namerd.call('setStatus', 'resolve', 503);
  await untilRoute(proxy, ({ stale }) => /503/.test(stale?.reason ?? ''), 'the failure to be shown');
  assert.equal(await whoAnswers(proxy.port), 'b');
  await namerd.call('setStatus', 'resolve', 200);
  await namerd.call('setResolve', 'default', '/svc/web', { type: 'neg' });
  await untilRoute(proxy, ({ stale }) => /no address/.test(stale?.reason ?? ''), 'the negative answer to be shown');
  assert.equal(await whoAnswers(proxy.port), 'b');
  await namerd.kill();
  await until(async () => {
    const failures = await proxy.metric('l5d:resolver:failure_count');
    return failures >= 3;
  }, 'the outage to be noticed');
  assert.equal(await whoAnswers(proxy.port), 'b');

  await namerd.start();
  await namerd.call('setAddr', '/#/fs/a', boundJson([a.address]));
  await namerd.call('setBind', 'default', '/svc/web', leafJson('/#/fs/a'));
  await until(async () => (await whoAnswers(proxy.port)) === 'a', 'the server, which streams now, to be followed');
  await namerd.call('untilWatches', 2);
  await session.exchange('1M');
  await session.finish();
});
