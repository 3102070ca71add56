/** Real redis behind the proxy: load without an error, routes that move while it runs, weights that hold. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { driverKinds } from '../../src/io/drivers/choose-driver.ts';
import { fsRouting, startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { inParallel } from '../support/parallel.ts';
import { askRedis, redisBehind, startRedis } from '../support/redis.ts';
import { startRedisBenchmark } from '../support/redis-benchmark.ts';
import { sized } from '../support/size.ts';
import { until } from '../support/waiting.ts';

/** Long enough on any machine for an edit of a file to be noticed meanwhile. */
const requests = sized({ quick: 100_000, full: 500_000 });
const drawn = sized({ quick: 1_000, full: 5_000 });

for (const driver of driverKinds) {
  test(`${driver}: ${requests} requests over 50 connections pass without an error while an edit of the dtab moves new connections`, async t => {
    const [a, b] = await Promise.all([startRedis(t), startRedis(t)]);
    const proxy = await startLinkerdTcp(
      t,
      fsRouting({ driver, dtab: '/svc/redis => /#/io.l5d.fs/a;', disco: { a: [a.port], b: [b.port] } }),
    );
    assert.equal(await redisBehind(proxy.port), a.port);
    const before = await a.info('total_commands_processed');

    const load = startRedisBenchmark(t, proxy.port, { connections: 50, requests });
    await until(async () => (await a.info('connected_clients')) > 50, 'all 50 connections to be at redis a');
    proxy.folder.write('routes.dtab', '/svc/redis => /#/io.l5d.fs/b;\n');
    await until(async () => (await redisBehind(proxy.port)) === b.port, 'new connections to reach redis b');
    assert.equal(load.program.exit, undefined, 'the route moved while the load was running');

    await load.finished;
    const served = (await a.info('total_commands_processed')) - before;
    assert.ok(served >= requests, `established connections stayed: redis a served ${served} commands`);
  });

  test(`${driver}: a weighted dtab gives its share of ${drawn} connections to the lighter branch`, async t => {
    const [a, b] = await Promise.all([startRedis(t), startRedis(t)]);
    const proxy = await startLinkerdTcp(
      t,
      fsRouting({
        driver,
        dtab: '/svc/redis => 0.9 * /#/io.l5d.fs/a & 0.1 * /#/io.l5d.fs/b;',
        disco: { a: [a.port], b: [b.port] },
      }),
    );
    const start = await Promise.all([a, b].map(redis => redis.info('total_connections_received')));
    await inParallel(drawn, 100, async () => assert.match(await askRedis(proxy.port, 'PING'), /^\+PONG/));
    const end = await Promise.all([a, b].map(redis => redis.info('total_connections_received')));
    // The second question is itself a connection.
    const [toA, toB] = end.map((count, i) => count - (start[i] as number) - 1) as [number, number];
    assert.equal(toA + toB, drawn);
    // Five standard deviations: chance goes beyond once in two million runs.
    const tolerance = 5 * Math.sqrt(drawn * 0.9 * 0.1);
    assert.ok(Math.abs(toB - drawn / 10) <= tolerance, `${toB} of ${drawn} went to b`);
  });
}
