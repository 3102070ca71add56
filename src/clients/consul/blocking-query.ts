/**
 * A blocking query: asks again and again, each time for what is later than the answer before, as Consul's documentation of
 * blocking queries ("Implementation Details") demands:
 *   - an index that goes backwards starts over without an index: after a restore, or when the newest key was removed for good;
 *   - an index of 0 is never sent back, it would not block;
 *   - answers that come too fast are slowed down: the server, or something before it, does not block.
 *
 * Fails with the first query that fails; the subscriber starts over, with backoff.
 */
import timers from 'node:timers/promises';
import { Observable } from 'rxjs';

export interface BlockingQuery<A> {
  /** Answers at once what there is when `index` is 0, else with something later than it, or after a while. */
  readonly ask: (index: bigint, signal: AbortSignal) => Promise<A>;
  /** An answer to a question asked now that has a lower index begins anew. */
  readonly least?: () => bigint;
  /** How long Consul may hold a query before it answers. */
  readonly waitMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

export type QueryEvent<A> =
  | { readonly type: 'asked'; readonly index: bigint }
  | { readonly type: 'answered'; readonly answer: A };

/** The least time from one question to the next: a store that is written all the time is not read all the time. */
const gapMs = 50;
/** The same after an answer that told nothing, though it came at once. */
const idleGapMs = 1000;

export function blockingQuery<A extends { readonly index: bigint }>({
  ask,
  waitMs,
  least = () => 0n,
  now = () => performance.now(),
}: BlockingQuery<A>): Observable<QueryEvent<A>> {
  return new Observable(out => {
    const stop = new AbortController();
    out.add(() => stop.abort());
    const run = async () => {
      let index = 0n;
      while (!stop.signal.aborted) {
        const asked = now();
        const known = least();
        out.next({ type: 'asked', index });
        const answer = await ask(index, stop.signal);
        if (stop.signal.aborted) return;
        const isBackwards = index > 0n && (answer.index < index || answer.index < known);
        const isNothing = answer.index === index && now() - asked < waitMs / 2;
        if (!isBackwards) out.next({ type: 'answered', answer });
        index = isBackwards ? 0n : atLeastOne(answer.index);
        const rest = asked + (isNothing ? idleGapMs : gapMs) - now();
        if (rest > 0) await timers.setTimeout(rest, undefined, { signal: stop.signal });
      }
    };
    run().catch(error => {
      if (!stop.signal.aborted) out.error(error);
    });
  });
}

const atLeastOne = (index: bigint): bigint => (index > 0n ? index : 1n);
