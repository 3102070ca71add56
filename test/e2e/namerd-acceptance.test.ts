/**
 * The acceptance scenario of Namerd 1.x's own validator, with this namerd and this proxy, each in its own process: while a client
 * connects all the time, routes are updated by version, namerd is shut down, and comes back with an empty memory.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { reasonOf } from '../../src/errors.ts';
import { startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { type NamedBackend, namedBackend, whoAnswers } from '../support/named-backend.ts';
import { memoryConfig, startOwnNamerd } from '../support/namerd-own.ts';
import { namerdRouting, untilRoute } from '../support/namerd-routing.ts';
import type { Scope } from '../support/scope.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

const asDtab = { 'content-type': 'application/dtab' };

/** How long the validator lets an old backend answer after an update. */
const graceMs = 3000;

/** Connects again and again, and remembers who answered to a connection that was begun when. */
class Prober {
  readonly answers: { readonly at: number; readonly who: string }[] = [];
  #isOver = false;

  constructor(t: Scope, port: number) {
    t.after(() => this.stop());
    void this.#run(port);
  }

  stop(): void {
    this.#isOver = true;
  }

  /** Waits for `count` connections from now on. @returns the backends they reached */
  async next(count: number): Promise<readonly string[]> {
    const from = this.answers.length;
    await until(() => this.answers.length >= from + count, `${count} more connections`);
    return this.answers.slice(from).map(({ who }) => who);
  }

  async #run(port: number): Promise<void> {
    while (!this.#isOver) {
      const at = performance.now();
      const who = await whoAnswers(port).catch(error => `failed: ${reasonOf(error)}`);
      this.answers.push({ at, who });
      await delay(10);
    }
  }
}

test('a client that connects all the time is never refused once a route exists, and soon reaches only the newest backend', async t => {
  const folder = tempDir(t);
  folder.write('disco/other', '127.0.0.1 1\n');
  const namers = 'namers:\n- {kind: io.l5d.fs, rootDir: disco}\n';
  const namerd = await startOwnNamerd(t, { config: memoryConfig(0, namers), folder });
  const backends = await Promise.all(['a', 'b', 'c'].map(name => namedBackend(t, name)));
  const proxy = await startLinkerdTcp(
    t,
    namerdRouting(namerd.url, {
      interpreter: `dst: /$/inet/127.1/${namerd.apiPort}, namespace: validation, retry: {baseSeconds: 0.2, maxSeconds: 1}`,
      servers: { '/svc/skrrt': '' },
    }),
  );
  const dtab = `${namerd.url}/api/1/dtabs/validation`;
  const create = async () =>
    assert.equal((await fetch(dtab, { method: 'POST', headers: asDtab, body: '' })).status, 204);
  const updates: { readonly at: number; readonly name: string; readonly etag: string }[] = [];
  const update = async ({ name, port }: NamedBackend) => {
    const current = await fetch(dtab);
    assert.equal(current.status, 200);
    const etag = current.headers.get('etag')!;
    const headers = { ...asDtab, 'if-match': etag };
    const body = `/svc=>/host;/host/skrrt=>/$/inet/127.1/${port}`;
    assert.equal((await fetch(dtab, { method: 'PUT', headers, body })).status, 204);
    updates.push({ at: performance.now(), name, etag });
  };

  await create();
  await assert.rejects(whoAnswers(proxy.port), 'nothing is routed yet');
  await update(backends[0]);
  await untilRoute(proxy, ({ state }) => state === 'bound', 'the first route');

  const prober = new Prober(t, proxy.port);
  const follows = async (backend: NamedBackend, timeoutMs = graceMs) => {
    await until(() => prober.answers.at(-1)?.who === backend.name, `${backend.name} to answer`, { timeoutMs });
  };
  await follows(backends[0]);
  for (let i = 1; i <= 6; i++) {
    await update(backends[i % 3]);
    await follows(backends[i % 3]);
    await prober.next(20);
  }
  const last = backends[0];
  assert.equal(updates.at(-1)?.name, last.name);

  const shutdown = await fetch(`${namerd.adminUrl}/admin/shutdown`, { method: 'POST' });
  assert.equal(shutdown.status, 200);
  assert.deepEqual(await namerd.program.exited, { code: 0, signal: null });
  await until(async () => (await proxy.metric('l5d:resolver:failure_count')) > 0, 'the proxy to notice');
  await prober.next(50);

  await startOwnNamerd(t, { config: memoryConfig(namerd.apiPort, namers), folder });
  await untilRoute(proxy, ({ stale }) => /does not resolve/.test(stale?.reason ?? ''), 'the empty memory to be seen');
  await prober.next(50);
  await create();
  await prober.next(20);
  for (const backend of [backends[1], backends[2]]) {
    await update(backend);
    await follows(backend, 10_000);
    await prober.next(20);
  }
  prober.stop();

  const [first, ...later] = updates;
  assert.equal(later.at(-2)?.etag, first.etag, 'versions of the new process are those of the old one over again');
  for (const { at, who } of prober.answers) {
    const newest = updates.findLastIndex(each => each.at <= at);
    const allowed = updates
      .filter((each, i) => i === newest || (i > newest && each.at < at + graceMs))
      .map(each => each.name);
    const isRecent = at < updates[newest].at + graceMs;
    if (isRecent && newest > 0) allowed.push(updates[newest - 1].name);
    assert.ok(allowed.includes(who), `${who} answered where ${allowed} should`);
  }
});

test('a read after a write to namerd returns the written dtab', async t => {
  const folder = tempDir(t);
  for (let i = 1; i <= 9; i++) folder.write(`disco/${i}`, `127.0.0.1 ${i}\n`);
  const config =
    'admin: {port: 0}\nstorage: {kind: io.l5d.sqlite, path: dtabs.sqlite}\n' +
    'namers:\n- {kind: io.l5d.fs, rootDir: disco}\ninterfaces:\n- {kind: io.l5d.httpController, port: 0}\n';
  const namerd = await startOwnNamerd(t, { config, folder });
  const api = `${namerd.url}/api/1`;
  const ask = async (endpoint: string) => (await fetch(`${api}/${endpoint}/tea?path=/svc`)).text();
  for (let i = 0; i < 60; i++) {
    const port = (i % 9) + 1;
    const dst = i % 2 === 0 ? `/$/inet/127.1/${port}` : `/#/io.l5d.fs/${port}`;
    const written = await fetch(`${api}/dtabs/tea`, { method: 'PUT', headers: asDtab, body: `/svc => ${dst}` });
    assert.equal(written.status, 204);
    for (const text of await Promise.all(['bind', 'resolve', 'delegate'].map(ask)))
      assert.deepEqual(text.match(/"port":\d+/g), [`"port":${port}`], `write ${i}`);
  }
});
