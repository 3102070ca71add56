/**
 * A program under test: started with its output collected, waited for by what it prints, ended by its own pid.
 *
 * A program that is not installed fails the test with the line to type; nothing is skipped.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { findProgram } from '../../scripts/debian-packages.ts';
import type { Scope } from './scope.ts';
import { defaultTimeoutMs, within } from './waiting.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** How long it may take to end after SIGTERM when the test is over, before it is killed. */
  readonly stopTimeoutMs?: number;
}

export class Program {
  readonly pid: number;
  /** Standard output and standard error in the order they came. */
  output = '';
  readonly exited: Promise<Exit>;
  /** Set once it has ended. */
  exit: Exit | undefined;

  readonly #name: string;
  readonly #child: ChildProcess;
  #changed = Promise.withResolvers<void>();

  constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.#child = child;
    this.pid = child.pid as number;
    const collect = (chunk: string): void => {
      this.output += chunk;
      this.#notify();
    };
    child.stdout?.setEncoding('utf8').on('data', collect);
    child.stderr?.setEncoding('utf8').on('data', collect);
    this.exited = new Promise(resolve => {
      child.on('close', (code, signal) => {
        this.exit = { code, signal };
        resolve(this.exit);
        this.#notify();
      });
    });
  }

  /** Resolves with the first match of `pattern` in the output, at or after the offset `from`. */
  async printed(pattern: RegExp, { from = 0, timeoutMs = defaultTimeoutMs } = {}): Promise<RegExpExecArray> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.output.slice(from));
      if (match) return match;
      if (this.exit) throw new Error(`${this.#name} ended (${showExit(this.exit)}) before ${pattern}:\n${this.output}`);
      const left = Math.max(1, deadline - performance.now());
      await within(this.#changed.promise, `${this.#name} to print ${pattern}`, left).catch(error => {
        throw new Error(`${error.message}; it printed:\n${this.output}`);
      });
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it: SIGTERM, and SIGKILL when that takes too long. */
  async stop(timeoutMs = 5000): Promise<Exit> {
    if (this.exit) return this.exit;
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), timeoutMs);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  /** Resident memory in bytes. */
  residentBytes(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  /** Number of open file descriptors. */
  descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

export function showExit({ code, signal }: Exit): string {
  return signal === null ? `exit code ${code}` : `by ${signal}`;
}

/** Starts a program by path, or by name if it is on PATH or in Debian's directories. */
export function startProgram(t: Scope, name: string, args: readonly string[], options: ProgramOptions = {}): Program {
  const file = name.includes('/') ? name : findProgram(name);
  if (file === undefined)
    throw new Error(`${name} is not installed; \`npm test\` installs it or prints the command that does`);
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (child.pid === undefined) {
    child.on('error', () => {});
    throw new Error(`${file} cannot be started`);
  }
  const program = new Program(name, child);
  t.after(() => program.stop(options.stopTimeoutMs));
  return program;
}

/** Runs a program to its end. */
export async function runProgram(
  t: Scope,
  name: string,
  args: readonly string[],
  options: ProgramOptions & { readonly timeoutMs?: number } = {},
): Promise<Exit & { readonly output: string }> {
  const program = startProgram(t, name, args, options);
  const exit = await within(program.exited, `${name} ${args.join(' ')} to end`, options.timeoutMs ?? 60_000);
  return { ...exit, output: program.output };
}
