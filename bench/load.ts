/** The clients of the benchmark: redis-benchmark, iperf3 and our own at a fixed rate, each a process of its own. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { runProgram } from '../test/support/process.ts';
import { startRedisBenchmark } from '../test/support/redis-benchmark.ts';
import { type Scope, withScope } from '../test/support/scope.ts';
import { within } from '../test/support/waiting.ts';
import type { Order, RateResult } from './rate-client.ts';

const timeoutMs = 60_000;

export interface RedisLoad {
  readonly connections: number;
  readonly requests: number;
  readonly pipelining?: number;
  /** A connection for each request. */
  readonly reconnect?: boolean;
}

/** @returns requests per second. */
export function redisBenchmark(port: number, load: RedisLoad): Promise<number> {
  const { connections, requests, pipelining = 1, reconnect = false } = load;
  return withScope(scope => {
    const args = ['-P', String(pipelining), ...(reconnect ? ['-k', '0'] : [])];
    return startRedisBenchmark(scope, port, { connections, requests, args, timeoutMs }).finished;
  });
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
export async function openConnections(scope: Scope, port: number, count: number): Promise<OpenConnections> {
  const child = fork(join(import.meta.dirname, 'rate-client.ts'), [String(port), String(count)], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  const ended = once(child, 'exit');
  let complaint = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  scope.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const answer = async (what: string): Promise<unknown> => {
    const message = once(child, 'message').then(([value]) => value as unknown);
    const failed = ended.then(([code]) => {
      throw new Error(`the client ended (exit code ${code}) before ${what}: ${complaint.trim()}`);
    });
    return within(Promise.race([message, failed]), what, timeoutMs);
  };
  await answer(`${count} connections`);
  return {
    load(order) {
      const result = answer('the end of the load');
      child.send(order);
      return result as Promise<RateResult>;
    },
  };
}
