/**
 * The end of a long-running program: by a graceful shutdown, by an abort, or because a part of it
 * failed. It is complete when every part is closed, in reverse order of their start.
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

  /** Registers a function to call at the end, before those registered earlier. */
  onClose(close: () => unknown): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }

  /** Only the first call has an effect. @param drain closes the parts gracefully */
  shutdown(drain: () => Promise<void>): void {
    if (this.#stopping) return;
    this.#stopping = true;
    void drain().then(
      () => this.#done.resolve('stopped'),
      error => this.died(error),
    );
  }

  /** @param text log message with the consequence for clients */
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

  /** Does not wait for the parts to close: a program exits, a library continues without them. */
  #endAtOnce(outcome: Outcome): void {
    this.#done.resolve(outcome);
    this.close().catch(error => this.#log.error('some parts could not be closed', { reason: error }));
  }
}
