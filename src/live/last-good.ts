/**
 * Keeps what was last known through failures: once a live value was good, `pending` and `failed` no longer replace it.
 *
 * "Good" is any answer, also a negative one. Only the absence of an answer is bridged.
 */
import {
  defer,
  filter,
  forkJoin,
  type MonoTypeOperatorFunction,
  map,
  merge,
  NEVER,
  type Observable,
  raceWith,
  retry,
  type SchedulerLike,
  Subject,
  take,
  tap,
  timer,
} from 'rxjs';
import { reasonOf } from '../errors.ts';

type Live = { readonly state: string } | { readonly state: 'failed'; readonly error: Error };

const isUnknown = ({ state }: Live): boolean => state === 'pending' || state === 'failed';

/** Of values that need not be states. */
const isUnknownState = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'state' in value && isUnknown(value as Live);

export function keepLastGood<S extends Live>(): MonoTypeOperatorFunction<S> {
  return source =>
    defer(() => {
      let wasGood = false;
      return source.pipe(
        filter(state => {
          if (!isUnknown(state)) wasGood = true;
          return !wasGood || !isUnknown(state);
        }),
      );
    });
}

/**
 * As {@link keepLastGood}, and a failure leaves its mark on the state that stays, until the next good one.
 *
 * For sources that are observed through caches: a late observer gets the state together with the mark.
 */
export function markLastGood<S extends Live & { readonly unconfirmed?: Error }>(): MonoTypeOperatorFunction<S> {
  return source =>
    defer(() => {
      let good: S | undefined;
      return source.pipe(
        filter(state => good === undefined || state.state !== 'pending'),
        map(state => {
          if (!isUnknown(state)) good = state;
          else if (good !== undefined && 'error' in state) return { ...good, unconfirmed: state.error };
          return state;
        }),
      );
    });
}

/** How trustworthy a live value is. A watch that does not fail confirms its value at every moment. */
export class Confirmation {
  readonly #now: () => number;
  readonly #changed: (failure: string | undefined) => void;
  #wasGood = false;
  #failingSince = 0;
  #failure: string | undefined;
  #isToldElsewhere = false;

  /** @param changed called when the value starts to fail, fails for another reason, or is confirmed again (`undefined`) */
  constructor(now: () => number, changed: (failure: string | undefined) => void) {
    this.#now = now;
    this.#changed = changed;
  }

  /** Milliseconds since what is served was last confirmed; absent while nothing was ever known. */
  get ageMs(): number | undefined {
    if (!this.#wasGood) return undefined;
    return this.#failure === undefined ? 0 : this.#now() - this.#failingSince;
  }

  /** Why the value cannot be confirmed. */
  get failure(): string | undefined {
    return this.#failure;
  }

  failed(error: unknown): void {
    const reason = reasonOf(error);
    if (this.#failure === undefined) this.#failingSince = this.#now();
    if (this.#failure !== reason) this.#changed(reason);
    this.#failure = reason;
    this.#isToldElsewhere = false;
  }

  /** A state that says itself that it is unconfirmed ages; the code that keeps it has logged it. */
  observe<S extends Live & { readonly unconfirmed?: Error }>(): MonoTypeOperatorFunction<S> {
    return tap(state => {
      if ('error' in state) this.failed(state.error);
      else if (state.unconfirmed !== undefined) {
        this.#wasGood = true;
        if (this.#failure === undefined) this.#failingSince = this.#now();
        this.#failure = state.unconfirmed.message;
        this.#isToldElsewhere = true;
      } else if (!isUnknown(state)) {
        this.#wasGood = true;
        if (this.#failure !== undefined && !this.#isToldElsewhere) this.#changed(undefined);
        this.#failure = undefined;
        this.#isToldElsewhere = false;
      }
    });
  }
}

export interface Retries {
  readonly baseMs: number;
  readonly maxMs: number;
  readonly random: () => number;
  readonly scheduler?: SchedulerLike;
  /** Ends the wait before the next attempt, but not sooner than 100 ms after the failure. */
  readonly wake?: Observable<unknown>;
}

const minWaitMs = 100;

/**
 * Turns an error into a state and subscribes again: full jitter, 0..min(max, base·2ⁿ), starting over once a state is known:
 * a source that says `pending` before each failure waits longer and longer, too.
 * Never completes, as live values never do.
 */
export function retryWithBackoff<S>(
  failure: (error: Error) => S,
  { baseMs, maxMs, random, scheduler, wake = NEVER }: Retries,
): MonoTypeOperatorFunction<S> {
  return source =>
    defer(() => {
      const failures = new Subject<S>();
      let attempt = 0;
      const attempts = source.pipe(
        tap({
          next: value => {
            if (!isUnknownState(value)) attempt = 0;
          },
          error: error => failures.next(failure(error instanceof Error ? error : new Error(reasonOf(error)))),
        }),
        retry({
          delay: () => {
            const waitMs = random() * Math.min(maxMs, baseMs * 2 ** attempt++);
            const woken = forkJoin([wake.pipe(take(1)), timer(Math.min(waitMs, minWaitMs), scheduler)]);
            return timer(waitMs, scheduler).pipe(raceWith(woken));
          },
        }),
      );
      return merge(failures, attempts);
    });
}
