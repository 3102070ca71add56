/** Two namerds on one etcd, and a proxy behind one of them: through writes, the death of etcd, its return, and its silence. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getDtab, isFailing, isReady, putDtab } from '../support/dtab-requests.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { namedBackend, whoAnswers } from '../support/named-backend.ts';
import { type OwnNamerd, startOwnNamerd } from '../support/namerd-own.ts';
import type { Scope } from '../support/scope.ts';
import { followThrough, routeTo } from '../support/two-namerds.ts';
import { until } from '../support/waiting.ts';

function namerdOn(t: Scope, { port }: Etcd): Promise<OwnNamerd> {
  const storage = `{kind: io.l5d.etcd, host: 127.0.0.1, port: ${port}, requestTimeoutMs: 1500}`;
  const interfaces = 'interfaces:\n- {kind: io.l5d.httpController, port: 0}\n';
  return startOwnNamerd(t, { config: `admin: {port: 0}\nstorage: ${storage}\n${interfaces}` });
}

test('two namerds on one etcd are one: writes, watches, routes; without it reads and routes still work', async t => {
  const etcd = await startEtcd(t);
  const [one, two] = await Promise.all([namerdOn(t, etcd), namerdOn(t, etcd)]);
  const [a, b] = await Promise.all([namedBackend(t, 'a'), namedBackend(t, 'b')]);
  const path = '/api/1/dtabs/default';
  for (const namerd of [one, two]) await until(() => isReady(namerd), 'namerd to be ready');

  assert.equal((await putDtab(one.url + path, routeTo(a))).status, 204);
  const present = await getDtab(one.url + path);
  const { kvs } = JSON.parse(await etcd.ctl('get', '/namerd/dtabs/default', '--write-out=json'));
  assert.equal(present.etag, Buffer.from(String(kvs[0].mod_revision)).toString('base64'));
  await until(async () => (await getDtab(two.url + path)).status === 200, 'the other namerd to see it');
  assert.deepEqual(await getDtab(two.url + path), present);
  assert.equal((await putDtab(two.url + path, routeTo(b), 'MQ==')).status, 412);

  const { proxy } = await followThrough(t, [one, two], [a, b], path, present.etag!);

  await etcd.kill();
  for (const namerd of [one, two]) await until(() => isFailing(namerd), 'the failure to be noticed');
  const refused = await putDtab(one.url + path, routeTo(a));
  assert.equal(refused.status, 503);
  assert.match(
    refused.body,
    /io\.l5d\.etcd \(127\.0\.0\.1:\d+\): cannot write namespace default: connect ECONNREFUSED/,
  );
  for (const namerd of [one, two]) assert.equal((await getDtab(namerd.url + path)).body, routeTo(b));
  assert.equal(await whoAnswers(proxy.port), 'b');

  await etcd.start();
  for (const namerd of [one, two]) await until(async () => !(await isFailing(namerd)), 'etcd to be followed again');
  assert.equal((await putDtab(one.url + path, routeTo(a))).status, 204);
  await until(async () => (await whoAnswers(proxy.port)) === 'a', 'the route to a again');

  etcd.pause();
  const silent = await putDtab(two.url + path, routeTo(b));
  assert.equal(silent.status, 503);
  assert.match(silent.body, /no answer within 1500 ms; the write may still take effect/);
  for (const namerd of [one, two]) await until(() => isFailing(namerd), 'the silence to be noticed');
  assert.equal(await whoAnswers(proxy.port), 'a');
  for (const namerd of [one, two]) assert.ok(await isReady(namerd), 'what is known is served');
  etcd.resume();
  await until(async () => (await putDtab(two.url + path, routeTo(b))).status === 204, 'writes to be taken');
  await until(async () => (await whoAnswers(proxy.port)) === 'b', 'the route to b again');
});
