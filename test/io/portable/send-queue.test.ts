/** The send queue of a connection, read from Linux. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, connect as open, type Socket } from 'node:net';
import { test } from 'node:test';
import { SendQueues } from '../../../src/io/portable/send-queue.ts';
import { until } from '../../support/waiting.ts';

for (const host of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
  test(`${host}: the bytes a peer has not taken are told, and 0 when it has them all`, async t => {
    const queues = new SendQueues();
    const accepted: Socket[] = [];
    const server = createServer({ pauseOnConnect: true }, socket => void accepted.push(socket));
    t.after(() => server.close());
    server.listen(0, host === '::1' ? '::1' : host.startsWith('::') ? '::' : host);
    await once(server, 'listening');
    const socket = open((server.address() as AddressInfo).port, host);
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    assert.equal(queues.of(socket), 0);
    socket.write(Buffer.alloc(32 * 1024 * 1024));
    queues.outdate();
    await until(() => (queues.of(socket) ?? 0) > 0, 'bytes to wait');
    const [peer] = accepted as [Socket];
    peer.resume();
    await until(() => queues.of(socket) === 0 && socket.writableLength === 0, 'the peer to take all');
    peer.destroy();
  });
}
