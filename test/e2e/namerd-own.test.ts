/** Our namerd and our proxy, each a process of its own: from an empty namespace through updates, a death and a rebirth. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { type NamedBackend, namedBackend, openSession, whoAnswers } from '../support/named-backend.ts';
import { memoryConfig, startOwnNamerd } from '../support/namerd-own.ts';
import { namerdRouting, untilRoute } from '../support/namerd-routing.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

const asDtab = { 'content-type': 'application/dtab' };

/** Reads the version, writes with it, and finds that the old one is no longer good: as an operator's script does. */
async function routeTo(dtab: string, { port }: NamedBackend): Promise<void> {
  const current = await fetch(dtab, { headers: { accept: 'application/dtab' } });
  assert.equal(current.status, 200);
  const body = `/svc=>/host;/host/skrrt=>/$/inet/127.1/${port}`;
  const headers = { ...asDtab, 'if-match': current.headers.get('etag')! };
  assert.equal((await fetch(dtab, { method: 'PUT', headers, body })).status, 204);
  assert.equal((await fetch(dtab, { method: 'PUT', headers, body })).status, 412, 'the version has moved on');
}

test('new connections follow the stored dtab, through the end of namerd and its return with an empty memory', async t => {
  const namerd = await startOwnNamerd(t);
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map(name => namedBackend(t, name)));
  const proxy = await startLinkerdTcp(
    t,
    namerdRouting(namerd.url, {
      interpreter: `dst: /$/inet/127.1/${namerd.apiPort}, namespace: validation, retry: {baseSeconds: 0.2, maxSeconds: 1}`,
      servers: { '/svc/skrrt': '' },
    }),
  );
  const dtab = `${namerd.url}/api/1/dtabs/validation`;
  assert.equal((await fetch(dtab)).status, 404);
  assert.equal((await fetch(dtab, { method: 'POST', headers: asDtab, body: '' })).status, 204);
  assert.equal((await fetch(dtab, { method: 'POST', headers: asDtab, body: '' })).status, 409);
  await assert.rejects(whoAnswers(proxy.port), 'nothing is routed yet');

  await routeTo(dtab, a);
  await untilRoute(proxy, ({ state }) => state === 'bound', 'the first route');
  const sessions = [];
  for (const backend of [a, b, c, a, b]) {
    await routeTo(dtab, backend);
    // From the first route on a connection that fails is an error, and here a failure of the test.
    await until(async () => (await whoAnswers(proxy.port)) === backend.name, 'the update', { timeoutMs: 3000 });
    sessions.push(await openSession(t, proxy.port));
    for (const session of sessions) await session.exchange();
  }

  assert.equal((await fetch(`${namerd.adminUrl}/admin/shutdown`, { method: 'POST' })).status, 200);
  assert.deepEqual(await namerd.program.exited, { code: 0, signal: null });
  await until(async () => (await proxy.metric('l5d:resolver:failure_count')) > 0, 'the proxy to notice');
  for (let i = 0; i < 20; i++) assert.equal(await whoAnswers(proxy.port), 'b');

  const reborn = await startOwnNamerd(t, { config: memoryConfig(namerd.apiPort) });
  await untilRoute(proxy, ({ stale }) => /names nothing/.test(stale?.reason ?? ''), 'the empty memory to be seen');
  assert.equal(await whoAnswers(proxy.port), 'b');
  assert.equal((await fetch(dtab, { method: 'POST', headers: asDtab, body: '' })).status, 204);
  await routeTo(dtab, c);
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
  assert.equal(reborn.program.exit, undefined);
});

test('a service discovered by files moves connections while the dtab stays', async t => {
  const [a, b] = await Promise.all(['a', 'b'].map(name => namedBackend(t, name)));
  const config = memoryConfig(0, 'namers:\n- {kind: io.l5d.fs, rootDir: disco}\n').replace(
    'io.l5d.inMemory}',
    'io.l5d.inMemory, namespaces: {default: "/svc => /#/io.l5d.fs"}}',
  );
  const folder = tempDir(t);
  folder.write('disco/web', `127.0.0.1 ${a.port}\n`);
  const namerd = await startOwnNamerd(t, { config, folder });
  const proxy = await startLinkerdTcp(t, namerdRouting(namerd.url));
  await untilRoute(proxy, ({ state }) => state === 'bound', 'the first route');
  assert.equal(await whoAnswers(proxy.port), 'a');
  folder.write('disco/web', `127.0.0.1 ${b.port}\n`);
  await until(async () => (await whoAnswers(proxy.port)) === 'b', 'the file to be followed');
});
