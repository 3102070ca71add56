/** The rows without TLS: small messages, connections, bulk, latency, memory, and how they scale. */
import { withScope } from '../test/support/scope.ts';
import { idleRow } from './idle-row.ts';
import { iperf, openConnections, type RedisLoad, redisBenchmark } from './load.ts';
import { costOf } from './process-cost.ts';
import { type Metric, perCpuSecond, perSecond, type Row, type Size } from './row.ts';

/** Requests per second of the latency and scaling rows: well below what the slowest proxy can do beside its clients. */
const fixedRate = 8000;
const idleConnections = 10_000;

export function plainRows({ effort, mostConnections }: Size): Row[] {
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
    idleRow({ id: 'memory', kind: 'idle', count: Math.min(idleConnections, mostConnections) }),
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
