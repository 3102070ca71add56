/** TLS as operators see it: the access log, the metrics, and a drain; and routing by client certificate. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { driverKinds } from '../../src/io/drivers/choose-driver.ts';
import { createAuthority } from '../support/certificates.ts';
import { listeningPeer } from '../support/peer.ts';
import { backend, greets, securePeer, tlsServer } from '../support/tls-peers.ts';
import { identityOf, startTlsProxy } from '../support/tls-proxy.ts';
import { sClient } from '../support/tls-s-client.ts';
import { until, within } from '../support/waiting.ts';

const ca = createAuthority({ after });
const server = ca.issue({ names: ['web.test'], days: 90 });
const soon = ca.issue({ names: ['soon.test'], days: 5 });
const shown = ca.issue({ client: true, subject: '/CN=proxy', days: 20 });
const alice = ca.issue({ client: true, subject: '/O=Acme Inc/CN=alice', uris: ['spiffe://acme/alice'] });
const bob = ca.issue({ client: true, subject: '/CN=bob', uris: ['spiffe://acme/bob'] });
const day = 86_400;

for (const driver of driverKinds) {
  test(`${driver}: what the access log and the metrics say of TLS`, async t => {
    const upstream = await backend(t, tlsServer(server, greets('hello'), { ALPNProtocols: ['smtp'] }));
    const proxy = await startTlsProxy(t, {
      driver,
      disco: { web: [upstream.port] },
      servers: {
        '/svc/web': {
          tls: {
            defaultIdentity: identityOf(server),
            identities: { 'soon.test': identityOf(soon) },
            alpnProtocols: ['smtp'],
            clientAuth: 'optional',
            trustCerts: [ca.file],
          },
        },
      },
      clients: {
        '/svc': {
          tls: {
            ...{ dnsName: 'web.test', trustCerts: [ca.file], clientAuth: identityOf(shown) },
            ...{ alpnProtocols: ['smtp'], cipherSuites: ['TLS_CHACHA20_POLY1305_SHA256'] },
          },
        },
      },
    });
    const talk = (name: string, args: readonly string[] = []) => sClient(t, proxy.port, { name, args });
    const asAlice = ['-cert', alice.certFile, '-key', alice.keyFile];

    await t.test(
      'the line of a connection has the negotiated parameters and the certificate subject of both sides',
      async () => {
        const suite = ['-ciphersuites', 'TLS_AES_128_GCM_SHA256', '-groups', 'P-256'];
        const record = await proxy.recordOf('/svc/web', () =>
          talk('web.test', [...suite, '-alpn', 'smtp', ...asAlice]),
        );
        const group = driver === 'portable' ? '' : 'P-256';
        assert.equal(record.serverName, 'web.test');
        assert.deepEqual(
          { ...record.tls, group: record.tls?.group || '' },
          {
            version: 'TLSv1.3',
            cipher: 'TLS_AES_128_GCM_SHA256',
            group,
            resumed: false,
            protocol: 'smtp',
            peer: { subject: 'O=Acme Inc,CN=alice', names: ['spiffe://acme/alice'] },
          },
        );
        assert.equal(record.upstreamTls?.cipher, 'TLS_CHACHA20_POLY1305_SHA256');
        assert.equal(record.upstreamTls?.protocol, 'smtp');
        assert.deepEqual(record.upstreamTls?.peer, { subject: 'CN=web.test', names: ['web.test'] });
        assert.deepEqual([record.end, record.reason], ['--', null]);
      },
    );

    await t.test('the same as text', async () => {
      const file = join(proxy.folder.path, 'linkerd.yml');
      proxy.folder.write('linkerd.yml', readFileSync(file, 'utf8').replace('"format":"json"', '"format":"text"'));
      await proxy.post('/reload');
      await talk('web.test', ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES256-GCM-SHA384', ...asAlice]);
      const line =
        / -- sni=web\.test tls=TLSv1\.2\/ECDHE-ECDSA-AES256-GCM-SHA384 subject=O=Acme\\x20Inc,CN=alice upstream_tls=TLSv1\.3\/TLS_CHACHA20_POLY1305_SHA256\/smtp$/m;
      const log = () => readFileSync(join(proxy.folder.path, 'access.log'), 'utf8');
      await until(
        () => line.test(log()),
        () => `the line; there is ${log()}`,
      );
    });

    await t.test('handshakes are counted by version, cipher, group and resumption, and measured', async () => {
      const count = (name: string, labels = {}): Promise<number> => proxy.metric(`l5d:${name}`, labels);
      assert.equal(await count('srv:tls:version', { version: 'TLSv1.3' }), 1);
      assert.equal(await count('srv:tls:version', { version: 'TLSv1.2' }), 1);
      assert.equal(await count('srv:tls:cipher', { cipher: 'TLS_AES_128_GCM_SHA256' }), 1);
      assert.equal(await count('srv:tls:cipher', { cipher: 'ECDHE-ECDSA-AES256-GCM-SHA384' }), 1);
      assert.equal(
        await count('srv:tls:group', { group: driver === 'portable' ? 'other' : 'P-256' }),
        driver === 'portable' ? 2 : 1,
      );
      assert.equal(await count('srv:tls:handshakes', { resumed: 'no' }), 2);
      assert.equal(await count('srv:tls:handshake_us_count'), 2);
      assert.equal(await count('client:tls:handshakes'), 2);
      assert.equal(await count('client:tls:version', { version: 'TLSv1.3', dst: '/svc/web' }), 2);
      assert.equal(await count('client:tls:cipher', { cipher: 'TLS_CHACHA20_POLY1305_SHA256' }), 2);
      assert.equal(await count('client:tls:handshake_us_count'), 2);
    });

    await t.test(
      'the expiry of each certificate is exposed, and one that expires soon is logged as a warning',
      async () => {
        const seconds = (identity: string): Promise<number> =>
          proxy.metric('l5d:tls:cert:expiry_seconds', { identity });
        for (const [identity, days] of [
          ['default', 90],
          ['soon.test', 5],
          ['client', 20],
        ] as const) {
          const left = await seconds(identity);
          assert.ok(left > (days - 1) * day && left <= days * day, `${identity}: ${left} s`);
        }
        await proxy.program.printed(/the certificate soon\.test in \S+ expires in 4 days/);
      },
    );

    await t.test('promtool has nothing to say of the names and types of the TLS series', async () => {
      const { stderr, stdout } = spawnSync('promtool', ['check', 'metrics'], {
        input: await proxy.get('/metrics'),
        encoding: 'utf8',
      });
      const complaints = `${stdout}${stderr}`.split('\n').filter(line => /:tls:/.test(line));
      // As all names here have: colons and units that are those of linkerd-tcp 0.1.
      assert.deepEqual(
        complaints.filter(line => !/should not contain ':'|abbreviated units|_total" suffix/.test(line)),
        [],
      );
      assert.doesNotMatch(`${stdout}${stderr}`, /error while linting|parse/i);
    });
  });

  test(`${driver}: the name a client asks for, or the common or alternative one in its certificate, leads to its service`, async t => {
    const named = async (name: string): Promise<readonly number[]> => [
      (await backend(t, net.createServer(greets(`hello, this is ${name}`)))).port,
    ];
    const verified = {
      tls: { defaultIdentity: identityOf(server), clientAuth: 'required', trustCerts: [ca.file] },
    };
    const proxy = await startTlsProxy(t, {
      driver,
      disco: { alice: await named('alice'), bob: await named('bob') },
      dtab: '/cn => /#/io.l5d.fs; /san/spiffe:\\x2f\\x2facme\\x2fbob => /#/io.l5d.fs/bob;',
      servers: {
        '/cn/{clientCn}': verified,
        '/san/{clientSan}': verified,
        '/cn/{sni}': { tls: { defaultIdentity: identityOf(server) } },
      },
    });
    const talk = (name: string, { certFile, keyFile }: typeof alice) =>
      sClient(t, proxy.portOf(name), { args: ['-cert', certFile, '-key', keyFile] });
    const { output } = await sClient(t, proxy.portOf('/cn/{sni}'), { name: 'alice' });
    assert.match(output, /this is alice/);
    assert.match((await talk('/cn/{clientCn}', alice)).output, /this is alice/);
    assert.match((await talk('/cn/{clientCn}', bob)).output, /this is bob/);
    assert.match((await talk('/san/{clientSan}', bob)).output, /this is bob/);
    const record = await proxy.recordOf('/san/{clientSan}', async () =>
      assert.ok(!(await talk('/san/{clientSan}', alice)).answered),
    );
    assert.equal(record.end, 'NN');
  });

  test(`${driver}: a drain lets TLS sessions finish, and cuts off who does not, and handshakes`, async t => {
    const peer = await listeningPeer(t);
    const identity = { tls: { defaultIdentity: identityOf(server) } };
    const proxy = await startTlsProxy(t, {
      driver,
      disco: { peer: [peer.port] },
      servers: { '/svc/peer': identity },
      graceSecs: 1,
    });
    const believes = { ca: ca.certificate, servername: 'web.test' };
    const finishes = await securePeer(t, proxy.port, believes);
    const first = await peer.next();
    const stays = await securePeer(t, proxy.port, believes);
    await peer.next();
    const greeting = net.connect(proxy.port, '127.0.0.1');
    greeting.on('error', () => {});
    t.after(() => greeting.destroy());
    await until(async () => (await proxy.metric('l5d:srv:accepts')) === 3, 'all to be accepted');
    proxy.program.signal('SIGTERM');
    await finishes.peer.play('send 100k', 'shutdown');
    await first.play('expect 100k', 'expect end', 'send 100k', 'close');
    await finishes.peer.play('expect 100k', 'expect end');
    await stays.peer.over();
    assert.deepEqual(await within(proxy.program.exited, 'the proxy to end'), { code: 0, signal: null });
    assert.deepEqual(
      proxy
        .recordsOf('/svc/peer')
        .map(({ end }) => end)
        .sort(),
      ['--', 'HD', 'RD'],
    );
  });
}
