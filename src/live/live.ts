/**
 * Putting live values together.
 *
 * Their results have a state from the moment they are observed, never error (a failure is a state), and never complete:
 * a source that ends leaves its last state standing.
 */
import { Observable, type OperatorFunction, Subscription } from 'rxjs';
import type { NameTree } from '../dtab/name-tree.ts';
import { type Activity, failed, pending } from './activity.ts';

/** Makes a foreign source keep the promises above: silence is `pending`, what is thrown is `failed`. */
export function live<T>(source: () => Observable<Activity<T>>): Observable<Activity<T>> {
  return new Observable(out => {
    let silent = true;
    const tell = (state: Activity<T>) => {
      silent = false;
      out.next(state);
    };
    const fail = (error: unknown) => tell(failed(error instanceof Error ? error : new Error(String(error))));
    try {
      out.add(source().subscribe({ next: tell, error: fail }));
    } catch (error) {
      fail(error);
    }
    if (silent) out.next(pending);
  });
}

/**
 * Follows what `project` makes of the newest known value. The new watch begins before the old one ends, so that what both of
 * them look at is not given up in between. A value of which only the marks change keeps its watch and passes
 * them on.
 */
export function flatMapOk<T, U>(
  project: (value: T) => Observable<Activity<U>>,
): OperatorFunction<Activity<T>, Activity<U>> {
  return source =>
    new Observable(out => {
      let current = Subscription.EMPTY;
      let known: Activity<T> = pending;
      let result: Activity<U> = pending;
      const tell = () => {
        if (known.state !== 'ok' || result.state !== 'ok') return out.next(result);
        const { unconfirmed, isPartial } = known;
        if (!unconfirmed && !isPartial) return out.next(result);
        out.next({ ...result, ...(unconfirmed && { unconfirmed }), ...(isPartial && { isPartial }) });
      };
      out.add(() => current.unsubscribe());
      out.add(
        source.subscribe(state => {
          const before = current;
          const isKept = state.state === 'ok' && known.state === 'ok' && state.value === known.value;
          known = state;
          if (isKept) return tell();
          if (state.state === 'ok') {
            const mine = new Subscription();
            current = mine;
            mine.add(
              live(() => project(state.value)).subscribe(inner => {
                if (current !== mine) return;
                result = inner;
                tell();
              }),
            );
          } else {
            current = Subscription.EMPTY;
            out.next(state);
          }
          before.unsubscribe();
        }),
      );
    });
}

/**
 * The first alternative that is not Neg, or else Neg. Alternatives behind it are not watched; those before it are, since they
 * may come to life. Takes alternatives that have a state at once.
 */
export function firstNotNeg<T>(
  alternatives: readonly Observable<Activity<NameTree<T>>>[],
): Observable<Activity<NameTree<T>>> {
  return new Observable(out => {
    const watches: Subscription[] = [];
    let last: Activity<NameTree<T>> = { state: 'ok', value: { type: 'neg' } };
    // A loop, not recursion: thousands of alternatives must not need thousands of stack frames.
    let advancing = false;
    const advance = () => {
      if (advancing) return;
      advancing = true;
      while (isNeg(last) && watches.length < alternatives.length && !out.closed) watch(watches.length);
      advancing = false;
      out.next(last);
    };
    const watch = (index: number) => {
      const mine = new Subscription();
      watches.push(mine);
      mine.add(
        alternatives[index].subscribe(state => {
          if (watches[index] !== mine) return;
          // Only the last watched alternative decides; an earlier one is known to be Neg until it says otherwise.
          if (index < watches.length - 1 && isNeg(state)) return;
          for (const behind of watches.splice(index + 1)) behind.unsubscribe();
          last = state;
          advance();
        }),
      );
    };
    out.add(() => {
      for (const each of watches) each.unsubscribe();
    });
    advance();
  });
}

function isNeg(state: Activity<NameTree<unknown>>): boolean {
  return state.state === 'ok' && state.value.type === 'neg';
}

/** The newest states of all `sources`, through `merge`. Takes sources that have a state at once. */
export function mergeLatest<T, U>(
  sources: readonly Observable<T>[],
  merge: (states: readonly T[]) => U,
): Observable<U> {
  return new Observable(out => {
    const states: T[] = new Array(sources.length);
    let started = false;
    for (const [i, source] of sources.entries()) {
      if (out.closed) return;
      out.add(
        source.subscribe(state => {
          states[i] = state;
          if (started) out.next(merge(states));
        }),
      );
    }
    started = true;
    out.next(merge(states));
  });
}
