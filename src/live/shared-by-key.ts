/** Observables by key: all who ask for a key share one subscription, which may outlive the last of them by a moment. */
import { defer, finalize, type Observable, ReplaySubject, Subject, share, takeUntil, timer } from 'rxjs';

export class SharedByKey<T> {
  readonly #lingerMs: number;
  readonly #live = new Map<string, Observable<T>>();
  readonly #closed = new Subject<void>();

  /** @param lingerMs bridges the gap when one observer follows another, as when a tree is replaced by its next version */
  constructor(lingerMs = 0) {
    this.#lingerMs = lingerMs;
  }

  /** Looks the key up at each subscription. A later observer starts with the last value. */
  get(key: string, create: () => Observable<T>): Observable<T> {
    return defer(() => {
      const known = this.#live.get(key);
      if (known) return known;
      const made = create().pipe(
        takeUntil(this.#closed),
        finalize(() => this.#live.delete(key)),
        share({
          connector: () => new ReplaySubject<T>(1),
          resetOnRefCountZero: this.#lingerMs === 0 || (() => timer(this.#lingerMs)),
        }),
      );
      this.#live.set(key, made);
      return made;
    });
  }

  /** Ends all of them, those that linger too. */
  close(): void {
    this.#closed.next();
  }
}
