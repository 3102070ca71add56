/** Bytes that are damaged on their way: the connection ends with a reason, nothing wrong is ever delivered, and the proxy lives on. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, test } from 'node:test';
import tls from 'node:tls';
import { driverKinds } from '../../src/io/drivers/choose-driver.ts';
import { createAuthority } from '../support/certificates.ts';
import { inParallel } from '../support/parallel.ts';
import { backend, echoes, tlsServer } from '../support/tls-peers.ts';
import { identityOf, startTlsProxy } from '../support/tls-proxy.ts';
import { until, within } from '../support/waiting.ts';

const connections = 150;
const ca = createAuthority({ after });
const identity = ca.issue({ names: ['web.test'] });
const message = 'All of this, or nothing. '.repeat(400);

/** Passes bytes on, one of them changed, or some of them twice, or cut off there: whatever `seed` says. */
function damaging(port: number, seed: number): net.Server {
  let connection = seed;
  return net.createServer(client => {
    const random = (n: number): number => {
      connection = (connection * 48_271 + 11) % 0x7fff_ffff;
      return connection % n;
    };
    const upstream = net.connect(port, '127.0.0.1');
    const at = random(random(2) === 0 ? 2_500 : 14_000);
    const kind = random(3);
    let offset = 0;
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
    upstream.pipe(client);
    client.on('data', (chunk: Buffer) => {
      const here = at - offset;
      offset += chunk.length;
      if (here < 0 || here >= chunk.length) return void upstream.write(chunk);
      if (kind === 0) chunk[here] = (chunk[here] as number) ^ (1 << random(8));
      if (kind === 2) return void upstream.end(chunk.subarray(0, here));
      upstream.write(chunk);
      if (kind === 1) upstream.write(chunk.subarray(here));
    });
    client.on('end', () => upstream.end());
  });
}

for (const driver of driverKinds)
  test(`${driver}: ${connections} connections with damaged bytes end, each with a reason`, async t => {
    const secured = await backend(t, tlsServer(identity, echoes));
    const toSecured = { tls: { dnsName: 'web.test', trustCerts: [ca.file] } };
    const server = { tls: { defaultIdentity: identityOf(identity), handshakeTimeoutMs: 500 }, idleTimeoutMs: 500 };
    const proxy = await startTlsProxy(t, {
      driver,
      disco: { both: [secured.port] },
      servers: { '/svc/both': server },
      clients: { '/svc': toSecured },
    });
    const damaged = await backend(t, damaging(proxy.port, 20_261_122));
    const ask = (port: number): Promise<string> =>
      within(
        new Promise(resolve => {
          let heard = '';
          const to = { host: '127.0.0.1', port, servername: 'web.test', ca: ca.certificate };
          const socket = tls.connect(to, () => socket.write(message));
          socket.setEncoding('latin1');
          socket.on('data', (chunk: string) => {
            heard += chunk;
            if (heard.length >= message.length) socket.end();
          });
          socket.on('error', () => {});
          // Some ends in the middle of a handshake leave a client of node:tls as it is.
          socket.setTimeout(800, () => socket.destroy());
          socket.on('close', () => resolve(heard));
        }),
        'the connection to end',
      );
    let whole = 0;
    await inParallel(connections, 30, async () => {
      const heard = await ask(damaged.port);
      assert.ok(message.startsWith(heard), 'what came back is what was sent');
      if (heard === message) whole++;
    });
    t.diagnostic(`${whole} of ${connections} were whole`);
    await until(() => proxy.recordsOf('/svc/both').length === connections, 'all to have ended');
    const ends = Map.groupBy(proxy.recordsOf('/svc/both'), ({ end }) => end);
    t.diagnostic([...ends].map(([end, { length }]) => `${end} ${length}`).join(', '));
    for (const record of proxy.recordsOf('/svc/both')) assert.equal(record.end === '--', record.reason === null);
    assert.ok(!ends.has('II'));
    assert.equal(await ask(proxy.port), message, 'who is not damaged is served');
  });
