/** Logs once when a namerd is unreachable or refuses requests, and once when it recovers, however many watches notice. */
import { finalize, type MonoTypeOperatorFunction, tap } from 'rxjs';
import { LinkerdTcpError } from '../../errors.ts';
import type { Activity } from '../../live/activity.ts';
import type { Log } from '../../log.ts';

/** Failures that concern all targets alike: one line covers them. */
const common = ['NAMERD_UNREACHABLE', 'NAMERD_DENIED'] as const;
type Common = (typeof common)[number];

export class TroubleLog {
  readonly #log: Log;
  readonly #server: () => string;
  /** Targets that have a failure which all may have. */
  readonly #failing: Readonly<Record<Common, Set<string>>> = {
    NAMERD_UNREACHABLE: new Set(),
    NAMERD_DENIED: new Set(),
  };
  /** Failures of a single target whose server answers. */
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
          if (activity.state === 'ok') this.#succeeded(target);
          else if (activity.state === 'failed') this.#failed(target, activity.error);
        }),
        finalize(() => {
          for (const code of common) this.#failing[code].delete(target);
          this.#complaints.delete(target);
        }),
      );
  }

  #failed(target: string, error: Error): void {
    const code = error instanceof LinkerdTcpError ? common.find(each => each === error.code) : undefined;
    if (code !== undefined) {
      const targets = this.#failing[code];
      if (targets.size === 0) this.#log.warn(`${error.message}; names keep their last known addresses; retrying`);
      targets.add(target);
    } else if (this.#complaints.get(target) !== error.message) {
      this.#complaints.set(target, error.message);
      this.#log.warn(`${error.message}; the last known answer stays in use; retrying`);
    }
    this.#recover(target, code);
  }

  #succeeded(target: string): void {
    const wasComplaining = this.#complaints.delete(target);
    if (!this.#recover(target) && wasComplaining) this.#log.info(`${this.#server()}${target}: recovered`);
  }

  /** @param except the failure that it has now. @returns whether it was the last target with another one */
  #recover(target: string, except?: Common): boolean {
    const ended = common.filter(
      code => code !== except && this.#failing[code].delete(target) && this.#failing[code].size === 0,
    );
    if (ended.length > 0) this.#log.info(`namerd at ${this.#server()} recovered`);
    return ended.length > 0;
  }
}
