/** Servers that are no etcd, or behave as one only to a point. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp1 } from 'node:http';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import { connect, createServer as createTcp, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import protobuf from 'protobufjs/light.js';
import { frame } from '../../src/clients/etcd/frames.ts';
import { descriptor } from '../../src/clients/etcd/messages.ts';
import { configuredEtcdStore } from '../support/etcd-store.ts';
import { observe } from '../support/naming.ts';
import { openDescriptors } from '../support/open-files.ts';
import { until } from '../support/waiting.ts';
import { known, rejects } from './contract.ts';

const messages = protobuf.Root.fromJSON(descriptor).lookup('etcdserverpb') as protobuf.Namespace;
const framed = (type: string, message: object) => frame(messages.lookupType(type), message);

async function portOf(t: TestContext, server: Pick<Server, 'listen' | 'address' | 'close' | 'on'>): Promise<number> {
  const sockets = new Set<Socket>();
  (server as Server).on('connection', socket => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server as Server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

/** A server with gRPC's manners whose answers are the test's. */
function grpc(t: TestContext, answer: (path: string, stream: ServerHttp2Stream) => void): Promise<number> {
  const server = createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {});
    stream.resume();
    answer(String(headers[':path']), stream);
  });
  return portOf(t, server as unknown as Server);
}

function respond(stream: ServerHttp2Stream, bytes: Buffer, trailers = { 'grpc-status': '0' }): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end(bytes);
}

async function failureAt(t: TestContext, port: number, keys = ''): Promise<string> {
  const store = configuredEtcdStore(t, `host: 127.0.0.1, port: ${port}${keys}`);
  const failed = await observe(t, store.list()).until(({ state }) => state === 'failed', 'the failure');
  await rejects(store.put('web', []), 'STORE_UNAVAILABLE');
  return failed.state === 'failed' ? failed.error.message : '';
}

for (const [what, open, reason] of [
  ['a web server', () => createHttp1((_request, response) => response.end('hello')), /HTTP\/2 handshake: is this etcd/],
  [
    'an SSH server',
    () => createTcp(socket => socket.on('error', () => {}).write('SSH-2.0-X\r\n')),
    /HTTP\/2 handshake: is this etcd/,
  ],
  [
    'a server that hangs up',
    () => createTcp(socket => socket.destroy()),
    /is this etcd, and are the `tls` settings right\?/,
  ],
] as const)
  test(`${what} is told as no etcd`, async t => {
    assert.match(await failureAt(t, await portOf(t, open() as Server)), reason);
  });

for (const [what, answer, reason] of [
  ['bytes that are no messages', s => respond(s, Buffer.from('what is this?')), /not an etcd answer/],
  ['messages that are no protobuf', s => respond(s, Buffer.from([0, 0, 0, 0, 2, 255, 255])), /not an etcd answer/],
  ['an announcement of 4 GB', s => respond(s, Buffer.alloc(5, 255).fill(0, 0, 1)), /not an etcd answer/],
  ['an empty answer', s => respond(s, framed('RangeResponse', {})), /not an etcd answer/],
  ['no message at all', s => respond(s, Buffer.alloc(0)), /cannot watch its namespaces: etcd ended the call/],
  ['HTTP status 404', s => s.respond({ ':status': 404 }, { endStream: true }), /not an etcd server: HTTP status 404/],
  ['a call cut short', s => s.close(2), /cannot watch its namespaces/],
  [
    'keys of another prefix',
    s => respond(s, framed('RangeResponse', { header: { revision: '5' }, kvs: [{ key: Buffer.from('/x') }] })),
    /not an etcd answer/,
  ],
] as const satisfies readonly (readonly [string, (stream: ServerHttp2Stream) => unknown, RegExp])[])
  test(`${what}: a failure, and nothing else`, async t => {
    const port = await grpc(t, (_path, stream) => void answer(stream));
    assert.match(await failureAt(t, port), reason);
  });

test('a watch whose beginning was compacted away begins anew, with what there is then', async t => {
  let watches = 0;
  let revision = 5;
  const port = await grpc(t, (path, stream) => {
    const header = { revision: String(revision) };
    if (path.endsWith('/Range')) {
      const key = Buffer.from(`/namerd/dtabs/at${revision}`);
      return respond(stream, framed('RangeResponse', { header, kvs: [{ key, modRevision: '3' }] }));
    }
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    stream.write(framed('WatchResponse', { header, created: true }));
    if (watches++ > 0) return;
    revision = 9;
    stream.write(framed('WatchResponse', { header, canceled: true, compactRevision: '8' }));
  });
  const names = observe(t, configuredEtcdStore(t, `host: 127.0.0.1, port: ${port}`).list());
  await names.until(
    state => state.state === 'ok' && state.value[0] === 'at9' && !state.unconfirmed,
    'the new snapshot',
  );
  assert.ok(names.values.some(state => 'unconfirmed' in state && /revision 8/.test(String(state.unconfirmed))));
});

test('a server that takes connections and says nothing costs one connection at a time, and none after the end', async t => {
  const server = createTcp(socket => socket.on('error', () => {}).resume());
  const port = await portOf(t, server);
  const before = openDescriptors();
  const store = configuredEtcdStore(t, `host: 127.0.0.1, port: ${port}, requestTimeoutMs: 150`);
  const names = observe(t, store.list());
  await names.until(({ state }) => state === 'failed', 'the failure');
  for (let i = 0; i < 8; i++) await rejects(store.put('web', []), 'STORE_UNAVAILABLE');
  await until(() => openDescriptors() <= before + 4, 'connections to be given up');
  await store.close();
  await until(() => openDescriptors() <= before, 'all to be closed');
});

test('a write that the end of the store overtakes opens no connection', async t => {
  let connections = 0;
  const port = await portOf(
    t,
    createTcp(socket => {
      connections++;
      socket.destroy();
    }),
  );
  const store = configuredEtcdStore(t, `host: 127.0.0.1, port: ${port}`);
  await rejects(store.put('web', []), 'STORE_UNAVAILABLE');
  const before = connections;
  const write = rejects(store.put('web', []), 'STORE_UNAVAILABLE');
  await store.close();
  await write;
  // Taken after any that was made before it.
  connect(port, '127.0.0.1').on('error', () => {});
  await until(() => connections > before, 'a connection of our own');
  assert.equal(connections, before + 1);
});

test('known state survives whatever comes after it', async t => {
  let isSane = true;
  const port = await grpc(t, (path, stream) => {
    const header = { revision: '5' };
    if (!isSane) return respond(stream, Buffer.from('nonsense'));
    if (path.endsWith('/Range')) {
      const kvs = [{ key: Buffer.from('/namerd/dtabs/web'), value: Buffer.from('/svc=>/a'), modRevision: '3' }];
      return respond(stream, framed('RangeResponse', { header, kvs }));
    }
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    stream.write(framed('WatchResponse', { header, created: true }));
    isSane = false;
    setImmediate(() => stream.write(Buffer.from('nonsense')));
  });
  const names = observe(t, configuredEtcdStore(t, `host: 127.0.0.1, port: ${port}`).list());
  await known(names);
  const stale = await names.until(state => 'unconfirmed' in state, 'the mark');
  assert.deepEqual(stale.state === 'ok' && stale.value, ['web']);
});
