/** One client for each configuration, and its end with the last of its users. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { SharedClients } from '../../src/clients/shared-clients.ts';

test('users with the same configuration share one client, which the last of them closes', async () => {
  const clients = new SharedClients();
  const closed: string[] = [];
  const open = (port: number) =>
    clients.take('zk', { port }, () => ({ port, close: () => void closed.push(String(port)) }));
  const [a, b, other] = [open(1), open(1), open(2)];
  assert.equal(a.client, b.client);
  assert.notEqual(a.client, other.client);
  assert.equal(clients.size, 2);
  await a.release();
  await a.release();
  assert.deepEqual(closed, []);
  await b.release();
  assert.deepEqual(closed, ['1']);
  assert.notEqual(open(1).client, a.client);
});

test('the same configuration of another kind is another client; one that cannot be made leaves nothing behind', () => {
  const clients = new SharedClients();
  const make = () => ({ close() {} });
  assert.notEqual(clients.take('a', {}, make).client, clients.take('b', {}, make).client);
  const fail = () => {
    throw new Error('no such file');
  };
  assert.throws(() => clients.take('c', {}, fail), /no such file/);
  assert.equal(clients.size, 2);
});
