/** redis-benchmark loops through the proxy while its config is reloaded again and again: no error, flat memory. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { DriverKind } from '../../src/io/drivers/choose-driver.ts';
import { inspectable, liveHeapBytes } from './heap.ts';
import { fsRouting, startLinkerdTcp } from './linkerd-tcp.ts';
import { askRedis, startRedis } from './redis.ts';
import { startRedisBenchmark } from './redis-benchmark.ts';
import type { Scope } from './scope.ts';

export interface SoakOptions {
  readonly seconds: number;
  readonly reloadEveryMs: number;
  readonly driver?: DriverKind;
  /** Requests of one run of redis-benchmark; each run makes its connections anew. */
  readonly requests?: number;
  readonly report?: (line: string) => void;
}

export interface SoakResult {
  readonly runs: number;
  readonly reloads: number;
  /** Resident memory, one sample each second. The engine lets it rise for the first minutes, whatever is alive. */
  readonly residentBytes: readonly number[];
  /** Growth of what is alive on all threads, from soon after the start to the end. */
  readonly heapGrowthBytes: number;
}

const connections = 50;

export async function soak(t: Scope, options: SoakOptions): Promise<SoakResult> {
  const { seconds, reloadEveryMs, driver, requests = 100_000, report = () => {} } = options;
  const redis = await startRedis(t);
  const proxy = await startLinkerdTcp(t, {
    ...fsRouting({ driver, dtab: '/svc/redis => /#/io.l5d.fs/a;', disco: { a: [redis.port] } }),
    env: inspectable,
  });
  const liveHeap = (): Promise<number> => liveHeapBytes(proxy.program, () => askRedis(proxy.port, 'PING'));
  const end = performance.now() + seconds * 1000;
  const isGoingOn = (): boolean => performance.now() < end && proxy.program.exit === undefined;
  let runs = 0;
  let reloads = 0;
  const residentBytes: number[] = [];

  const load = async (): Promise<void> => {
    while (isGoingOn()) {
      const rate = await startRedisBenchmark(t, proxy.port, { connections, requests }).finished;
      runs++;
      report(
        `run ${runs}: ${rate} requests/s, ${reloads} reloads, ${mebibytes(residentBytes.at(-1) ?? 0)} MiB resident`,
      );
    }
  };
  const reload = async (): Promise<void> => {
    while (isGoingOn()) {
      await delay(reloadEveryMs);
      await proxy.post('/reload');
      reloads++;
    }
  };
  const sample = async (): Promise<void> => {
    while (isGoingOn()) {
      await delay(1000);
      residentBytes.push(proxy.program.residentBytes());
    }
  };
  // Early: measuring collects all garbage, and resident memory needs a minute to rise again to where it stays.
  const earlyHeap = delay(Math.min(seconds / 3, Math.max(5, seconds / 20)) * 1000).then(liveHeap);
  await Promise.all([load(), reload(), sample(), earlyHeap]);
  assert.equal(proxy.program.exit, undefined, `the proxy ended:\n${proxy.program.output}`);
  assert.equal(await proxy.metric('l5d:config:reloads', { result: 'ok' }), reloads);
  assert.equal(await proxy.metric('l5d:srv:failures'), 0, 'a session failed');
  return { runs, reloads, residentBytes, heapGrowthBytes: (await liveHeap()) - (await earlyHeap) };
}

/** Growth from the second to the last quarter of the samples: the first one is warm-up. */
export function growthBytes(samples: readonly number[]): number {
  const quarter = Math.max(1, Math.floor(samples.length / 4));
  return median(samples.slice(-quarter)) - median(samples.slice(quarter, 2 * quarter));
}

export function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}
