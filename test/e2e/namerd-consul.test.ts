/** Two namerds on one Consul, and a proxy behind one of them: through writes, the death of Consul and its return. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConsulProcess, launchConsul } from '../support/consul-process.ts';
import { getDtab, isFailing, isReady, putDtab } from '../support/dtab-requests.ts';
import { namedBackend, whoAnswers } from '../support/named-backend.ts';
import { type OwnNamerd, startOwnNamerd } from '../support/namerd-own.ts';
import { freePort } from '../support/ports.ts';
import type { Scope } from '../support/scope.ts';
import { tempDir } from '../support/temp-dir.ts';
import { followThrough, routeTo } from '../support/two-namerds.ts';
import { until, within } from '../support/waiting.ts';

const token = '0c5a4a5e-7f3c-4a56-9c7e-3f1d2b6a8e11';

function namerdOn(t: Scope, { port }: Pick<ConsulProcess, 'port'>): Promise<OwnNamerd> {
  const folder = tempDir(t);
  folder.write('consul.token', `${token}\n`);
  const storage = `{kind: io.l5d.consul, host: 127.0.0.1, port: ${port}, tokenFile: consul.token, backoff: {kind: constant, ms: 200}}`;
  const interfaces = 'interfaces:\n- {kind: io.l5d.httpController, port: 0}\n';
  return startOwnNamerd(t, { folder, config: `admin: {port: 0}\nstorage: ${storage}\n${interfaces}` });
}

test('two namerds on one Consul are one: writes, watches, routes; without it reads and routes still work', async t => {
  const consul = await launchConsul(t);
  await consul.call('setRights', { [token]: { read: [], write: ['namerd/dtabs/'] } });
  const [one, two] = await Promise.all([namerdOn(t, consul), namerdOn(t, consul)]);
  const [a, b] = await Promise.all(['a', 'b'].map(name => namedBackend(t, name)));
  const path = '/api/1/dtabs/default';
  for (const namerd of [one, two]) await until(() => isReady(namerd), 'namerd to be ready');

  assert.equal((await putDtab(one.url + path, routeTo(a))).status, 204);
  const present = await getDtab(one.url + path);
  const index = (await consul.call('entry', 'namerd/dtabs/default'))!.ModifyIndex;
  assert.equal(present.etag, Buffer.from(String(index)).toString('base64'));
  await until(async () => (await getDtab(two.url + path)).status === 200, 'the other namerd to see it');
  assert.deepEqual(await getDtab(two.url + path), present);
  assert.equal((await putDtab(two.url + path, routeTo(b), 'MQ==')).status, 412);
  assert.equal((await putDtab(`${two.url}/api/1/dtabs/b@dn@m35p@c3`, routeTo(b))).status, 400);

  const { proxy, watched } = await followThrough(t, [one, two], [a, b], path, present.etag!);

  await consul.kill();
  for (const namerd of [one, two]) await until(() => isFailing(namerd), 'the failure to be noticed');
  const refused = await putDtab(one.url + path, routeTo(a));
  assert.equal(refused.status, 503);
  assert.match(
    refused.body,
    /io\.l5d\.consul \(http:\/\/127\.0\.0\.1:\d+\/namerd\/dtabs\): cannot write namespace default: it cannot be reached: .*ECONNREFUSED.*; reads go on; try again/,
  );
  for (const namerd of [one, two]) {
    assert.equal((await getDtab(namerd.url + path)).body, routeTo(b));
    assert.equal((await fetch(`${namerd.url}/api/1/resolve/default?path=/svc`)).status, 200);
    assert.ok(await isReady(namerd));
  }
  assert.equal(await whoAnswers(proxy.port), 'b');

  await consul.start();
  await consul.call('setRights', { [token]: { read: [], write: ['namerd/dtabs/'] } });
  await until(async () => (await putDtab(one.url + path, routeTo(a))).status === 204, 'writes to work again');
  await until(() => watched.at(-1) === routeTo(a), 'the watch to tell');
  await until(async () => (await whoAnswers(proxy.port)) === 'a', 'the route to a');
  for (const namerd of [one, two]) await until(async () => !(await isFailing(namerd)), 'the failure to be over');
  assert.deepEqual(watched, [routeTo(a), routeTo(b), routeTo(a)]);

  const deleted = await fetch(two.url + path, { method: 'DELETE' });
  assert.equal(deleted.status, 204);
  assert.equal((await getDtab(two.url + path)).status, 404);
  await until(async () => (await getDtab(one.url + path)).status === 404, 'the deletion to be seen');
  for (const { program, adminUrl } of [one, two]) {
    assert.match(await (await fetch(`${adminUrl}/config.json`)).text(), /consul\.token/);
    assert.ok(!program.output.includes(token));
    assert.match(program.output, /cannot watch its namespaces: it cannot be reached/);
    assert.match(program.output, /the watch recovered/);
    assert.deepEqual(await within(program.stop(), 'namerd to end'), { code: 0, signal: null });
  }
});

test('a namerd that starts before its Consul is not ready, gives the reason, and is ready once Consul runs', async t => {
  const port = await freePort();
  const namerd = await namerdOn(t, { port });
  const asked = async () => {
    const response = await fetch(`${namerd.adminUrl}/ready`);
    return { status: response.status, body: await response.text() };
  };
  await until(async () => /cannot watch its namespaces: it cannot be reached/.test((await asked()).body), 'the reason');
  assert.equal((await asked()).status, 503);
  const unknown = await getDtab(`${namerd.url}/api/1/dtabs/default`);
  assert.equal(unknown.status, 503);
  assert.match(unknown.body, /ECONNREFUSED/);

  const consul = await launchConsul(t, port);
  await consul.call('set', 'namerd/dtabs/default', '/svc=>/$/nil');
  await until(async () => (await asked()).status === 200, 'namerd to be ready');
  assert.equal((await getDtab(`${namerd.url}/api/1/dtabs/default`)).body, '/svc=>/$/nil');
});
