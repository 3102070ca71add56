/** Two of our namerds on one etcd, and a proxy behind one of them: through writes, the death of etcd, its return, and its silence. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { namedBackend, whoAnswers } from '../support/named-backend.ts';
import { type OwnNamerd, startOwnNamerd } from '../support/namerd-own.ts';
import { namerdRouting } from '../support/namerd-routing.ts';
import type { Scope } from '../support/scope.ts';
import { until } from '../support/waiting.ts';

const asDtab = { 'content-type': 'application/dtab', accept: 'application/dtab' };
const path = '/api/1/dtabs/default';

function namerdOn(t: Scope, { port }: Etcd): Promise<OwnNamerd> {
  const storage = `{kind: io.l5d.etcd, host: 127.0.0.1, port: ${port}, requestTimeoutMs: 1500}`;
  const interfaces = 'interfaces:\n- {kind: io.l5d.httpController, port: 0}\n';
  return startOwnNamerd(t, { config: `admin: {port: 0}\nstorage: ${storage}\n${interfaces}` });
}

async function put({ url }: OwnNamerd, body: string, headers = {}): Promise<{ status: number; body: string }> {
  const response = await fetch(url + path, { method: 'PUT', headers: { ...asDtab, ...headers }, body });
  return { status: response.status, body: await response.text() };
}

async function got({ url }: OwnNamerd): Promise<{ status: number; etag: string | null; body: string }> {
  const response = await fetch(url + path, { headers: asDtab });
  return { status: response.status, etag: response.headers.get('etag'), body: (await response.text()).trim() };
}

/** What the watch has said so far, in lines. */
async function watch(t: Scope, { url }: OwnNamerd): Promise<readonly string[]> {
  const cut = new AbortController();
  t.after(() => cut.abort());
  const response = await fetch(`${url}${path}?watch=true`, { headers: asDtab, signal: cut.signal });
  assert.equal(response.status, 200);
  const lines: string[] = [];
  const read = async () => {
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream()))
      lines.push(...chunk.split('\n').filter(line => line !== ''));
  };
  read().catch(error => assert.ok(cut.signal.aborted, `${error}`));
  return lines;
}

const isFailing = async ({ adminUrl }: OwnNamerd) =>
  /^l5d:namerd:storage_failing 1$/m.test(await (await fetch(`${adminUrl}/metrics`)).text());
const isReady = async ({ adminUrl }: OwnNamerd) => (await fetch(`${adminUrl}/ready`)).status === 200;

test('two namerds on one etcd are one: writes, watches, routes; without it reads and routes go on', async t => {
  const etcd = await startEtcd(t);
  const [one, two] = await Promise.all([namerdOn(t, etcd), namerdOn(t, etcd)]);
  const [a, b] = await Promise.all([namedBackend(t, 'a'), namedBackend(t, 'b')]);
  const route = ({ port }: { port: number }) => `/svc=>/$/inet/127.0.0.1/${port}`;
  for (const namerd of [one, two]) await until(() => isReady(namerd), 'namerd to be ready');

  assert.equal((await put(one, route(a))).status, 204);
  const present = await got(one);
  const { kvs } = JSON.parse(await etcd.ctl('get', '/namerd/dtabs/default', '--write-out=json'));
  assert.equal(present.etag, Buffer.from(String(kvs[0].mod_revision)).toString('base64'));
  await until(async () => (await got(two)).status === 200, 'the other namerd to see it');
  assert.deepEqual(await got(two), present);
  assert.equal((await put(two, route(b), { 'if-match': 'MQ==' })).status, 412);

  const watched = await watch(t, two);
  const proxy = await startLinkerdTcp(t, namerdRouting(two.url, { servers: { '/svc': '' } }));
  await until(async () => (await whoAnswers(proxy.port).catch(() => '')) === 'a', 'the route to a');
  assert.equal((await put(one, route(b), { 'if-match': present.etag! })).status, 204);
  await until(() => watched.at(-1) === route(b), 'the watch to tell');
  await until(async () => (await whoAnswers(proxy.port)) === 'b', 'the route to b');
  assert.deepEqual(watched, [route(a), route(b)]);

  await etcd.kill();
  for (const namerd of [one, two]) await until(() => isFailing(namerd), 'the failure to be noticed');
  const refused = await put(one, route(a));
  assert.equal(refused.status, 503);
  assert.match(refused.body, /io\.l5d\.etcd \(127\.0\.0\.1:\d+\) cannot write namespace default: connect ECONNREFUSED/);
  for (const namerd of [one, two]) assert.equal((await got(namerd)).body, route(b));
  assert.equal(await whoAnswers(proxy.port), 'b');

  await etcd.start();
  for (const namerd of [one, two]) await until(async () => !(await isFailing(namerd)), 'etcd to be followed again');
  assert.equal((await put(one, route(a))).status, 204);
  await until(async () => (await whoAnswers(proxy.port)) === 'a', 'the route to a again');

  etcd.pause();
  const silent = await put(two, route(b));
  assert.equal(silent.status, 503);
  assert.match(silent.body, /it has not answered in 1500 ms; it may still take effect/);
  for (const namerd of [one, two]) await until(() => isFailing(namerd), 'the silence to be noticed');
  assert.equal(await whoAnswers(proxy.port), 'a');
  for (const namerd of [one, two]) assert.ok(await isReady(namerd), 'what is known is served');
  etcd.resume();
  await until(async () => (await put(two, route(b))).status === 204, 'writes to be taken');
  await until(async () => (await whoAnswers(proxy.port)) === 'b', 'the route to b again');
});
