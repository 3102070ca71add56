/** Runs one process of the suite to its end, with its output collected, and stops it and all it started when it takes too long. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noCounts, type Results } from './results.ts';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs: number;
  /** Receives the output as it arrives; without it the output is only collected. */
  readonly print?: (text: string) => void;
}

export interface Outcome {
  readonly ok: boolean;
  readonly output: string;
  readonly seconds: number;
  /** How it ended, when that was not with exit code 0. */
  readonly problem?: string;
}

const running = new Set<ChildProcess>();
const shownLines = 40;

export async function runCommand(command: Command): Promise<Outcome> {
  const { program, args, cwd, env, timeoutMs, print } = command;
  const start = performance.now();
  // A process group of its own: a test file that must be stopped takes the servers along that it started.
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  running.add(child);
  let output = '';
  const collect = (text: string): void => {
    output += text;
    print?.(text);
  };
  child.stdout.setEncoding('utf8').on('data', collect);
  child.stderr.setEncoding('utf8').on('data', collect);
  const timer = setTimeout(() => stopGroup(child), timeoutMs);
  const problem = await new Promise<string | undefined>(resolve => {
    child.on('error', error => resolve(error.message));
    // Not 'close': a server left behind may hold the output open. It is stopped right here.
    child.on('exit', (code, signal) => {
      const isLate = performance.now() - start >= timeoutMs;
      if (isLate) resolve(`did not end within ${timeoutMs / 1000} s and was stopped`);
      else if (signal !== null) resolve(`was ended by ${signal}`);
      else resolve(code === 0 ? undefined : `ended with exit code ${code}`);
    });
  });
  clearTimeout(timer);
  stopGroup(child);
  if (child.pid !== undefined) await Promise.all([drained(child.stdout), drained(child.stderr)]);
  running.delete(child);
  const seconds = (performance.now() - start) / 1000;
  return { ok: problem === undefined, output, seconds, problem };
}

/** Runs test files in one process. A process that crashes or ends early counts as one failed test. */
export async function runTests(name: string, command: Command): Promise<Outcome & Results> {
  const directory = mkdtempSync(join(tmpdir(), 'linkerd-tcp-suite-'));
  const file = join(directory, 'results.json');
  try {
    const outcome = await runCommand({ ...command, env: { ...command.env, TEST_RESULTS: file } });
    const results = readResults(file);
    const problem = problemOf(outcome, results);
    if (problem === undefined) return { ...outcome, ...(results as Results) };
    const { counts, failures, timings } = results ?? { counts: noCounts, failures: '', timings: {} };
    const lastLines = results === undefined ? outcome.output.trimEnd().split('\n').slice(-shownLines) : [];
    return {
      ...outcome,
      ok: false,
      counts: { ...counts, tests: counts.tests + 1, fail: counts.fail + 1 },
      failures: `${failures}\n✖ ${[`${name} ${problem}`, ...lastLines].join('\n  ')}\n`,
      timings,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Failed tests explain exit code 1; everything else that is not a success is a failure of the process itself. */
function problemOf({ problem }: Outcome, results: Results | undefined): string | undefined {
  if (results === undefined) return problem ?? 'ended before its tests did';
  const { fail, cancelled } = results.counts;
  if (problem === 'ended with exit code 1' && fail + cancelled > 0) return undefined;
  return problem;
}

function readResults(file: string): Results | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Results;
  } catch {
    return undefined;
  }
}

async function drained(stream: NodeJS.ReadableStream & { readonly readableEnded?: boolean }): Promise<void> {
  if (!stream.readableEnded) await new Promise(resolve => stream.once('close', resolve));
}

function stopGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing is left of it.
  }
}

/** For Ctrl-C: the groups do not hear the terminal's signal. */
export function stopAll(): void {
  for (const child of running) stopGroup(child);
}
