/** Live values that all who look at the same time share, by key: one begins with the first of them and ends with the last. */
import { defer, finalize, type Observable } from 'rxjs';
import { shareLast } from '../naming/watched.ts';

export class Shared<T> {
  readonly #live = new Map<string, Observable<T>>();

  /** Looks the key up at each subscription. */
  get(key: string, create: () => Observable<T>): Observable<T> {
    return defer(() => {
      const known =
        this.#live.get(key) ??
        create().pipe(
          finalize(() => this.#live.delete(key)),
          shareLast(),
        );
      this.#live.set(key, known);
      return known;
    });
  }
}
