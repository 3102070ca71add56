/**
 * No way to end a TLS connection leaks: descriptors, the live heap of all threads and resident memory are where they were.
 * OpenSSL's own memory shows in resident memory only at campaign size.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { type DriverKind, driverKinds } from '../../src/io/drivers/choose-driver.ts';
import { createAuthority } from '../support/certificates.ts';
import { inspectable, liveHeapBytes } from '../support/heap.ts';
import { inParallel } from '../support/parallel.ts';
import { sized } from '../support/size.ts';
import { backend, clientHello, echoes, tlsServer } from '../support/tls-peers.ts';
import { identityOf, startTlsProxy } from '../support/tls-proxy.ts';
import { until, within } from '../support/waiting.ts';

const connections = sized({ quick: 80, full: 2_000 });
const warmUp = 40;
/** Number of connections per way to end; they run concurrently. */
const atOnce = 20;
const heapToleranceBytes = 1.5 * 2 ** 20;
const residentToleranceBytes = 32 * 2 ** 20;

const ca = createAuthority({ after });
const server = ca.issue({ names: ['web.test'] });
const stranger = createAuthority({ after }, 'Other CA').issue({ names: ['web.test'] });

interface WayToEnd {
  readonly name: string;
  /** Where it connects to. */
  readonly to: 'terminate' | 'both' | 'required' | 'hasty' | 'stranger';
  readonly cause: string;
  readonly play: (port: number) => Promise<unknown>;
}

const closed = (socket: net.Socket): Promise<void> =>
  new Promise(resolve => (socket.closed ? resolve() : socket.resume().once('close', () => resolve())));

/** A session that has carried bytes both ways. */
async function established(port: number, more: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  const to = { host: '127.0.0.1', port, servername: 'web.test', ca: ca.certificate, ecdhCurve: 'X25519' };
  const socket = tls.connect({ ...to, ...more });
  socket.on('error', () => {});
  socket.write('ping');
  await once(socket, 'data');
  return socket;
}

async function raw(port: number): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

const endsCleanly = async (port: number): Promise<void> => {
  const socket = await established(port);
  socket.end();
  await closed(socket);
};

const hello = await clientHello('web.test');

const ways: readonly WayToEnd[] = [
  { name: 'close_notify', to: 'terminate', cause: '--', play: endsCleanly },
  { name: 'close_notify through TLS on both sides', to: 'both', cause: '--', play: endsCleanly },
  {
    name: 'a FIN without close_notify',
    to: 'both',
    cause: 'RX',
    play: async port => (await established(port)).destroy(),
  },
  {
    name: 'a reset',
    to: 'both',
    cause: 'RC',
    play: async port => {
      const socket = await raw(port);
      const secure = tls.connect({ socket, servername: 'web.test', ca: ca.certificate, ecdhCurve: 'X25519' });
      secure.on('error', () => {});
      secure.write('ping');
      await once(secure, 'data');
      socket.resetAndDestroy();
      secure.destroy();
    },
  },
  {
    name: 'a client that leaves after its ClientHello',
    to: 'terminate',
    cause: 'HC',
    play: async port => {
      const socket = await raw(port);
      socket.end(hello);
      await closed(socket);
    },
  },
  {
    name: 'no TLS',
    to: 'terminate',
    cause: 'HP',
    play: async port => {
      const socket = await raw(port);
      socket.write('GET / HTTP/1.1\r\n\r\n');
      await closed(socket);
    },
  },
  {
    name: 'no certificate where one is required',
    to: 'required',
    cause: 'HP',
    play: async port => {
      const socket = tls.connect({ host: '127.0.0.1', port, ca: ca.certificate, servername: 'web.test' });
      socket.on('error', () => {});
      await closed(socket);
    },
  },
  {
    name: 'a handshake that is not done in time',
    to: 'hasty',
    cause: 'HT',
    play: async port => closed(await raw(port)),
  },
  {
    name: 'an endpoint that is not believed',
    to: 'stranger',
    cause: 'CU',
    play: async port => closed(await raw(port)),
  },
];

async function findLeaks(t: TestContext, driver: DriverKind): Promise<void> {
  const plain = await backend(t, net.createServer(echoes));
  const secured = await backend(t, tlsServer(server, echoes));
  const unbelievable = await backend(t, tlsServer(stranger, echoes));
  const own = { defaultIdentity: identityOf(server) };
  const toSecured = { tls: { dnsName: 'web.test', trustCerts: [ca.file] } };
  const proxy = await startTlsProxy(
    t,
    {
      driver,
      disco: {
        terminate: [plain.port],
        both: [secured.port],
        required: [plain.port],
        hasty: [plain.port],
        stranger: [unbelievable.port],
      },
      servers: {
        '/svc/terminate': { tls: own },
        '/svc/both': { tls: own },
        '/svc/required': { tls: { ...own, clientAuth: 'required', trustCerts: [ca.file] } },
        '/svc/hasty': { tls: { ...own, handshakeTimeoutMs: 200 } },
        '/svc/stranger': {},
      },
      clients: {
        '/svc/both': toSecured,
        // Each connection shall meet it, not the place it was taken out of.
        '/svc/stranger': { ...toSecured, maxRetries: 0, failFast: { maxConsecutiveFailures: 100_000_000 } },
      },
    },
    { env: inspectable },
  );
  /** How often each cause was counted at each server that has a way to end like that. */
  const counts = async (): Promise<ReadonlyMap<string, number>> => {
    const found = new Map<string, number>();
    for (const { to, cause } of ways)
      found.set(
        `${to} ${cause}`,
        await proxy.metric('l5d:srv:stream:end', { cause, srv_addr: `127.0.0.1:${proxy.portOf(`/svc/${to}`)}` }),
      );
    return found;
  };
  const allOver = () => until(async () => (await proxy.metric('l5d:srv:active')) === 0, 'all to be over');
  const goAll = async (times: number): Promise<void> => {
    const expected = new Map(await counts());
    for (const { to, cause } of ways) expected.set(`${to} ${cause}`, (expected.get(`${to} ${cause}`) ?? 0) + times);
    const go = ({ name, to, play }: WayToEnd): Promise<void> =>
      inParallel(times, atOnce, async () => void (await within(play(proxy.portOf(`/svc/${to}`)), name)));
    await Promise.all(ways.map(go));
    await allOver();
    assert.deepEqual(await counts(), expected);
  };
  const wake = (): Promise<void> => endsCleanly(proxy.portOf('/svc/terminate'));
  const measure = async () => {
    await allOver();
    const heap = await liveHeapBytes(proxy.program, wake);
    await allOver();
    return { heap, resident: proxy.program.residentBytes() };
  };
  await goAll(warmUp);
  const before = await measure();
  const descriptors = proxy.program.descriptors();
  await goAll(connections);
  const then = await measure();
  const [heap, resident] = [then.heap - before.heap, then.resident - before.resident];
  t.diagnostic(`${Math.round(heap / 1024)} KiB more live heap, ${(resident / 2 ** 20).toFixed(1)} MiB more resident`);
  await until(
    () => proxy.program.descriptors() <= descriptors,
    () => `${proxy.program.descriptors()} descriptors to be ${descriptors} again`,
  );
  assert.ok(heap < heapToleranceBytes, `the live heap grew by ${heap} bytes`);
  assert.ok(resident < residentToleranceBytes, `${resident} bytes more are resident`);
}

for (const driver of driverKinds)
  test(`${driver}: ${connections} connections of each way to end TLS leave nothing`, t => findLeaks(t, driver));
