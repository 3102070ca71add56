/** The clients of the TLS rows, against a TLS server that is none of the proxies. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import type { BulkOrder, BulkResult } from '../../bench/bulk-client.ts';
import { startClient } from '../../bench/client-process.ts';
import type { HandshakeOrder, HandshakeResult } from '../../bench/handshake-client.ts';
import { createIdentity } from '../../bench/tls-agreement.ts';
import { startProgram } from '../support/process.ts';

async function startServer(t: TestContext, options: tls.TlsOptions, serve: (socket: tls.TLSSocket) => void) {
  const { certFile, keyFile, authorityFile } = createIdentity(t);
  const server = tls.createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile), ...options }, serve);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { port: String((server.address() as net.AddressInfo).port), authorityFile };
}

const answer = (socket: tls.TLSSocket): void => void socket.on('data', () => socket.write('$-1\r\n'));

async function startHandshakes(t: TestContext, kind: 'full' | 'resumed', options: tls.TlsOptions = {}) {
  const resumed: boolean[] = [];
  const { port, authorityFile } = await startServer(t, options, socket => {
    resumed.push(socket.isSessionReused());
    answer(socket);
  });
  const load = await startClient<HandshakeOrder, HandshakeResult>(t, {
    file: 'handshake-client.ts',
    args: [port, authorityFile, kind],
    readyWhen: 'the first handshakes',
  });
  return { load, resumed };
}

test('full handshakes are as many as were ordered, and none is resumed', async t => {
  const { load, resumed } = await startHandshakes(t, 'full');
  const first = resumed.length;
  assert.equal((await load({ connections: 20 })).connections, 20);
  assert.deepEqual(resumed.slice(first), Array(20).fill(false));
});

test('resumed handshakes are all resumed, in a second load too', async t => {
  const { load, resumed } = await startHandshakes(t, 'resumed');
  const first = resumed.length;
  await load({ connections: 20 });
  await load({ connections: 20 });
  assert.deepEqual(resumed.slice(first), Array(40).fill(true));
});

test('a server that resumes nothing, or agrees on another cipher, is not measured', async t => {
  const { SSL_OP_NO_TICKET } = (await import('node:crypto')).constants;
  const { load } = await startHandshakes(t, 'resumed', { secureOptions: SSL_OP_NO_TICKET });
  await assert.rejects(load({ connections: 1 }), /instead of a resumed one|no session ticket came/);
  const other = { ciphers: 'TLS_AES_256_GCM_SHA384', minVersion: 'TLSv1.3' } as const;
  await assert.rejects(startHandshakes(t, 'full', other), /the client ended .* before the first handshakes/);
});

test('bulk goes both ways, byte for byte', async t => {
  const peer = startProgram(t, process.execPath, [join(import.meta.dirname, '../../bench/bulk-peer.ts')]);
  const peerPort = Number((await peer.printed(/listening on (\d+)/))[1]);
  const { port, authorityFile } = await startServer(t, {}, socket => {
    const behind = net.connect(peerPort, '127.0.0.1');
    socket.pipe(behind).pipe(socket);
  });
  const load = await startClient<BulkOrder, BulkResult>(t, {
    file: 'bulk-client.ts',
    args: [port, authorityFile],
    readyWhen: 'its start',
  });
  for (const direction of ['down', 'up'] as const) {
    const { bytes, seconds } = await load({ direction, bytes: 3_000_001 });
    assert.equal(bytes, 3_000_001);
    assert.ok(seconds > 0);
  }
});
