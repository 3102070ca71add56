/** Session tickets: good on every worker, and never for another identity or another policy than they were made under. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, test } from 'node:test';
import { driverKinds } from '../../src/io/drivers/choose-driver.ts';
import { createAuthority } from '../support/certificates.ts';
import { tempDir } from '../support/temp-dir.ts';
import { backend, greets } from '../support/tls-peers.ts';
import { identityOf, startTlsProxy, type TlsRouting } from '../support/tls-proxy.ts';
import { sClient } from '../support/tls-s-client.ts';
import { until } from '../support/waiting.ts';

const ca = createAuthority({ after });
const [a, b] = ['a.test', 'b.test'].map(name => identityOf(ca.issue({ names: [name] })));
const client = ca.issue({ client: true, subject: '/CN=alice' });
const versions = ['-tls1_2', '-tls1_3'];

for (const driver of driverKinds)
  test(`${driver}: session tickets`, async t => {
    const { port } = await backend(t, net.createServer(greets('hello')));
    const routing = (clientAuth: string, more = {}): TlsRouting => ({
      driver,
      workers: 2,
      disco: { two: [port], policy: [port], off: [port], listed: [port] },
      servers: {
        '/svc/two': { tls: { identities: { 'a.test': a, 'b.test': b } } },
        '/svc/policy': {
          tls: { defaultIdentity: a, clientAuth, ...(clientAuth !== 'none' && { trustCerts: [ca.file] }), ...more },
        },
        '/svc/listed': {
          tls: {
            defaultIdentity: a,
            clientAuth: 'required',
            trustCerts: [ca.file],
            crls: [`${folder.path}/clients.crl`],
          },
        },
        '/svc/off': { tls: { defaultIdentity: a, sessionTickets: { enabled: false } } },
      },
    });
    const folder = tempDir(t);
    folder.write('clients.crl', ca.crl());
    const proxy = await startTlsProxy(t, routing('none'));
    /** One session file for each version of TLS and name. */
    const fileOf = (...parts: string[]): string => `${folder.path}/${parts.join('')}.session`;
    const talk = (server: string, name: string, args: readonly string[]) =>
      sClient(t, proxy.portOf(server), { name, args });

    await t.test('a session is resumed by whichever worker gets the connection', async () => {
      for (const version of versions) {
        await talk('/svc/two', 'a.test', [version, '-sess_out', fileOf(version, 'a')]);
        // Ports differ, so that both workers get some of them: one alone with a probability of 2⁻⁹.
        for (let i = 0; i < 10; i++)
          assert.ok((await talk('/svc/two', 'a.test', [version, '-sess_in', fileOf(version, 'a')])).resumed, version);
      }
      assert.equal(await proxy.metric('l5d:srv:tls:handshakes', { resumed: 'yes' }), 20);
    });

    await t.test('a session of one name is none of another', async () => {
      for (const version of versions) {
        const other = await talk('/svc/two', 'b.test', [version, '-sess_in', fileOf(version, 'a')]);
        assert.deepEqual([other.resumed, other.alert, other.subject], [false, undefined, 'b.test'], version);
        assert.ok(other.answered);
        const elsewhere = await talk('/svc/policy', 'a.test', [version, '-sess_in', fileOf(version, 'a')]);
        assert.deepEqual([elsewhere.resumed, elsewhere.answered], [false, true], 'its server has another identity');
      }
    });

    await t.test('without tickets there are none', async () => {
      for (const version of versions) {
        await talk('/svc/off', 'a.test', [version, '-sess_out', fileOf(version, 'off')]);
        assert.ok(!(await talk('/svc/off', 'a.test', [version, '-sess_in', fileOf(version, 'off')])).resumed);
      }
    });

    await t.test('a session outlives a reload that changes nothing of it', async () => {
      for (const version of versions) {
        await talk('/svc/policy', 'a.test', [version, '-sess_out', fileOf(version, 'none')]);
        assert.ok((await talk('/svc/policy', 'a.test', [version, '-sess_in', fileOf(version, 'none')])).resumed);
      }
      await proxy.reload(routing('none', { handshakeTimeoutMs: 9_000 }));
      for (const version of versions)
        assert.ok((await talk('/svc/policy', 'a.test', [version, '-sess_in', fileOf(version, 'none')])).resumed);
    });

    await t.test('when certificates come to be required, a session without one is worth nothing', async () => {
      await proxy.reload(routing('required'));
      const shown = ['-cert', client.certFile, '-key', client.keyFile];
      for (const version of versions) {
        const without = await talk('/svc/policy', 'a.test', [version, '-sess_in', fileOf(version, 'none')]);
        assert.deepEqual([without.resumed, without.answered], [false, false], version);
        const made = await talk('/svc/policy', 'a.test', [version, '-sess_out', fileOf(version, 'alice'), ...shown]);
        assert.ok(made.answered);
        const record = await proxy.recordOf('/svc/policy', async () => {
          const again = await talk('/svc/policy', 'a.test', [version, '-sess_in', fileOf(version, 'alice')]);
          assert.deepEqual([again.resumed, again.answered], [true, true]);
        });
        assert.equal(record.tls?.peer?.subject, 'CN=alice', 'who it was is known from the session');
      }
    });

    await t.test('and one with a certificate is worth nothing where none is asked for any more', async () => {
      await proxy.reload(routing('optional'));
      for (const version of versions) {
        const record = await proxy.recordOf('/svc/policy', async () => {
          const told = await talk('/svc/policy', 'a.test', [version, '-sess_in', fileOf(version, 'alice')]);
          assert.deepEqual([told.resumed, told.answered], [false, true], version);
        });
        assert.equal(record.tls?.peer, null);
      }
    });

    await t.test('a certificate that is revoked is worth nothing from then on, nor are its sessions', async () => {
      const revoked = ca.issue({ client: true, subject: '/CN=mallory' });
      const shown = ['-cert', revoked.certFile, '-key', revoked.keyFile];
      const lasting = fileOf('mallory');
      assert.ok((await talk('/svc/listed', 'a.test', ['-sess_out', lasting, ...shown])).answered);
      assert.ok((await talk('/svc/listed', 'a.test', ['-sess_in', lasting, ...shown])).resumed);
      ca.revoke(revoked);
      folder.write('clients.crl', ca.crl());
      await proxy.program.printed(
        /the revocation lists in \S+clients\.crl changed; new handshakes use the new content/,
      );
      await until(async () => !(await talk('/svc/listed', 'a.test', shown)).answered, 'it to be refused');
      const again = await talk('/svc/listed', 'a.test', ['-sess_in', lasting, ...shown]);
      assert.deepEqual([again.resumed, again.answered], [false, false]);
    });
  });
