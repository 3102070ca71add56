/** Two namerds on one ZooKeeper, and a proxy behind one of them: through writes, its death and silence, and theirs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getDtab, isFailing, isReady, putDtab } from '../support/dtab-requests.ts';
import { namedBackend, whoAnswers } from '../support/named-backend.ts';
import { type OwnNamerd, startOwnNamerd } from '../support/namerd-own.ts';
import type { Scope } from '../support/scope.ts';
import { followThrough, routeTo } from '../support/two-namerds.ts';
import { until, within } from '../support/waiting.ts';
import { startZooKeeper, type ZooKeeperServer } from '../support/zookeeper.ts';

const secret = 'ann:f1ab93c2';

function namerdOn(t: Scope, { port }: ZooKeeperServer): Promise<OwnNamerd> {
  const config = `admin: {port: 0}
storage:
  kind: io.l5d.zk
  zkAddrs: [{host: 127.0.0.1, port: ${port}}]
  sessionTimeoutMs: 1500
  authInfo: {scheme: digest, auth: '${secret}'}
  acls: [{scheme: auth, id: '', perms: crwda}]
interfaces:
- {kind: io.l5d.httpController, port: 0}
`;
  return startOwnNamerd(t, { config });
}

test('two namerds on one ZooKeeper are one: writes, watches, routes; without it reads and routes still work', async t => {
  const server = await startZooKeeper(t, { tickMs: 100 });
  const [one, two] = await Promise.all([namerdOn(t, server), namerdOn(t, server)]);
  const both = [one, two];
  const [a, b] = await Promise.all(['a', 'b'].map(name => namedBackend(t, name)));
  const path = '/api/1/dtabs/default';
  for (const namerd of both) await until(() => isReady(namerd), 'namerd to be ready');

  assert.equal((await putDtab(one.url + path, routeTo(a))).status, 204);
  assert.deepEqual(await getDtab(one.url + path), { status: 200, etag: 'AAAAAA==', body: routeTo(a) });
  await until(async () => (await getDtab(two.url + path)).status === 200, 'the other namerd to see it');
  assert.equal((await putDtab(two.url + path, routeTo(b), 'AAAAAQ==')).status, 412);

  const { proxy, watched } = await followThrough(t, [one, two], [a, b], path, 'AAAAAA==');

  const stands = async (problem: RegExp) => {
    for (const namerd of both) await until(() => isFailing(namerd), 'the failure to be noticed');
    const refused = await putDtab(one.url + path, routeTo(a));
    assert.equal(refused.status, 503);
    assert.match(refused.body, problem);
    for (const namerd of both) {
      assert.deepEqual(await getDtab(namerd.url + path), { status: 200, etag: 'AAAAAQ==', body: routeTo(b) });
      assert.equal((await fetch(`${namerd.url}/api/1/resolve/default?path=/svc`)).status, 200);
      assert.ok(await isReady(namerd));
    }
    assert.equal(await whoAnswers(proxy.port), 'b');
  };
  const recovers = async () => {
    for (const namerd of both) await until(async () => !(await isFailing(namerd)), 'the failure to be over');
  };
  await server.kill();
  await stands(
    /io\.l5d\.zk \(127\.0\.0\.1:\d+\/dtabs\): cannot write namespace default: .*ECONNREFUSED.*; reads go on/,
  );
  await server.start();
  await recovers();
  server.signal('SIGSTOP');
  await stands(/cannot write namespace default: .*(silent|session)/);
  server.signal('SIGCONT');
  await recovers();

  // Its session expires meanwhile.
  two.program.signal('SIGSTOP');
  await until(async () => !((await server.ask('cons')).match(/sid=/g)!.length > 1), 'the session to expire');
  assert.equal((await putDtab(one.url + path, routeTo(a))).status, 204);
  two.program.signal('SIGCONT');
  await until(() => watched.at(-1) === routeTo(a), 'the watch to tell');
  await until(async () => (await whoAnswers(proxy.port)) === 'a', 'the route to a');
  assert.deepEqual(watched, [routeTo(a), routeTo(b), routeTo(a)]);

  assert.equal((await fetch(two.url + path, { method: 'DELETE' })).status, 204);
  assert.equal((await getDtab(two.url + path)).status, 404);
  await until(async () => (await getDtab(one.url + path)).status === 404, 'the deletion to be seen');
  for (const { program, adminUrl } of both) {
    const config = await (await fetch(`${adminUrl}/config.json`)).text();
    assert.match(config, /"scheme": ?"digest"/);
    assert.ok(!config.includes(secret) && !program.output.includes(secret), 'the secret is told to nobody');
    assert.match(program.output, /io\.l5d\.zk \(127\.0\.0\.1:\d+\/dtabs\): cannot watch its namespaces: /);
    assert.match(program.output, /the watch recovered/);
    assert.deepEqual(await within(program.stop(), 'namerd to end'), { code: 0, signal: null });
  }
  await until(async () => !/sid=/.test(await server.ask('cons')), 'the sessions to be gone');
});
