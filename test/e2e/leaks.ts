/** No way to end a connection leaks: after thousands of each, descriptors and the live heap of every thread are where they were. */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { DriverKind } from '../../src/io/drivers/choose-driver.ts';
import { inspectable, liveHeapBytes } from '../support/heap.ts';
import { fsRouting, type LinkerdTcp, startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { inParallel } from '../support/parallel.ts';
import { sized } from '../support/size.ts';
import { until } from '../support/waiting.ts';
import { playToTheEnd, startUpstreams, type WayToEnd, waysToEnd } from '../support/ways-to-end.ts';

const connections = sized({ quick: 2_000, full: 20_000 });
const warmUp = sized({ quick: 500, full: 1_000 });
const atOnce = 200;
/** Compiled code and feedback still grow a little after the warm-up; a leaked session of each connection would be far more. */
const heapToleranceBytes = 1.5 * 1024 * 1024;

/** Registers the test for one driver. One file per driver calls this, so that they run side by side. */
export function leakTest(driver: DriverKind): void {
  test(`${driver}: descriptors and heap return to the start`, t => findLeaks(t, driver));
}

async function findLeaks(t: TestContext, driver: DriverKind): Promise<void> {
  const disco = await startUpstreams(t, waysToEnd);
  const proxy = await startLinkerdTcp(t, {
    ...fsRouting({
      driver,
      dtab: '/svc => /#/io.l5d.fs;',
      disco,
      servers: Object.fromEntries(waysToEnd.map(({ name, server }) => [`/svc/${name}`, server ?? ''])),
      // Every connection shall meet the refusal itself, not an endpoint that was taken out after the first ones.
      client: 'maxRetries: 0, failFast: {maxConsecutiveFailures: 100000000}',
    }),
    env: inspectable,
  });
  for (const way of waysToEnd) await inParallel(warmUp, atOnce, () => playToTheEnd(way, portOf(proxy, way)));
  await allOver(proxy);
  const wake = (): Promise<void> => playToTheEnd(waysToEnd[0] as WayToEnd, portOf(proxy, waysToEnd[0] as WayToEnd));
  let heap = await liveHeapBytes(proxy.program, wake);
  await allOver(proxy);
  const descriptors = await settledDescriptors(proxy);

  for (const way of waysToEnd) {
    await t.test(`${connections} connections: ${way.name}`, async t => {
      const start = performance.now();
      const countedBefore = await countOf(proxy, way);
      await inParallel(connections, atOnce, () => playToTheEnd(way, portOf(proxy, way)));
      await allOver(proxy);
      const counted = (await countOf(proxy, way)) - countedBefore;
      await until(
        () => proxy.program.descriptors() <= descriptors,
        () => `${proxy.program.descriptors()} descriptors to be ${descriptors} again`,
      );
      const heapAfter = await liveHeapBytes(proxy.program, wake);
      const seconds = (performance.now() - start) / 1000;
      t.diagnostic(
        `${seconds.toFixed(1)} s, ${Math.round(connections / seconds)}/s; ` +
          `heap ${Math.round((heapAfter - heap) / 1024)} KiB, ` +
          `${(proxy.program.residentBytes() / 2 ** 20).toFixed(0)} MiB resident`,
      );
      assert.equal(counted, connections, `counted as ${way.causes}: ${await proxy.get('/metrics').then(endsIn)}`);
      const growth = heapAfter - heap;
      heap = heapAfter;
      assert.ok(growth < heapToleranceBytes, `the live heap grew by ${growth} bytes`);
    });
  }
}

function portOf(proxy: LinkerdTcp, { name }: WayToEnd): number {
  return proxy.ports.get(`/svc/${name}`) as number;
}

async function countOf(proxy: LinkerdTcp, way: WayToEnd): Promise<number> {
  const srv_addr = `127.0.0.1:${portOf(proxy, way)}`;
  const counts = way.causes.map(cause => proxy.metric('l5d:srv:stream:end', { cause, srv_addr }));
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

function endsIn(metrics: string): string {
  return metrics.match(/^l5d:srv:stream:end.* [1-9].*$/gm)?.join('\n') ?? 'no series';
}

async function allOver(proxy: LinkerdTcp): Promise<void> {
  await until(async () => (await proxy.metric('l5d:srv:active')) === 0, 'every session to be over');
}

/** The fewest open descriptors over a second: without the admin API's own connections, which come and go. */
async function settledDescriptors(proxy: LinkerdTcp): Promise<number> {
  let fewest = Number.POSITIVE_INFINITY;
  let since = performance.now();
  await until(() => {
    const count = proxy.program.descriptors();
    if (count < fewest) {
      fewest = count;
      since = performance.now();
    }
    return performance.now() - since > 1000;
  }, 'the descriptors to settle');
  return fewest;
}
