/** The send queue of a connection, read from Linux. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, connect as open, type Socket } from 'node:net';
import { test } from 'node:test';
import { monotonicNow } from '../../../src/io/clock.ts';
import { SendQueues } from '../../../src/io/portable/send-queue.ts';
import { until } from '../../support/waiting.ts';

for (const host of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
  test(`${host}: the bytes that a peer has not read are reported, and 0 once it has read all of them`, async t => {
    const queues = new SendQueues();
    const accepted: Socket[] = [];
    const server = createServer({ pauseOnConnect: true }, socket => void accepted.push(socket));
    t.after(() => server.close());
    server.listen(0, host === '::1' ? '::1' : host.startsWith('::') ? '::' : host);
    await once(server, 'listening');
    const socket = open((server.address() as AddressInfo).port, host);
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    assert.equal(queues.of(socket, Number.NEGATIVE_INFINITY), 0);
    socket.write(Buffer.alloc(32 * 1024 * 1024));
    const wroteAt = monotonicNow();
    await until(() => (queues.of(socket, wroteAt) ?? 0) > 1, 'bytes to wait');
    const [peer] = accepted as [Socket];
    peer.resume();
    await until(() => queues.of(socket, wroteAt) === 0 && socket.writableLength === 0, 'the peer to read all');
    peer.destroy();
  });
}

test('until the next reading, bytes that were just written are not known to be acknowledged', async t => {
  let now = 1_000;
  const queues = new SendQueues(() => now);
  const server = createServer(socket => socket.resume());
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = open((server.address() as AddressInfo).port, '127.0.0.1');
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  assert.equal(queues.of(socket, 999), 0);
  // However many sockets are asked for: one reading in 50 ms, or less often where a reading takes long.
  for (now = 1_001; now < 1_050; now++) assert.equal(queues.of(socket, 1_001), 1);
  now = 1_050;
  assert.equal(queues.of(socket, 1_001), 0);
});
