/** Tells the operator once when a namerd is lost and once when it is back, however many watches notice. */
import { finalize, type MonoTypeOperatorFunction, tap } from 'rxjs';
import { LinkerdTcpError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Activity } from '../activity.ts';

export class TroubleLog {
  readonly #log: Log;
  readonly #server: string;
  /** Targets that cannot reach the server; one line covers them all. */
  readonly #unreachable = new Set<string>();
  /** What a target that does reach it complains of. */
  readonly #complaints = new Map<string, string>();

  constructor(log: Log, server: string) {
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
          this.#unreachable.delete(target);
          this.#complaints.delete(target);
        }),
      );
  }

  #unwell(target: string, error: Error): void {
    if (error instanceof LinkerdTcpError && error.code === 'NAMERD_UNREACHABLE') {
      if (this.#unreachable.size === 0)
        this.#log.warn(`${error.message}; names keep their last good answer, and it is tried again`);
      this.#unreachable.add(target);
    } else if (this.#complaints.get(target) !== error.message) {
      this.#complaints.set(target, error.message);
      this.#log.warn(`${error.message}; the last good answer is kept, and it is tried again`);
    }
  }

  #well(target: string): void {
    const wasComplaining = this.#complaints.delete(target);
    if (this.#unreachable.delete(target) && this.#unreachable.size === 0)
      this.#log.info(`namerd at ${this.#server} answers again`);
    else if (wasComplaining) this.#log.info(`${this.#server}${target}: answers again`);
  }
}
