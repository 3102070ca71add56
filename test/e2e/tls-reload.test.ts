/** Reloads that turn TLS on and off, or change it: the same port follows the latest configuration, and established sessions continue. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { driverKinds } from '../../src/io/drivers/choose-driver.ts';
import { createAuthority } from '../support/certificates.ts';
import { freePort } from '../support/ports.ts';
import { backend, echoes, greets, tlsClient } from '../support/tls-peers.ts';
import { identityOf, startTlsProxy, type TlsRouting } from '../support/tls-proxy.ts';
import { sClient } from '../support/tls-s-client.ts';
import { within } from '../support/waiting.ts';

const ca = createAuthority({ after });
const defaultIdentity = identityOf(ca.issue({ names: ['web.test'] }));

for (const driver of driverKinds)
  test(`${driver}: TLS comes and goes with reloads, sessions stay`, async t => {
    const greeting = await backend(t, net.createServer(greets('hello')));
    const echo = await backend(t, net.createServer(echoes));
    const port = await freePort();
    const routing = (tls: object | undefined): TlsRouting => ({
      driver,
      disco: { web: [greeting.port], echo: [echo.port] },
      servers: { '/svc/web': { port, ...(tls && { tls }) }, '/svc/echo': { tls: tls ?? { defaultIdentity } } },
    });
    const proxy = await startTlsProxy(t, routing({ defaultIdentity }));
    const lasting = await tlsClient(t, proxy.portOf('/svc/echo'), { ca: ca.certificate, servername: 'web.test' });
    const speaks = async (version: string): Promise<boolean> =>
      (await sClient(t, port, { args: [`-tls${version}`] })).answered;
    assert.ok(await speaks('1_2'));

    await proxy.reload(routing(undefined));
    assert.equal(await within(text(net.connect(port, '127.0.0.1')), 'the answer without TLS'), 'hello\n');
    await proxy.reload(routing({ defaultIdentity, minVersion: 'TLSv1.3' }));
    assert.deepEqual([await speaks('1_2'), await speaks('1_3')], [false, true]);
    await proxy.reload(routing({ defaultIdentity, maxVersion: 'TLSv1.2' }));
    assert.deepEqual([await speaks('1_2'), await speaks('1_3')], [true, false]);

    const missing = { certs: ['missing.pem'], privateKey: 'missing.key' };
    await assert.rejects(
      proxy.reload(routing({ defaultIdentity: missing })),
      /cannot read \S*missing\.pem: no such file/,
    );
    assert.deepEqual([await speaks('1_2'), await speaks('1_3')], [true, false]);

    lasting.secure.write('still there');
    const [heard] = await within(once(lasting.secure, 'data'), 'the session to go on');
    assert.equal(String(heard), 'still there');
  });
