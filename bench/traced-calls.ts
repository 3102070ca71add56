/**
 * Which system calls the worker thread of a loaded linkerd-tcp makes, counted by `strace -c`.
 *
 * strace stops the thread twice for each call, so calls per second are fewer than without it. How many calls a turn of the loop
 * takes is what counts: a turn is one wait for what happens next.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { DriverKind } from '../src/io/drivers/choose-driver.ts';
import { type Program, startProgram } from '../test/support/process.ts';
import type { Scope } from '../test/support/scope.ts';
import { until, within } from '../test/support/waiting.ts';
import { cpuSecondsOf } from './process-cost.ts';
import { whileLoaded } from './while-loaded.ts';

export interface CountedCall {
  readonly name: string;
  readonly count: number;
  /** How many of them failed; EAGAIN and ETIME are failures to strace. */
  readonly errors: number;
}

export interface TracedCalls {
  readonly seconds: number;
  /** Most frequent first. */
  readonly calls: readonly CountedCall[];
  /** Requests that redis answered in the meantime. */
  readonly requests: number;
}

/** The calls a turn of the loop begins with. On arm64 libc makes its epoll_wait out of epoll_pwait. */
const waits: Readonly<Record<DriverKind, readonly string[]>> = {
  uring: ['io_uring_enter'],
  epoll: ['epoll_wait', 'epoll_pwait'],
  portable: ['epoll_pwait', 'epoll_wait'],
};

export const allCalls = ({ calls }: TracedCalls): number => calls.reduce((sum, { count }) => sum + count, 0);

/** How often the thread went around its loop. */
export function turnsOf({ calls }: TracedCalls, driver: DriverKind): number {
  return calls.reduce((sum, { name, count }) => sum + (waits[driver].includes(name) ? count : 0), 0);
}

export interface Tracing {
  readonly driver: DriverKind;
  readonly seconds: number;
  /** Loaded before the trace begins, for the engine to compile what it will. */
  readonly warmUpSeconds: number;
}

/** redis-benchmark, GET over 50 connections, through one worker to a real redis, and strace on that worker for a while. */
export async function traceLoadedWorker(
  scope: Scope,
  { driver, seconds, warmUpSeconds }: Tracing,
): Promise<TracedCalls> {
  return whileLoaded(scope, { driver, warmUpSeconds }, async ({ pid, redis }) => {
    const thread = await busiestThread(pid);
    return countCalls(scope, thread, seconds, () => redis.info('total_commands_processed'));
  });
}

/** The thread that took the most CPU time during a while; an error when the process is idle. */
export async function busiestThread(pid: number, whileMs = 500): Promise<number> {
  const before = cpuSecondsOfThreads(pid);
  await delay(whileMs);
  let busiest = 0;
  let most = 0;
  for (const [thread, seconds] of cpuSecondsOfThreads(pid)) {
    const taken = seconds - (before.get(thread) ?? 0);
    if (taken > most) [busiest, most] = [thread, taken];
  }
  if (busiest === 0) throw new Error(`no thread of process ${pid} took any CPU time in ${whileMs} ms`);
  return busiest;
}

function cpuSecondsOfThreads(pid: number): Map<number, number> {
  const seconds = new Map<number, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      seconds.set(Number(thread), cpuSecondsOf(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')));
    } catch (error) {
      // A thread may end between the two looks; then it is not the one.
      if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  return seconds;
}

/** @param countRequests a counter, asked while strace is attached */
async function countCalls(
  scope: Scope,
  thread: number,
  seconds: number,
  countRequests: () => Promise<number>,
): Promise<TracedCalls> {
  const strace = startProgram(scope, 'strace', ['-c', '-p', String(thread)]);
  await isAttached(strace, thread);
  const start = performance.now();
  const requestsBefore = await countRequests();
  await delay(seconds * 1000);
  const requests = (await countRequests()) - requestsBefore;
  const took = (performance.now() - start) / 1000;
  if (strace.exit) throw new Error(`strace ended too early:\n${strace.output}`);
  strace.signal('SIGINT');
  await within(strace.exited, 'strace to tell what it counted');
  const calls = callsOf(strace.output);
  if (calls.length === 0) throw new Error(`strace saw no call of thread ${thread}:\n${strace.output}`);
  return { seconds: took, calls, requests };
}

async function isAttached(strace: Program, thread: number): Promise<void> {
  await until(
    () => / attached$/m.test(strace.output) || strace.exit !== undefined,
    () => `strace to attach to thread ${thread}; it printed: ${strace.output}`,
  );
  if (strace.exit === undefined) return;
  const advice = /not permitted|denied/i.test(strace.output)
    ? '\nIt needs ptrace: be root or have CAP_SYS_PTRACE (docker run --cap-add=SYS_PTRACE), or set kernel.yama.ptrace_scope to 0'
    : '';
  throw new Error(`strace cannot attach to thread ${thread}: ${strace.output.trim()}${advice}`);
}

/** The table of `strace -c`: % time, seconds, usecs/call, calls, errors (if any), name. */
export function callsOf(table: string): readonly CountedCall[] {
  const row = /^ *[\d.]+ +[\d.]+ +\d+ +(\d+)(?: +(\d+))? +([a-z_]\w*)$/gm;
  return [...table.matchAll(row)]
    .map(([, count, errors = '0', name = '']) => ({ name, count: Number(count), errors: Number(errors) }))
    .filter(({ name }) => name !== 'total')
    .sort((a, b) => b.count - a.count);
}
