/** redis-benchmark as load: it fails on the first lost connection or wrong answer. */
import { type Program, startProgram } from './process.ts';
import type { Scope } from './scope.ts';
import { within } from './waiting.ts';

export interface Load {
  readonly program: Program;
  /** Requests per second; rejects when a single request failed. */
  readonly finished: Promise<number>;
}

export function startRedisBenchmark(
  t: Scope,
  port: number,
  options: {
    readonly connections?: number;
    readonly requests?: number;
    readonly args?: readonly string[];
    readonly timeoutMs?: number;
  } = {},
): Load {
  const { connections = 50, requests = 200_000, args = [], timeoutMs = 120_000 } = options;
  const program = startProgram(t, 'redis-benchmark', [
    ...['-h', '127.0.0.1', '-p', String(port), '-c', String(connections), '-n', String(requests), '-t', 'get', '-q'],
    ...args,
  ]);
  return { program, finished: resultOf(program, timeoutMs) };
}

async function resultOf(program: Program, timeoutMs: number): Promise<number> {
  const { code } = await within(program.exited, 'redis-benchmark to end', timeoutMs);
  const rate = /GET: ([\d.]+) requests per second/.exec(program.output);
  if (code !== 0 || rate === null || /error|reset|closed/i.test(program.output)) {
    throw new Error(`redis-benchmark failed (exit code ${code}):\n${program.output}`);
  }
  return Number(rate[1]);
}
