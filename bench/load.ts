/** The clients of the benchmark: redis-benchmark, iperf3 and the fixed-rate client, each in its own process. */
import { runProgram } from '../test/support/process.ts';
import { startRedisBenchmark } from '../test/support/redis-benchmark.ts';
import { type Scope, withScope } from '../test/support/scope.ts';
import { startClient, clientTimeoutMs as timeoutMs } from './client-process.ts';
import type { Order, RateResult } from './rate-client.ts';
import { cipherSuite, type Identity, serverName } from './tls-agreement.ts';

export interface RedisLoad {
  readonly connections: number;
  readonly requests: number;
  readonly pipelining?: number;
  /** A connection for each request. */
  readonly reconnect?: boolean;
  /** Of the proxy, when it is spoken to through TLS. */
  readonly identity?: Identity | undefined;
}

/** @returns requests per second. */
export function redisBenchmark(port: number, load: RedisLoad): Promise<number> {
  const { connections, requests, pipelining = 1, reconnect = false, identity } = load;
  return withScope(scope => {
    const args = ['-P', String(pipelining), ...(reconnect ? ['-k', '0'] : []), ...throughTls(identity)];
    return startRedisBenchmark(scope, port, { connections, requests, args, timeoutMs }).finished;
  });
}

function throughTls(identity: Identity | undefined): string[] {
  if (identity === undefined) return [];
  return ['--tls', '--sni', serverName, '--cacert', identity.authorityFile, '--tls-ciphersuites', cipherSuite];
}

export interface Bulk {
  readonly bytes: number;
  readonly bitsPerSecond: number;
}

export function iperf(port: number, seconds: number): Promise<Bulk> {
  return withScope(async scope => {
    const args = ['-c', '127.0.0.1', '-p', String(port), '-t', String(seconds), '-J'];
    const { code, output } = await runProgram(scope, 'iperf3', args, { timeoutMs });
    if (code !== 0) throw new Error(`iperf3 failed (exit code ${code}):\n${output.slice(-500)}`);
    const { end } = JSON.parse(output) as { end: { sum_received: { bytes: number; bits_per_second: number } } };
    return { bytes: end.sum_received.bytes, bitsPerSecond: end.sum_received.bits_per_second };
  });
}

export interface OpenConnections {
  load(order: Order): Promise<RateResult>;
}

/** Opens connections that have seen one answer each and are idle now. */
export async function openConnections(
  scope: Scope,
  port: number,
  count: number,
  identity?: Identity,
): Promise<OpenConnections> {
  const load = await startClient<Order, RateResult>(scope, {
    file: 'rate-client.ts',
    args: [String(port), String(count), ...(identity === undefined ? [] : [identity.authorityFile])],
    readyWhen: `${count} connections`,
  });
  return { load };
}
