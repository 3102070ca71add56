/** TLS that ends here, against Debian's `openssl s_client`: versions, names, protocols, resumption, client certificates, stapling. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, type TestContext, test } from 'node:test';
import { type DriverKind, driverKinds } from '../../src/io/drivers/choose-driver.ts';
import { type Authority, createAuthority, type Issued } from '../support/certificates.ts';
import type { Scope } from '../support/scope.ts';
import { tempDir } from '../support/temp-dir.ts';
import { backend, greets } from '../support/tls-peers.ts';
import { identityOf, startTlsProxy, type TlsProxy } from '../support/tls-proxy.ts';
import { type SClientOptions, type SClientTalk, sClient } from '../support/tls-s-client.ts';

const scope: Scope = { after };
const ca = createAuthority(scope);
const [main, www, wild] = ['main.test', 'www.main.test', '*.wild.test'].map(name => ca.issue({ names: [name] }));
const clientCa = createAuthority(scope, 'Client CA');
const issueClient = (authority: Authority, days = 30): Issued =>
  authority.issue({ client: true, subject: '/O=Acme/CN=alice', days });
/** Client certificates: one that is good, and each way not to be. */
const clients = {
  good: issueClient(clientCa),
  stranger: issueClient(createAuthority(scope, 'Other CA')),
  expired: issueClient(clientCa, -1),
  revoked: issueClient(clientCa),
};
clientCa.revoke(clients.revoked);
const folder = tempDir(scope);
const crl = folder.write('clients.crl', clientCa.crl());
const ocspStaple = folder.write('main.ocsp', ca.ocspResponse(main).toString('base64'));

async function start(t: TestContext, driver: DriverKind): Promise<TlsProxy> {
  const defaultIdentity = { ...identityOf(main), ocspStaple };
  const believes = { trustCerts: [clientCa.file], crls: [crl] };
  const { port } = await backend(t, net.createServer(greets('hello')));
  const names = ['web', 'new', 'named', 'strict', 'optional', 'required'];
  return startTlsProxy(t, {
    driver,
    disco: Object.fromEntries(names.map(name => [name, [port]])),
    servers: {
      '/svc/web': {
        tls: {
          defaultIdentity,
          identities: { 'www.main.test': identityOf(www), '*.wild.test': identityOf(wild) },
          alpnProtocols: ['h2', 'http/1.1'],
        },
      },
      '/svc/new': { tls: { defaultIdentity, minVersion: 'TLSv1.3' } },
      '/svc/named': { tls: { identities: { 'www.main.test': identityOf(www) } } },
      '/svc/strict': { tls: { defaultIdentity, alpnProtocols: ['h2'], alpnMismatch: 'refuse' } },
      '/svc/optional': { tls: { defaultIdentity, clientAuth: 'optional', ...believes } },
      '/svc/required': { tls: { defaultIdentity, clientAuth: 'required', ...believes } },
    },
  });
}

const shows = ({ certFile, keyFile }: Issued): string[] => ['-cert', certFile, '-key', keyFile];

