/** TLS to endpoints: which certificates it trusts, how it reports others, and that no byte of an untrusted endpoint reaches a client. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { buffer } from 'node:stream/consumers';
import { after, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { driverKinds } from '../../src/io/drivers/choose-driver.ts';
import { createAuthority } from '../support/certificates.ts';
import { connectPeer, Peer } from '../support/peer.ts';
import type { Scope } from '../support/scope.ts';
import { backend, echoes, greets, tlsServer } from '../support/tls-peers.ts';
import { identityOf, startTlsProxy } from '../support/tls-proxy.ts';
import { until, within } from '../support/waiting.ts';

const scope: Scope = { after };
const ca = createAuthority(scope);
const clientCa = createAuthority(scope, 'Client CA');
const good = ca.issue({ names: ['good.internal'], ips: ['127.0.0.1'] });
const expired = ca.issue({ names: ['good.internal'], days: -1 });
const stranger = createAuthority(scope, 'Other CA').issue({ names: ['good.internal'] });
const client = clientCa.issue({ client: true, subject: '/CN=proxy' });

/** The bytes that a client of the proxy receives without sending any. */
async function hear(port: number): Promise<string> {
  const socket = net.connect({ port, host: '127.0.0.1' });
  const reset = once(socket, 'error').then(() => Buffer.alloc(0));
  try {
    return (await within(Promise.race([buffer(socket), reset]), 'the proxy to end the connection')).toString();
  } finally {
    socket.destroy();
  }
}

const asksForCertificate = { requestCert: true, rejectUnauthorized: true, ca: clientCa.certificate };
const hello = greets('hello');

/** Each is the endpoint of a destination of its name. */
const endpoints = {
  good: () => tlsServer(good, hello),
  ip: () => tlsServer(good, hello),
  other: () => tlsServer(good, hello),
  expired: () => tlsServer(expired, hello),
  stranger: () => tlsServer(stranger, hello),
  credulous: () => tlsServer(stranger, hello),
  plain: () =>
    net.createServer(socket => void socket.on('error', () => {}).once('data', () => socket.end('220 hello\r\n'))),
  silent: () => net.createServer(socket => void socket.on('error', () => {}).resume()),
  slow: () => net.createServer(socket => void socket.on('error', () => {}).resume()),
  leaver: () => net.createServer(socket => void socket.on('error', () => {}).once('data', () => socket.end())),
  old: () => tlsServer(good, hello, { maxVersion: 'TLSv1.2' }),
  mutual: () => tlsServer(good, hello, asksForCertificate),
  naked: () => tlsServer(good, hello, { ...asksForCertificate, maxVersion: 'TLSv1.2' }),
  resumed: () => tlsServer(good, hello),
  spare: () => tlsServer(good, echoes),
} as const satisfies Record<string, () => net.Server>;
type Name = keyof typeof endpoints;

const trusted = { tls: { dnsName: 'good.internal', trustCerts: [ca.file] } };
const clients = {
  // Of all names only that of `good` is in the certificate.
  '/svc/{name}': { tls: { dnsName: '{name}.internal', trustCerts: [ca.file] }, maxRetries: 0 },
  ...Object.fromEntries(
    Object.keys(endpoints)
      .filter(name => !['good', 'other'].includes(name))
      .map(name => [`/svc/${name}`, trusted]),
  ),
};

const failures: Readonly<Partial<Record<Name, readonly [kind: string, reason: RegExp]>>> = {
  expired: [
    'expired',
    /certificate verify failed \(CERT_HAS_EXPIRED\); the endpoint’s certificate, or one above it, is out/,
  ],
  other: [
    'name_mismatch',
    /certificate verify failed \((?:HOSTNAME_MISMATCH|ERR_TLS_CERT_ALTNAME_INVALID)\); the endpoint’s certificate is for another name/,
  ],
  stranger: [
    'untrusted',
    /certificate verify failed \(UNABLE_TO_\w+\); the endpoint’s certificate is signed by no authority/,
  ],
  plain: ['not_tls', /wrong version number; the endpoint does not speak TLS: is its port right/],
  old: ['version', /; the endpoint has no protocol version that this client allows/],
  leaver: ['left', /the peer (left|closed the connection) during the handshake/],
  naked: ['alert', /alert/],
};

