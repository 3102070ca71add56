/** Which member of an etcd cluster is used first, and how long an answer may take. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import test, { type TestContext } from 'node:test';
import { EtcdCluster } from '../../../src/clients/etcd/cluster.ts';
import { CallFailure, status } from '../../../src/clients/etcd/failure.ts';

/** Accepts connections and never answers. */
async function silentMember(t: TestContext, connected: () => void = () => {}) {
  const server = createServer(socket => {
    connected();
    socket.on('error', () => {});
    t.after(() => socket.destroy());
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

const nothing = { compare: [], success: [], failure: [] };

function cluster(t: TestContext, options: Omit<ConstructorParameters<typeof EtcdCluster>[0], 'timeoutMs'>) {
  const made = new EtcdCluster({ timeoutMs: 100, ...options });
  t.after(() => made.close());
  return made;
}

// Deadlines were those of a clock that can be set: one that went back held calls for as long.
test('a call ends in time though the clock of the machine is set back', async t => {
  const members = [await silentMember(t)];
  const { now } = Date;
  let hours = 0;
  t.mock.method(Date, 'now', () => now() - hours++ * 3_600_000);
  await assert.rejects(
    cluster(t, { members }).txn(nothing),
    error => error instanceof CallFailure && error.code === status.deadlineExceeded,
  );
});

test('the first member is drawn at random, so that namerds that start together use different ones', async t => {
  const used: number[] = [];
  const members = await Promise.all([0, 1, 2].map(i => silentMember(t, () => used.push(i))));
  for (const random of [0, 0.5, 0.99])
    await assert.rejects(cluster(t, { members, random: () => random }).txn(nothing), CallFailure);
  assert.deepEqual([used[0], used.includes(1), used.at(-1)], [0, true, 2]);
});
