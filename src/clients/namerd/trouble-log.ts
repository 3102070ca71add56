/** Logs once when a namerd is unreachable or refuses us, and once when it recovers, however many watches notice. */
import { finalize, type MonoTypeOperatorFunction, tap } from 'rxjs';
import { LinkerdTcpError } from '../../errors.ts';
import type { Activity } from '../../live/activity.ts';
import type { Log } from '../../log.ts';

/** What concerns all targets alike: one line covers them. */
const common = ['NAMERD_UNREACHABLE', 'NAMERD_DENIED'] as const;
type Common = (typeof common)[number];

export class TroubleLog {
  readonly #log: Log;
  readonly #server: () => string;
  /** Targets that have a trouble they share, and which. */
  readonly #lost = new Map<string, Common>();
  /** What a target that does reach the server complains of. */
  readonly #complaints = new Map<string, string>();

  /** @param server the address of the one in use */
  constructor(log: Log, server: () => string) {
    this.#log = log;
    this.#server = server;
  }

  /** Watches `target`'s activities pass. */
  follow<T>(target: string): MonoTypeOperatorFunction<Activity<T>> {
    return source =>
      source.pipe(
        tap(activity => {
          if (activity.state === 'ok') this.#well(target);
          else if (activity.state === 'failed') this.#unwell(target, activity.error);
        }),
        finalize(() => {
          this.#lost.delete(target);
          this.#complaints.delete(target);
        }),
      );
  }

  #unwell(target: string, error: Error): void {
    const trouble = error instanceof LinkerdTcpError ? common.find(code => code === error.code) : undefined;
    if (trouble !== undefined) {
      if (![...this.#lost.values()].includes(trouble))
        this.#log.warn(`${error.message}; names keep their last known addresses; retrying`);
      this.#lost.set(target, trouble);
    } else if (this.#complaints.get(target) !== error.message) {
      this.#complaints.set(target, error.message);
      this.#log.warn(`${error.message}; the last known answer stays in use; retrying`);
    }
  }

  #well(target: string): void {
    const wasComplaining = this.#complaints.delete(target);
    if (this.#lost.delete(target) && this.#lost.size === 0) this.#log.info(`namerd at ${this.#server()} recovered`);
    else if (wasComplaining) this.#log.info(`${this.#server()}${target}: recovered`);
  }
}
