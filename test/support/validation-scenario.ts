/**
 * The acceptance scenario of Linkerd's validator program, with this proxy: a namerd's life from an empty namespace through
 * updates and its death to its return with an empty memory, while sessions continue.
 */
import assert from 'node:assert/strict';
import { startLinkerdTcp } from './linkerd-tcp.ts';
import { type NamedBackend, namedBackend, openSession, whoAnswers } from './named-backend.ts';
import { namerdRouting, untilRoute } from './namerd-routing.ts';
import type { Scope } from './scope.ts';
import { until } from './waiting.ts';

export interface MortalNamerd {
  readonly url: string;
  readonly port: number;
  die(): Promise<void>;
  /** On the same port. */
  rise(): Promise<void>;
  /** Called after a write that makes `/svc/skrrt` this id: what else it takes for that to be so. */
  meaning?(id: string, backend: NamedBackend): Promise<void>;
}

const asDtab = { 'content-type': 'application/dtab' };

export async function playValidation(t: Scope, namerd: MortalNamerd): Promise<void> {
  const dtab = `${namerd.url}/api/1/dtabs/validation`;
  const create = async () => (await fetch(dtab, { method: 'POST', headers: asDtab, body: '' })).status;
  const [a, b, c] = await Promise.all([namedBackend(t, 'a'), namedBackend(t, 'b'), namedBackend(t, 'c')]);
  const proxy = await startLinkerdTcp(
    t,
    namerdRouting(namerd.url, {
      interpreter: `dst: /$/inet/127.1/${namerd.port}, namespace: validation, retry: {baseSeconds: 0.2, maxSeconds: 1}`,
      servers: { '/svc/skrrt': '' },
    }),
  );
  assert.equal((await fetch(dtab)).status, 404);
  assert.equal(await create(), 204);
  assert.equal(await create(), 409);
  await assert.rejects(whoAnswers(proxy.port), 'nothing is routed yet');

  await routeTo(namerd, dtab, a);
  await untilRoute(proxy, ({ state }) => state === 'bound', 'the first route');
  const sessions = [];
  for (const backend of [a, b, c, a, b]) {
    await routeTo(namerd, dtab, backend);
    // From the first route on a connection that fails is an error, and here a failure of the test.
    await until(async () => (await whoAnswers(proxy.port)) === backend.name, 'the update', { timeoutMs: 3000 });
    sessions.push(await openSession(t, proxy.port));
    for (const session of sessions) await session.exchange();
  }

  await namerd.die();
  await until(async () => (await proxy.metric('l5d:resolver:failure_count')) > 0, 'the proxy to notice');
  for (let i = 0; i < 20; i++) assert.equal(await whoAnswers(proxy.port), 'b');

  await namerd.rise();
  await untilRoute(proxy, ({ stale }) => /does not resolve/.test(stale?.reason ?? ''), 'the empty memory to be seen');
  assert.equal(await whoAnswers(proxy.port), 'b');
  assert.equal(await create(), 204);
  await routeTo(namerd, dtab, c);
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
}

/** Reads the version, writes with it, and finds that the old one is no longer good: as an operator's script does. */
async function routeTo(namerd: MortalNamerd, dtab: string, backend: NamedBackend): Promise<void> {
  const current = await fetch(dtab, { headers: { accept: 'application/dtab' } });
  assert.equal(current.status, 200);
  const id = `/$/inet/127.1/${backend.port}`;
  const body = `/svc=>/host;/host/skrrt=>${id}`;
  const headers = { ...asDtab, 'if-match': current.headers.get('etag')! };
  assert.equal((await fetch(dtab, { method: 'PUT', headers, body })).status, 204);
  assert.equal((await fetch(dtab, { method: 'PUT', headers, body: '/a=>/b' })).status, 412, 'the version has moved on');
  await namerd.meaning?.(id, backend);
}
