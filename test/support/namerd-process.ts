/**
 * A test namerd in a process of its own, so that it can be killed in the middle of anything. Its controls are those of
 * {@link NamerdServer} that take and give plain JSON; they go over the channel that node opens to a forked process.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { NamerdServer } from './namerd.ts';

type Controls = Omit<NamerdServer, 'url' | 'port' | 'until'>;
type Control = keyof Controls;

interface Call {
  readonly id: number;
  readonly control: Control;
  readonly args: readonly unknown[];
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

export class NamerdProcess {
  #child: ChildProcess | undefined;
  #port = 0;
  #calls = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** Starts with empty memory: the first time on any port, later on the same one. */
  async start(): Promise<void> {
    this.#child = fork(import.meta.filename, { stdio: 'inherit', execArgv: [] });
    await once(this.#child, 'spawn');
    this.#port = await this.call('start', this.#port);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  call<C extends Control>(control: C, ...args: Parameters<Controls[C]>): Promise<Awaited<ReturnType<Controls[C]>>> {
    const child = this.#child;
    if (!child) return Promise.reject(new Error(`namerd is not running: ${control}`));
    const id = this.#calls++;
    return new Promise((resolve, reject) => {
      const over = () => {
        child.off('message', answered);
        child.off('exit', died);
      };
      const died = () => {
        over();
        reject(new Error(`namerd died during ${control}`));
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
export async function launchNamerd(t: { after(done: () => Promise<void>): void }): Promise<NamerdProcess> {
  const namerd = new NamerdProcess();
  t.after(() => namerd.kill());
  await namerd.start();
  return namerd;
}

if (import.meta.main) {
  const server = new NamerdServer();
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
