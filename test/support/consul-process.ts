/**
 * A {@link FakeConsul} in a process of its own, with its log on disk: it can be killed, paused and started again in the middle of
 * anything. Its controls go over the channel that node opens to a forked process.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { FakeConsul } from './fake-consul.ts';
import type { Scope } from './scope.ts';
import { tempDir } from './temp-dir.ts';

type Controls = Omit<FakeConsul, 'port'>;

interface Call {
  readonly id: number;
  readonly control: keyof Controls;
  readonly args: readonly unknown[];
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

export class ConsulProcess {
  readonly #log: string;
  #child: ChildProcess | undefined;
  #calls = 0;
  /** 0 for any, until it was started. */
  port: number;

  constructor(log: string, port: number) {
    this.#log = log;
    this.port = port;
  }

  /** Again on the same port, with what was written. */
  async start(): Promise<void> {
    this.#child = fork(import.meta.filename, [this.#log], { stdio: 'inherit', execArgv: [] });
    await once(this.#child, 'spawn');
    this.port = await this.call('start', this.port);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  call<C extends keyof Controls>(
    control: C,
    ...args: Parameters<Controls[C]>
  ): Promise<Awaited<ReturnType<Controls[C]>>> {
    const child = this.#child;
    if (!child) return Promise.reject(new Error(`Consul is not running: ${control}`));
    const id = this.#calls++;
    return new Promise((resolve, reject) => {
      const over = () => {
        child.off('message', answered);
        child.off('exit', died);
      };
      const died = () => {
        over();
        reject(new Error(`Consul died during ${control}`));
      };
      const answered = (answer: Answer) => {
        if (answer.id !== id) return;
        over();
        if (answer.error === undefined) resolve(answer.value as Awaited<ReturnType<Controls[C]>>);
        else reject(new Error(answer.error));
      };
      child.on('message', answered);
      child.on('exit', died);
      child.send({ id, control, args } satisfies Call);
    });
  }
}

/** A running process that is killed when the test ends. */
export async function launchConsul(t: Scope, port = 0): Promise<ConsulProcess> {
  // Ends before its folder is gone.
  const consul: ConsulProcess[] = [];
  t.after(() => consul[0]?.kill());
  consul.push(new ConsulProcess(join(tempDir(t).path, 'raft.log'), port));
  await consul[0]!.start();
  return consul[0]!;
}

if (import.meta.main) {
  const server = new FakeConsul({ log: process.argv[2] as string });
  process.on('disconnect', () => process.exit());
  process.on('message', async ({ id, control, args }: Call) => {
    try {
      const value = await (server[control] as (...args: unknown[]) => unknown).apply(server, [...args]);
      process.send?.({ id, value } satisfies Answer);
    } catch (error) {
      process.send?.({ id, error: String(error) } satisfies Answer);
    }
  });
}
