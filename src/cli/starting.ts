/**
 * A program that is being started, as signals see it: a stop ends the start, a reload waits for its end. Once it runs, what is
 * asked goes to it.
 */
import type { Signalled } from './signals.ts';

export class Starting implements Signalled {
  /** Resolves when the start is to end before there is a program, with whether that was asked for a second time. */
  readonly stopped: Promise<'stopped' | 'aborted'>;
  readonly #stopped = Promise.withResolvers<'stopped' | 'aborted'>();
  #program: Signalled | undefined;
  #isStopping = false;
  #isReloadWanted = false;

  constructor() {
    this.stopped = this.#stopped.promise;
  }

  get stopping(): boolean {
    return this.#program?.stopping ?? this.#isStopping;
  }

  /** It runs. */
  become(program: Signalled): void {
    this.#program = program;
    // The program logs why it fails.
    if (this.#isReloadWanted) program.reload().catch(() => {});
  }

  shutdown(reason: string): void {
    if (this.#program) return this.#program.shutdown(reason);
    this.#isStopping = true;
    this.#stopped.resolve('stopped');
  }

  abort(): void {
    if (this.#program) return this.#program.abort();
    this.#stopped.resolve('aborted');
  }

  async reload(): Promise<void> {
    if (this.#program) return this.#program.reload();
    this.#isReloadWanted = true;
  }

  /** While it starts, log files have only just been opened. */
  async reopenLogs(): Promise<void> {
    await this.#program?.reopenLogs();
  }
}
