/** curl over https to HTTP backends that know nothing of TLS. */
import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import { test } from 'node:test';
import { driverKinds } from '../../src/io/drivers/choose-driver.ts';
import { createAuthority } from '../support/certificates.ts';
import { runProgram } from '../support/process.ts';
import { backend } from '../support/tls-peers.ts';
import { identityOf, startTlsProxy } from '../support/tls-proxy.ts';

/** Larger than any buffer on the way. */
const body = 'All that is HTTP is passed on as it is.\n'.repeat(20_000);

for (const driver of driverKinds)
  test(`${driver}: curl gets its answers over https`, async t => {
    const ca = createAuthority(t);
    const client = ca.issue({ client: true, subject: '/CN=curl' });
    const one = await backend(
      t,
      http.createServer((_, response) => response.end(`1.1 ${body}`)),
    );
    const two = await backend(
      t,
      http2.createServer((_, response) => void response.end(`2 ${body}`)),
    );
    const defaultIdentity = identityOf(ca.issue({ names: ['web.test'] }));
    const proxy = await startTlsProxy(t, {
      driver,
      disco: { one: [one.port], two: [two.port], mutual: [one.port] },
      servers: {
        '/svc/one': { tls: { defaultIdentity, alpnProtocols: ['http/1.1'] } },
        '/svc/two': { tls: { defaultIdentity, alpnProtocols: ['h2'] } },
        '/svc/mutual': { tls: { defaultIdentity, clientAuth: 'required', trustCerts: [ca.file] } },
      },
    });
    const curl = async (server: string, { name = 'web.test', args = [] as readonly string[] } = {}) => {
      const port = proxy.portOf(server);
      const to = ['--resolve', `${name}:${port}:127.0.0.1`, `https://${name}:${port}/`];
      return runProgram(t, 'curl', ['-sS', '--noproxy', '*', '--cacert', ca.file, ...args, ...to]);
    };

    await t.test('by HTTP/1.1 and HTTP/2, as ALPN says, over TLS 1.2 and 1.3', async () => {
      for (const [server, protocol, answer] of [
        ['/svc/one', 'http/1.1', `1.1 ${body}`],
        ['/svc/two', 'h2', `2 ${body}`],
      ] as const)
        for (const version of ['1.2', '1.3']) {
          const record = await proxy.recordOf(server, async () => {
            const { code, output } = await curl(server, { args: [`--tlsv${version}`, '--tls-max', version] });
            assert.equal(code, 0, output);
            assert.equal(output, answer);
          });
          assert.deepEqual(
            [record.tls?.version, record.tls?.protocol, record.serverName],
            [`TLSv${version}`, protocol, 'web.test'],
          );
          // Over HTTP/2, where HTTP marks the end of an answer, curl 7.88 closes the connection without close_notify.
          assert.ok(record.end === '--' || (protocol === 'h2' && record.end === 'RX'), record.reason ?? '');
        }
    });

    await t.test('and refuses a certificate that is for another name', async () => {
      const record = await proxy.recordOf('/svc/one', async () => {
        const { code, output } = await curl('/svc/one', { name: 'other.test' });
        assert.equal(code, 60, output);
        assert.match(output, /no alternative certificate subject name matches target host name/);
      });
      assert.equal(record.serverName, 'other.test');
    });

    await t.test('and shows a certificate where one is required', async () => {
      const shown = ['--cert', client.certFile, '--key', client.keyFile];
      const record = await proxy.recordOf('/svc/mutual', async () => {
        const { code, output } = await curl('/svc/mutual', { args: shown });
        assert.deepEqual([code, output], [0, `1.1 ${body}`]);
      });
      assert.equal(record.tls?.peer?.subject, 'CN=curl');
      const { code, output } = await curl('/svc/mutual');
      assert.notEqual(code, 0);
      assert.match(output, /alert certificate required|handshake failure/);
    });
  });
