/** Reloading under load: nothing breaks, nothing grows. `npm run soak` does the same for ten minutes. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fsRouting, startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { connectPeer, listeningPeer } from '../support/peer.ts';
import { sized } from '../support/size.ts';
import { mebibytes, soak } from '../support/soak.ts';

const seconds = sized({ quick: 6, full: 20 });

for (const driver of ['portable', 'uring'] as const) {
  test(`${driver}: ${seconds} s of redis-benchmark with a reload every 200 ms: no error, no growth of what is alive`, async t => {
    const { runs, reloads, residentBytes, heapGrowthBytes } = await soak(t, {
      driver,
      seconds,
      reloadEveryMs: 200,
      requests: sized({ quick: 20_000, full: 100_000 }),
    });
    t.diagnostic(
      `${runs} runs, ${reloads} reloads, live heap ${mebibytes(heapGrowthBytes)} MiB more, ` +
        `${mebibytes(residentBytes.at(-1) ?? 0)} MiB resident`,
    );
    assert.ok(reloads >= 2, `${reloads} reloads`);
    assert.ok(heapGrowthBytes < 4 * 2 ** 20, `the live heap grew by ${mebibytes(heapGrowthBytes)} MiB`);
  });
}

test('a session outlives a reload, and a bad file changes nothing', async t => {
  const upstream = await listeningPeer(t);
  const routing = fsRouting({
    dtab: '/svc/echo => /#/io.l5d.fs/a;',
    disco: { a: [upstream.port] },
    servers: { '/svc/echo': '' },
  });
  const proxy = await startLinkerdTcp(t, routing);
  const client = await connectPeer(t, proxy.port);
  await client.play('send 1k');
  await upstream.play('expect 1k', 'send 1k');
  await client.play('expect 1k');

  await proxy.post('/reload');
  proxy.folder.write('linkerd.yml', 'routers: [{label: broken}]\n');
  await assert.rejects(proxy.post('/reload'), /servers/);

  await client.play('send 10k', 'shutdown');
  await upstream.play('expect 10k', 'expect end', 'send 10k', 'close');
  await client.play('expect 10k', 'expect end');
  const next = await connectPeer(t, proxy.port);
  await next.play('send 1k');
  await (await upstream.next()).play('expect 1k');
});
