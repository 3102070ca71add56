/**
 * Observations kept warm: all observers of a key share one, and it outlives the last of them for a while, so that polling
 * clients do not start a new one each time.
 *
 * Bounded twice: an observation without observers ends after its idle time, and at most `limit` idle ones are kept; the one that
 * was unused for longest is dropped first.
 */
import { Observable, ReplaySubject, type Subscription } from 'rxjs';
import type { Clock } from '../../live/clock.ts';

export interface ObservationLimits<T> {
  /** Idle observations kept. */
  readonly limit: number;
  /** How long one without observers is kept. @param last absent if it never had a value */
  readonly idleMs: (last: T | undefined) => number;
  readonly clock: Pick<Clock, 'after'>;
}

interface Kept<T> {
  /** Replays the newest value to new observers. */
  readonly values: ReplaySubject<T>;
  upstream?: Subscription;
  last?: T;
  users: number;
  cancelIdle: () => void;
}

export class Observations<T> {
  readonly #limits: ObservationLimits<T>;
  readonly #kept = new Map<string, Kept<T>>();
  /** The longest unused first. */
  readonly #idle = new Set<string>();

  constructor(limits: ObservationLimits<T>) {
    this.#limits = limits;
  }

  /** How many there are, idle ones included. */
  get size(): number {
    return this.#kept.size;
  }

  /** Looks the key up at each subscription. `create` must make live values: they never end. */
  get(key: string, create: () => Observable<T>): Observable<T> {
    return new Observable(out => {
      const known = this.#kept.get(key);
      const kept = known ?? { values: new ReplaySubject<T>(1), users: 0, cancelIdle: () => {} };
      kept.users++;
      kept.cancelIdle();
      this.#idle.delete(key);
      if (known === undefined) this.#begin(key, kept, create);
      out.add(kept.values.subscribe(out));
      out.add(() => {
        kept.users--;
        if (kept.users === 0 && this.#kept.get(key) === kept) this.#rest(key, kept);
      });
    });
  }

  /** Ends all of them; those in use emit nothing more. */
  close(): void {
    for (const key of [...this.#kept.keys()]) this.#end(key);
  }

  #begin(key: string, kept: Kept<T>, create: () => Observable<T>): void {
    this.#kept.set(key, kept);
    const upstream = create().subscribe(value => {
      kept.last = value;
      kept.values.next(value);
    });
    // An observer of its first value may have ended it.
    if (this.#kept.get(key) === kept) kept.upstream = upstream;
    else upstream.unsubscribe();
  }

  #rest(key: string, kept: Kept<T>): void {
    const { limit, idleMs, clock } = this.#limits;
    this.#idle.add(key);
    kept.cancelIdle = clock.after(idleMs(kept.last), () => this.#end(key));
    for (const oldest of this.#idle) {
      if (this.#idle.size <= limit) break;
      this.#end(oldest);
    }
  }

  #end(key: string): void {
    const kept = this.#kept.get(key);
    this.#kept.delete(key);
    this.#idle.delete(key);
    kept?.cancelIdle();
    kept?.upstream?.unsubscribe();
  }
}
