/** A linkerd-tcp with one worker under redis-benchmark, in front of a real redis, for as long as something is measured of it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { DriverKind } from '../src/io/drivers/choose-driver.ts';
import { type Redis, startRedis } from '../test/support/redis.ts';
import { startRedisBenchmark } from '../test/support/redis-benchmark.ts';
import type { Scope } from '../test/support/scope.ts';
import { descriptorLimit } from './process-cost.ts';
import { allProxies } from './proxies.ts';

export interface LoadedProxy {
  readonly pid: number;
  readonly redis: Redis;
}

export interface LoadOptions {
  readonly driver: DriverKind;
  /** Loaded before the measurement begins, for the engine to compile what it will. */
  readonly warmUpSeconds: number;
  /** More arguments of redis-benchmark, which does GET over 50 connections. */
  readonly args?: readonly string[];
}

/** @throws Error when the load ends before the measurement does */
export async function whileLoaded<T>(
  scope: Scope,
  { driver, warmUpSeconds, args = [] }: LoadOptions,
  measure: (proxy: LoadedProxy) => Promise<T>,
): Promise<T> {
  const contender = allProxies(200, descriptorLimit()).find(({ name }) => name === driver);
  if (contender === undefined) throw new Error(`there is no driver ${driver}`);
  const redis = await startRedis(scope);
  const address = `127.0.0.1:${redis.port}`;
  const { pid, redisPort } = await contender.start(scope, { redis: address, bulk: address });
  const load = startRedisBenchmark(scope, redisPort, { connections: 50, requests: 2_000_000_000, args });
  const measured = delay(warmUpSeconds * 1000).then(() => measure({ pid, redis }));
  const ended = load.finished.then(() => {
    throw new Error('redis-benchmark ended before the measurement');
  });
  try {
    return await Promise.race([measured, ended]);
  } finally {
    await load.program.stop();
  }
}
