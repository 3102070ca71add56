/**
 * A server of a test in a process of its own, so that it can be killed or paused in the middle of anything. Its controls take and
 * give plain JSON; they go over the channel that node opens to a forked process.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

interface Call {
  readonly id: number;
  readonly control: string;
  readonly args: readonly unknown[];
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

type Outcome<F extends (...args: never[]) => unknown> = Promise<Awaited<ReturnType<F>>>;

/** `Controls` are methods of what the process gives to {@link serveControls}. */
export class ForkedServer<
  Controls extends Record<keyof Controls, (...args: never[]) => unknown> & { start(port: number): Promise<number> },
> {
  readonly #name: string;
  readonly #file: string;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  #port: number;
  #calls = 0;

  /** @param file the module to run. @param port 0 for any */
  constructor(name: string, file: string, args: readonly string[] = [], port = 0) {
    this.#name = name;
    this.#file = file;
    this.#args = args;
    this.#port = port;
  }

  get port(): number {
    return this.#port;
  }

  /** Again on the same port. */
  async start(): Promise<void> {
    this.#child = fork(this.#file, this.#args, { stdio: 'inherit', execArgv: [] });
    await once(this.#child, 'spawn');
    this.#port = (await this.#ask('start', [this.#port])) as number;
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

  call<C extends keyof Controls & string>(control: C, ...args: Parameters<Controls[C]>): Outcome<Controls[C]> {
    return this.#ask(control, args) as Outcome<Controls[C]>;
  }

  #ask(control: string, args: readonly unknown[]): Promise<unknown> {
    const child = this.#child;
    if (!child) return Promise.reject(new Error(`${this.#name} is not running: ${control}`));
    const id = this.#calls++;
    return new Promise((resolve, reject) => {
      const over = () => {
        child.off('message', answered);
        child.off('exit', died);
      };
      const died = () => {
        over();
        reject(new Error(`${this.#name} died during ${control}`));
      };
      const answered = (answer: Answer) => {
        if (answer.id !== id) return;
        over();
        if (answer.error === undefined) resolve(answer.value);
        else reject(new Error(answer.error));
      };
      child.on('message', answered);
      child.on('exit', died);
      child.send({ id, control, args } satisfies Call);
    });
  }
}

/** In the forked process: it lives as long as the test. */
export function serveControls(server: object): void {
  process.on('disconnect', () => process.exit());
  process.on('message', async ({ id, control, args }: Call) => {
    try {
      const method = (server as Record<string, (...args: unknown[]) => unknown>)[control]!;
      process.send?.({ id, value: await method.apply(server, [...args]) } satisfies Answer);
    } catch (error) {
      process.send?.({ id, error: String(error) } satisfies Answer);
    }
  });
}
