/** The rows of the benchmark: what is done through each proxy, and what is measured of it. */
import { setTimeout as delay } from 'node:timers/promises';
import { withScope } from '../test/support/scope.ts';
import { iperf, openConnections, type RedisLoad, redisBenchmark } from './load.ts';
import { costOf, ownBytes } from './process-cost.ts';
import type { Backends, Contender, RunningProxy } from './proxies.ts';

export interface Metric {
  readonly key: string;
  readonly title: string;
  readonly better: 'more' | 'less';
  /** What the picture calls it: its ratio to the baseline is a bar there. */
  readonly drawn?: string;
  /** A ratio of the proxy's own already: not compared with the baseline. */
  readonly absolute?: boolean;
}

export interface Subject {
  readonly proxy: Contender;
  readonly running: RunningProxy;
  readonly backends: Backends;
}

export interface Row {
  readonly id: string;
  readonly title: string;
  /** The proxy the others are compared with. */
  readonly baseline: string;
  readonly isBulk?: boolean;
  /** Measured once for nothing before the first round. */
  readonly warmsUp?: boolean;
  readonly metrics: readonly Metric[];
  measure(subject: Subject): Promise<Record<string, number>>;
}

export interface Size {
  /** 1 for the full run; less measures for a shorter time. */
  readonly effort: number;
  /** The most connections a proxy can hold with this machine's limit of descriptors. */
  readonly mostConnections: number;
}

/** Requests per second of the latency and scaling rows: well below what the slowest proxy can do beside its clients. */
const fixedRate = 8000;
const idleConnections = 10_000;

const perCpuSecond = (what: string, drawn?: string): Metric => ({
  key: 'perCpuSecond',
  title: `${what} per CPU second of the proxy`,
  better: 'more',
  ...(drawn !== undefined && { drawn }),
});
const perSecond = (what: string): Metric => ({ key: 'perSecond', title: `${what} per second`, better: 'more' });

export function allRows({ effort, mostConnections }: Size): Row[] {
  const redisRow = (id: string, title: string, load: RedisLoad): Row => ({
    id,
    title,
    baseline: 'haproxy',
    warmsUp: true,
    metrics: load.reconnect
      ? [perCpuSecond('connections', title), perSecond('connections')]
      : [perCpuSecond('requests', title), perSecond('requests')],
    async measure({ running }) {
      const requests = Math.round(load.requests * effort);
      const { result, cpu } = await costOf(running.pid, () => redisBenchmark(running.redisPort, { ...load, requests }));
      return { perCpuSecond: requests / cpu, perSecond: result };
    },
  });
  return [
    redisRow('get-50', 'redis GET, 50 connections', { connections: 50, requests: 200_000 }),
    redisRow('get-500', 'redis GET, 500 connections', { connections: 500, requests: 200_000 }),
    redisRow('get-50-p16', 'redis GET, 50 connections, pipeline 16', {
      connections: 50,
      requests: 2_000_000,
      pipelining: 16,
    }),
    redisRow('get-500-p16', 'redis GET, 500 connections, pipeline 16', {
      connections: 500,
      requests: 2_000_000,
      pipelining: 16,
    }),
    redisRow('connect', 'a new connection for each request', { connections: 50, requests: 25_000, reconnect: true }),
    bulkRow(Math.max(1, Math.round(3 * effort))),
    latencyRow(5 * effort),
    memoryRow(Math.min(idleConnections, mostConnections)),
    scalingRow(
      [100, 1000, 4000, 8000, 20_000].map(count => Math.min(count, mostConnections)),
      3 * effort,
    ),
  ];
}

function bulkRow(seconds: number): Row {
  return {
    id: 'bulk',
    title: 'bulk, one iperf3 stream',
    baseline: 'haproxy-splice',
    isBulk: true,
    warmsUp: true,
    metrics: [perCpuSecond('GB', 'bulk, one stream'), { key: 'perSecond', title: 'Gbit per second', better: 'more' }],
    async measure({ running }) {
      const { result, cpu } = await costOf(running.pid, () => iperf(running.bulkPort, seconds));
      return { perCpuSecond: result.bytes / 1e9 / cpu, perSecond: result.bitsPerSecond / 1e9 };
    },
  };
}

function latencyRow(seconds: number): Row {
  return {
    id: 'latency',
    title: `latency at ${fixedRate} requests per second, 50 connections`,
    baseline: 'haproxy',
    metrics: [
      { key: 'p50Ms', title: 'p50, ms', better: 'less', drawn: 'latency at a fixed rate, p50' },
      { key: 'p99Ms', title: 'p99, ms', better: 'less', drawn: 'latency at a fixed rate, p99' },
      perCpuSecond('requests'),
    ],
    measure: ({ running }) =>
      withScope(async scope => {
        const connections = await openConnections(scope, running.redisPort, 50);
        await connections.load({ rate: fixedRate, seconds: 0.5 });
        const { result, cpu } = await costOf(running.pid, () => connections.load({ rate: fixedRate, seconds }));
        return { p50Ms: result.p50Ms, p99Ms: result.p99Ms, perCpuSecond: result.requests / cpu };
      }),
  };
}

/** A fresh process each time: what earlier load made it keep would hide what connections take. */
function memoryRow(count: number): Row {
  return {
    id: 'memory',
    title: `memory with ${count} idle connections`,
    baseline: 'haproxy',
    metrics: [
      {
        key: 'bytesPerConnection',
        title: 'bytes of the process per connection',
        better: 'less',
        drawn: 'memory per idle connection',
      },
      { key: 'restMiB', title: 'MiB of the process at rest', better: 'less' },
    ],
    measure: ({ proxy, backends }) =>
      withScope(async scope => {
        const fresh = await proxy.start(scope, backends);
        await redisBenchmark(fresh.redisPort, { connections: 50, requests: 5000 });
        await delay(1000);
        const rest = ownBytes(fresh.pid);
        await openConnections(scope, fresh.redisPort, count);
        await delay(1000);
        return { bytesPerConnection: (ownBytes(fresh.pid) - rest) / count, restMiB: rest / 2 ** 20 };
      }),
  };
}

function scalingRow(counts: readonly number[], seconds: number): Row {
  const distinct = [...new Set(counts)];
  const fewest = distinct[0] as number;
  const most = distinct[distinct.length - 1] as number;
  return {
    id: 'scaling',
    title: `CPU per request from ${fewest} to ${most} connections, ${fixedRate} requests per second`,
    baseline: 'haproxy',
    metrics: [
      ...distinct.map<Metric>(count => ({
        key: `micros${count}`,
        title: `µs of CPU per request, ${count} connections`,
        better: 'less',
        ...(count === most && { drawn: `CPU per request, ${most} connections` }),
      })),
      { key: 'growth', title: `growth from ${fewest} to ${most} connections`, better: 'less', absolute: true },
    ],
    async measure({ running }) {
      const values: Record<string, number> = {};
      for (const count of distinct) {
        values[`micros${count}`] = await withScope(async scope => {
          const connections = await openConnections(scope, running.redisPort, count);
          await connections.load({ rate: fixedRate, seconds: 0.5 });
          const { result, cpu } = await costOf(running.pid, () => connections.load({ rate: fixedRate, seconds }));
          return (cpu * 1e6) / result.requests;
        });
      }
      values['growth'] = (values[`micros${most}`] as number) / (values[`micros${fewest}`] as number);
      return values;
    },
  };
}
