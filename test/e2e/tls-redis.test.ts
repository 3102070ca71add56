/** Real redis over TLS in each place: ended here, passed through by name, begun here, both, and with certificates on both sides. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { driverKinds } from '../../src/io/drivers/choose-driver.ts';
import { createAuthority } from '../support/certificates.ts';
import { startRedis } from '../support/redis.ts';
import { startRedisBenchmark } from '../support/redis-benchmark.ts';
import { sized } from '../support/size.ts';
import { identityOf, startTlsProxy } from '../support/tls-proxy.ts';
import { redisCli, startTlsRedis } from '../support/tls-redis.ts';
import { until } from '../support/waiting.ts';

for (const driver of driverKinds)
  test(`${driver}: redis-cli and redis-benchmark speak TLS through the proxy`, async t => {
    const ca = createAuthority(t);
    const server = ca.issue({ names: ['redis.test'] });
    const client = ca.issue({ client: true, subject: '/CN=app' });
    const [plain, secured, mutual, other] = await Promise.all([
      startRedis(t),
      startTlsRedis(t, server, ca),
      startTlsRedis(t, server, ca, 'yes'),
      startTlsRedis(t, server, ca),
    ]);
    const tls = { defaultIdentity: identityOf(server) };
    const toRedis = { dnsName: 'redis.test', trustCerts: [ca.file] };
    const proxy = await startTlsProxy(t, {
      driver,
      workers: 2,
      disco: {
        terminate: [plain.port],
        originate: [secured.tlsPort],
        both: [secured.tlsPort],
        other: [other.tlsPort],
        mutual: [mutual.tlsPort],
        'redis.test': [secured.tlsPort],
      },
      servers: {
        '/svc/terminate': { tls },
        '/svc/{sni}': { sni: { route: true } },
        '/svc/originate': {},
        '/svc/both': { tls },
        '/svc/mutual': { tls: { ...tls, clientAuth: 'required', trustCerts: [ca.file] } },
      },
      clients: {
        '/svc/originate': { tls: toRedis },
        '/svc/both': { tls: toRedis },
        '/svc/mutual': { tls: { ...toRedis, clientAuth: identityOf(client) } },
      },
    });
    const overTls = ['--tls', '--cacert', ca.file, '--sni', 'redis.test'];
    const asApp = [...overTls, '--cert', client.certFile, '--key', client.keyFile];

    for (const [name, redis, options] of [
      ['/svc/terminate', plain, overTls],
      ['/svc/{sni}', secured, overTls],
      ['/svc/originate', secured, []],
      ['/svc/both', secured, overTls],
      ['/svc/mutual', mutual, asApp],
    ] as const)
      await t.test(`redis-cli through ${name}`, async t => {
        const port = proxy.portOf(name);
        const value = `${name} `.repeat(5_000);
        assert.equal(await redisCli(t, port, options, ['SET', 'key', value]), 'OK');
        assert.equal(await redisCli(t, port, options, ['GET', 'key']), value.trim());
        assert.match(
          await redisCli(t, port, options, ['INFO', 'server']),
          new RegExp(`^tcp_port:${redis.port}\r$`, 'm'),
        );
      });

    await t.test(
      'their sessions end cleanly, but for the close_notify that neither redis nor redis-cli sends',
      async () => {
        for (const name of proxy.ports.keys()) {
          const records = await until(() => {
            const found = proxy.recordsOf(name);
            return found.length === 3 && found;
          }, `three sessions through ${name} to end`);
          for (const { end, reason } of records) {
            // The proxy cannot see inside TLS that it passes through.
            const isTruncated = name !== '/svc/{sni}' && /^[RF]X$/.test(end);
            // A client that closes before it has read a ticket or close_notify sends a reset.
            const isReset = /^[RF]C$/.test(end) && /reset/.test(reason ?? '');
            assert.ok(end === '--' || isTruncated || isReset, `${name}: ${end} ${reason}`);
          }
        }
      },
    );

    await t.test('where certificates are required, redis-cli without one is refused', async t => {
      const record = await proxy.recordOf('/svc/mutual', async () => {
        await assert.rejects(redisCli(t, proxy.portOf('/svc/mutual'), overTls, ['PING']));
      });
      assert.equal(record.end, 'HP');
    });

    const quick = driver === 'portable' ? 15_000 : 40_000;
    const requests = sized({ quick, full: 200_000 });
    await t.test(
      `${requests} requests over 50 connections pass without an error while an edit of the dtab moves new ones`,
      async t => {
        const port = proxy.portOf('/svc/both');
        const portBehind = async (): Promise<number> =>
          Number(/^tcp_port:(\d+)/m.exec(await redisCli(t, port, overTls, ['INFO', 'server']))?.[1]);
        const before = await secured.info('total_commands_processed');
        const load = startRedisBenchmark(t, port, { connections: 50, requests, args: overTls });
        await until(async () => (await secured.info('connected_clients')) > 50, 'all 50 connections to be there');
        proxy.folder.write('routes.dtab', '/svc => /#/io.l5d.fs; /svc/both => /#/io.l5d.fs/other;\n');
        await until(async () => (await portBehind()) === other.port, 'new connections to reach the other redis');
        assert.equal(load.program.exit, undefined, 'the route moved while the load was running');
        await load.finished;
        assert.ok((await secured.info('total_commands_processed')) - before >= requests);
        assert.equal(await proxy.metric('l5d:client:tls:failure', { dst: '/svc/both' }), 0);
      },
    );
  });