for (const driver of driverKinds)
  test(`${driver}: TLS to endpoints`, async t => {
    const names = Object.keys(endpoints) as Name[];
    const disco: Record<string, readonly number[]> = {};
    for (const name of names) disco[name] = [(await backend(t, endpoints[name]())).port];
    disco['failover'] = [...(disco['expired'] ?? []), ...(disco['good'] ?? [])];
    const truncating = Promise.withResolvers<TLSSocket>();
    disco['truncating'] = [(await backend(t, tlsServer(good, truncating.resolve))).port];
    const proxy = await startTlsProxy(t, {
      driver,
      disco,
      servers: Object.fromEntries(
        [...names, 'failover', 'truncating'].map(name => [
          `/svc/${name}`,
          name === 'slow' ? { connectTimeoutMs: 300 } : {},
        ]),
      ),
      clients: {
        ...clients,
        '/svc/ip': { tls: { dnsName: '127.0.0.1' } },
        '/svc/old': { tls: { ...trusted.tls, minVersion: 'TLSv1.3' } },
        '/svc/silent': { ...trusted, connectTimeoutMs: 200 },
        '/svc/mutual': { tls: { ...trusted.tls, clientAuth: identityOf(client) } },
        '/svc/credulous': { tls: { disableValidation: true } },
        '/svc/spare': { ...trusted, minConnections: 2 },
        '/svc/failover': { ...trusted, maxRetries: 3 },
        '/svc/truncating': trusted,
      },
    });
    const through = (name: string) => hear(proxy.portOf(`/svc/${name}`));

    await t.test('an endpoint is verified by name and by address, and gets the client certificate', async () => {
      for (const name of ['good', 'ip', 'mutual'] as const) {
        const record = await proxy.recordOf(`/svc/${name}`, async () =>
          assert.equal(await through(name), 'hello\n', name),
        );
        assert.deepEqual([record.end, record.upstreamTls?.version], ['--', 'TLSv1.3']);
        assert.ok(record.upstreamTls?.peer?.names.includes('good.internal'));
      }
    });

    for (const [name, [kind, reason]] of Object.entries(failures))
      await t.test(`${name}: CU, with what OpenSSL says and the likely cause`, async () => {
        const record = await proxy.recordOf(`/svc/${name}`, async () => assert.equal(await through(name), ''));
        const endpoint = `127.0.0.1:${disco[name]?.[0]}`;
        assert.deepEqual([record.end, record.endpoint, record.upstreamTls], ['CU', endpoint, null]);
        assert.ok(record.reason?.startsWith(`TLS with ${endpoint} failed: `), record.reason ?? '');
        assert.match(record.reason ?? '', reason);
        assert.equal(await proxy.metric('l5d:client:tls:failure', { dst: `/svc/${name}`, reason: kind }), 1);
      });

    await t.test(
      'an endpoint that hangs in the handshake: CU when it has been tried, CT when no time is left',
      async () => {
        const silent = await proxy.recordOf('/svc/silent', async () => assert.equal(await through('silent'), ''));
        assert.equal(silent.end, 'CU');
        const slow = await proxy.recordOf('/svc/slow', async () => assert.equal(await through('slow'), ''));
        assert.equal(slow.end, 'CT');
        for (const { reason, endpoint } of [silent, slow])
          assert.equal(reason, `TLS with ${endpoint} failed: the TLS handshake was not done in time`);
        assert.equal(await proxy.metric('l5d:client:tls:failure', { reason: 'timeout' }), 2);
      },
    );

    await t.test('disableValidation accepts any certificate, and is logged', async () => {
      assert.equal(await through('credulous'), 'hello\n');
      await proxy.program.printed(/TLS to backends of \/svc\/credulous is not verified/);
    });

    await t.test('another endpoint replaces one that cannot be verified', async () => {
      for (let i = 0; i < 8; i++) assert.equal(await through('failover'), 'hello\n');
    });

    await t.test('sessions with an endpoint are resumed', async () => {
      for (let i = 0; i < 3; i++) assert.equal(await through('resumed'), 'hello\n');
      const count = (resumed: string) => proxy.metric('l5d:client:tls:handshakes', { dst: '/svc/resumed', resumed });
      assert.deepEqual([await count('no'), await count('yes')], [1, 2]);
      await until(() => proxy.recordsOf('/svc/resumed').length === 3, 'the records');
      assert.deepEqual(
        proxy.recordsOf('/svc/resumed').map(({ upstreamTls }) => upstreamTls?.resumed),
        [false, true, true],
      );
    });

    await t.test('idle connections have completed their handshake before a client uses them', async () => {
      const dst = '/svc/spare';
      const handshakes = () => proxy.metric('l5d:client:tls:handshakes', { dst });
      await until(async () => (await handshakes()) >= 2, 'the handshakes of two spares');
      const record = await proxy.recordOf(dst, async () => {
        const peer = await connectPeer(t, proxy.portOf(dst), { sends: 1, expects: 1 });
        await peer.play('send 100k', 'expect 100k', 'shutdown', 'expect end');
      });
      assert.deepEqual([record.end, record.upstreamTls?.version], ['--', 'TLSv1.3']);
    });

    await t.test(
      'an endpoint that ends without close_notify is RX, and the client gets a reset after the data',
      async () => {
        const record = await proxy.recordOf('/svc/truncating', async () => {
          const peer = await connectPeer(t, proxy.portOf('/svc/truncating'));
          await peer.play('send 1k');
          const upstream = await within(truncating.promise, 'the endpoint to be reached');
          const side = new Peer('upstream', upstream, { sends: 2, expects: 1 });
          await side.play('expect 1k', 'send 10k');
          // A FIN, as node:tls sends no close_notify then.
          upstream.destroy();
          await peer.play('expect 10k', 'expect reset');
        });
        assert.equal(record.end, 'RX');
        assert.match(
          record.reason ?? '',
          /TLS with the endpoint: unexpected eof while reading; the connection ended without/,
        );
      },
    );

    assert.equal(await proxy.metric('l5d:srv:stream:end', { cause: 'II' }), 0);
  });