for (const driver of driverKinds)
  test(`${driver}: TLS of openssl's client ends here`, async t => {
    const proxy = await start(t, driver);
    const talk = (server: string, options?: SClientOptions): Promise<SClientTalk> =>
      sClient(t, proxy.portOf(server), options);
    const failures = (reason: string): Promise<number> => proxy.metric('l5d:srv:tls:failure', { reason });

    await t.test('it speaks TLS 1.2 and 1.3, and its certificate is trusted', async () => {
      const trusts = ['-CAfile', ca.file, '-verify_return_error', '-verify_hostname', 'www.main.test'];
      for (const version of ['1_2', '1_3']) {
        const { output, ...told } = await talk('/svc/web', {
          name: 'www.main.test',
          args: [...trusts, `-tls${version}`],
        });
        assert.equal(told.version, `TLSv${version.replace('_', '.')}`, output);
        assert.ok(told.answered);
        assert.match(output, /Verify return code: 0 \(ok\)/);
      }
    });

    await t.test('a client older than minVersion is refused with protocol_version', async () => {
      const record = await proxy.recordOf('/svc/new', async () =>
        assert.equal((await talk('/svc/new', { args: ['-tls1_2'] })).alert, 70),
      );
      assert.equal(record.end, 'HP');
      assert.match(record.reason ?? '', /unsupported protocol; the client has no protocol version that this server/);
      assert.equal(await failures('version'), 1);
    });

    await t.test('the certificate is that of the name, of the wildcard above it, or the default one', async () => {
      const expected = [
        ['www.main.test', 'www.main.test'],
        ['WWW.Main.test', 'www.main.test'],
        ['any.wild.test', '*.wild.test'],
        ['two.labels.wild.test', 'main.test'],
        ['wild.test', 'main.test'],
        ['unknown.test', 'main.test'],
        [undefined, 'main.test'],
      ] as const;
      for (const [name, subject] of expected) {
        const told = await talk('/svc/web', name === undefined ? {} : { name });
        assert.equal(told.subject, subject, `asked for ${name}`);
      }
    });

    await t.test('without a default an unknown name, and no name, get unrecognized_name', async () => {
      assert.equal((await talk('/svc/named', { name: 'www.main.test' })).subject, 'www.main.test');
      const record = await proxy.recordOf('/svc/named', async () =>
        assert.equal((await talk('/svc/named', { name: 'unknown.test' })).alert, 112),
      );
      assert.deepEqual([record.end, record.serverName], ['HP', 'unknown.test']);
      assert.match(record.reason ?? '', /no identity for unknown\.test/);
      assert.equal((await talk('/svc/named')).alert, 112);
      assert.equal(await failures('name_unknown'), 2);
    });

    await t.test('ALPN goes by the preference of the server; no common protocol is tolerated, or refused', async () => {
      const offered = async (server: string, protocols: string) => talk(server, { args: ['-alpn', protocols] });
      assert.equal((await offered('/svc/web', 'http/1.1,h2')).protocol, 'h2');
      assert.equal((await offered('/svc/web', 'http/1.1')).protocol, 'http/1.1');
      const other = await offered('/svc/web', 'smtp');
      assert.deepEqual([other.protocol, other.alert], [undefined, undefined]);
      assert.ok(other.answered);
      const none = await talk('/svc/strict');
      assert.ok(none.answered, 'who offers no protocols has none that could be refused');
      assert.equal((await offered('/svc/strict', 'http/1.1,h2')).protocol, 'h2');
      const record = await proxy.recordOf('/svc/strict', async () =>
        assert.equal((await offered('/svc/strict', 'http/1.1')).alert, 120),
      );
      assert.equal(record.end, 'HP');
      assert.match(record.reason ?? '', /application protocol/);
      assert.equal(await failures('alpn'), 1);
    });

    await t.test('sessions are resumed, with TLS 1.2 and 1.3', async () => {
      const session = folder.write('session.pem', '');
      for (const version of ['-tls1_2', '-tls1_3']) {
        const first = await talk('/svc/web', { name: 'www.main.test', args: [version, '-sess_out', session] });
        assert.ok(!first.resumed);
        const record = await proxy.recordOf('/svc/web', async () => {
          const second = await talk('/svc/web', { name: 'www.main.test', args: [version, '-sess_in', session] });
          assert.ok(second.resumed, second.output);
        });
        assert.equal(record.tls?.resumed, true);
      }
      assert.equal(await proxy.metric('l5d:srv:tls:handshakes', { resumed: 'yes' }), 2);
    });

    await t.test('the OCSP response is stapled for who asks for it', async () => {
      const { output } = await talk('/svc/web', { args: ['-status'] });
      assert.match(output, /OCSP Response Status: successful/);
      assert.match(output, /Cert Status: good/);
      assert.match((await talk('/svc/web', { name: 'www.main.test', args: ['-status'] })).output, /no response sent/);
    });

    await t.test('a client certificate is not asked for, may be shown, or must be', async () => {
      const asked = /Acceptable client certificate CA names\n.*CN = Client CA/;
      assert.doesNotMatch((await talk('/svc/web')).output, asked);
      assert.match((await talk('/svc/optional')).output, asked);
      for (const server of ['/svc/optional', '/svc/required']) {
        const record = await proxy.recordOf(server, async () =>
          assert.ok((await talk(server, { args: shows(clients.good) })).answered),
        );
        assert.deepEqual([record.end, record.tls?.peer?.subject], ['--', 'O=Acme,CN=alice']);
      }
      const record = await proxy.recordOf('/svc/optional', async () =>
        assert.ok((await talk('/svc/optional')).answered),
      );
      assert.deepEqual([record.end, record.tls?.peer], ['--', null]);
    });

    for (const [version, missing] of [
      ['-tls1_3', 116],
      ['-tls1_2', 40],
    ] as const)
      await t.test(
        `a client certificate that is missing or not good is refused with its alert, ${version}`,
        async () => {
          const refused = [
            ['/svc/required', undefined, missing, 'no_certificate', /peer did not return a certificate/],
            ['/svc/required', clients.stranger, 48, 'untrusted', /certificate verify failed \(.+\); the client’s/],
            ['/svc/required', clients.expired, 45, 'expired', /\(CERT_HAS_EXPIRED\)/],
            ['/svc/required', clients.revoked, 44, 'revoked', /\(CERT_REVOKED\)/],
            ['/svc/optional', clients.stranger, 48, 'untrusted', /certificate verify failed/],
          ] as const;
          for (const [server, certificate, alert, kind, reason] of refused) {
            const before = await failures(kind);
            const record = await proxy.recordOf(server, async () => {
              const told = await talk(server, { args: [version, ...(certificate ? shows(certificate) : [])] });
              // node:tls judges certificates after the handshake, and closes the connection without an alert.
              assert.equal(told.alert, driver === 'portable' && kind !== 'no_certificate' ? undefined : alert, kind);
              assert.ok(!told.answered);
            });
            assert.equal(record.end, 'HP');
            assert.match(record.reason ?? '', reason);
            assert.equal(await failures(kind), before + 1);
          }
        },
      );
  });
