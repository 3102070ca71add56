/**
 * How a program ends that runs until it is told to stop: by a shutdown that lets things finish, at once, or because a part of it
 * failed. It is over when all that was begun is closed, the last first.
 */
import { reasonOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Outcome } from './outcome.ts';

export class Lifecycle {
  readonly #log: Log;
  readonly #done = Promise.withResolvers<Outcome>();
  readonly #closers: (() => unknown)[] = [];
  #stopping = false;

  constructor(log: Log) {
    this.#log = log;
  }

  get done(): Promise<Outcome> {
    return this.#done.promise;
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** Called at the end, before those that were given earlier. */
  onClose(close: () => unknown): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }

  /** The first time, what `drain` does is the way to the end. */
  shutdown(drain: () => Promise<void>): void {
    if (this.#stopping) return;
    this.#stopping = true;
    void drain().then(
      () => this.#done.resolve('stopped'),
      error => this.died(error),
    );
  }

  /** @param text what happens to those who use the program */
  abort(text: string): void {
    this.#stopping = true;
    this.#log.warn(text);
    this.#endAtOnce('aborted');
  }

  died(error: unknown): void {
    this.#stopping = true;
    const defect = error instanceof Error ? (error.cause ?? error) : error;
    this.#log.error(
      `${reasonOf(error)}; the process ends`,
      defect instanceof Error && defect.stack !== undefined ? { report: defect.stack } : {},
    );
    this.#endAtOnce('died');
  }

  /** Whoever waits for the end need not wait for the parts: a program exits, a library goes on without them. */
  #endAtOnce(outcome: Outcome): void {
    this.#done.resolve(outcome);
    this.close().catch(error => this.#log.error('not everything could be closed', { reason: error }));
  }
}
