/**
 * A live value as seen by one observer: not known yet, known, or impossible to know for now. A known value is `unconfirmed` while
 * its source fails: the code that keeps the value has logged it.
 *
 * Streams of activities are rxjs Observables: cold, shared where they are expensive, torn down with the last subscriber.
 */
export type Activity<T> =
  | { readonly state: 'pending' }
  /** `isPartial`: some of what makes up the value is not known yet. */
  | { readonly state: 'ok'; readonly value: T; readonly unconfirmed?: Error; readonly isPartial?: true }
  | { readonly state: 'failed'; readonly error: Error };

export const pending: Activity<never> = { state: 'pending' };
export const ok = <T>(value: T): Activity<T> => ({ state: 'ok', value });
export const failed = (error: Error): Activity<never> => ({ state: 'failed', error });

/** Whether an observer of `a` learns nothing from `b`. Failures are the same when their messages are. */
export function sameActivity<T>(a: Activity<T>, b: Activity<T>, same: (a: T, b: T) => boolean): boolean {
  if (a.state === 'ok')
    return (
      b.state === 'ok' &&
      a.unconfirmed?.message === b.unconfirmed?.message &&
      a.isPartial === b.isPartial &&
      same(a.value, b.value)
    );
  if (a.state === 'failed') return b.state === 'failed' && a.error.message === b.error.message;
  return b.state === 'pending';
}
