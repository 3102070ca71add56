/**
 * From a name to what a proxy balances over, live: the tree is bound, every leaf's addresses are watched, both are flattened.
 *
 * Once there was a good answer, here or before (`initial`), it is served through every failure (marked `stale`), and until what replaces it is known.
 * Changes within one turn are one emission; equal consecutive destinations are one.
 */
import { isDeepStrictEqual } from 'node:util';
import { defer, Observable, Subscription } from 'rxjs';
import type { Dtab } from '../dtab/dtab.ts';
import type { NameTree } from '../dtab/name-tree.ts';
import type { Path } from '../dtab/path.ts';
import { showPath } from '../dtab/show.ts';
import { reasonOf } from '../errors.ts';
import { type Activity, failed, pending } from '../live/activity.ts';
import { type Clock, systemClock } from '../live/clock.ts';
import type { Log } from '../log.ts';
import { type Addr, failedAddr, pendingAddr } from './addr.ts';
import { type Branch, branchesOf, type Endpoint, endpointsOf, nameKey } from './branches.ts';
import type { Interpreter } from './interpreter.ts';
import type { Bound } from './name.ts';
import { deadEnds } from './why.ts';

export type { Branch, Endpoint } from './branches.ts';

export type Destination =
  | { readonly state: 'pending' }
  /** The name is known to mean nothing, or nothing with an address. `isPreliminary`: a better reason is on its way. */
  | { readonly state: 'negative'; readonly reason: string; readonly isPreliminary?: true }
  /** Naming failed, and there never was a good answer. */
  | { readonly state: 'failed'; readonly reason: string }
  | { readonly state: 'bound'; readonly branches: readonly Branch[]; readonly stale?: Stale };

/** The branches are the last good ones; they could not be confirmed. */
export interface Stale {
  /** When that began, by the clock passed in. */
  readonly sinceMs: number;
  readonly reason: string;
  /** The operator was told by whoever kept the answer. */
  readonly isTold: boolean;
}

export interface DestinationOptions {
  /**
   * What a name that meant something and now means nothing does. `keep` serves the last good branches (a remote namerd that
   * restarted with an empty memory knows no names); `fail` believes it. An explicit `!` is always believed.
   */
  readonly onNegative: 'keep' | 'fail';
  readonly now: () => number;
  readonly log: Log;
  /** The last good answer of whoever followed the name before, by another naming: it is kept like one of this naming. */
  readonly initial?: { readonly branches: readonly Branch[]; readonly stale?: Stale };
  /** What was last known before this start: used only while naming fails or is silent, never over an answer. */
  readonly fallback?: Fallback;
  readonly after?: Clock['after'];
}

export interface Fallback {
  readonly branches: readonly Branch[];
  /** When it was last confirmed, by the clock passed in; before the start of the process, so it may be negative. */
  readonly sinceMs: number;
}

/** How long the first answer may lack a part: those branches that are quick must not get the share of the others. */
const partPatienceMs = 2000;

/** How long naming may be silent before the fallback is used. */
const fallbackAfterMs = 2000;

/** An explicit negative comes from a rule that says so, not from something that is not there. */
type Known =
  | Exclude<Destination, { state: 'negative' }>
  | {
      readonly state: 'negative';
      readonly reason: string;
      readonly isExplicit: boolean;
      readonly isPreliminary?: true;
    };

/** The addresses of one leaf. */
interface Watched {
  readonly bound: Bound;
  readonly subscription: Subscription;
  /** Absent until known. */
  endpoints?: readonly Endpoint[];
  addr: Addr;
  stale?: Stale;
}

export function destination(
  interpreter: Interpreter,
  dtab: Dtab,
  path: Path,
  { onNegative, now, log, initial, fallback, after = idleAfter }: DestinationOptions,
): Observable<Destination> {
  return new Observable(subscriber => {
    const leaves = new Map<string, Watched>();
    let activity: Activity<NameTree<Bound>> = pending;
    /** The name is being followed anew: what its old leaves say is not the last word. */
    let isRebinding = false;
    let emitted: Destination | undefined;
    let good = initial?.branches;
    let kept = initial?.stale;
    let staleTree: Stale | undefined;
    let explained: { reason: string; isPreliminary?: true } | undefined;
    let onDisk = fallback;
    let isSilent = false;
    let isPartLate = false;
    let cancelPart: (() => void) | undefined;
    let isScheduled = false;
    let hasWarned = false;

    const refused = (weight: unknown) => {
      if (!hasWarned)
        log.warn(`${showPath(path)}: an endpoint's weight is not a number >= 0; it counts as 1`, { weight });
      hasWarned = true;
    };

    const schedule = () => {
      if (isScheduled) return;
      isScheduled = true;
      queueMicrotask(() => {
        isScheduled = false;
        if (subscriber.closed) return;
        const next = current();
        if (isDeepStrictEqual(next, emitted)) return;
        emitted = next;
        subscriber.next(next);
      });
    };

    /** Another reason does not make it younger. */
    const staleFor = (reason: string, before: Stale | undefined, isTold: boolean): Stale =>
      before?.reason === reason ? before : { sinceMs: before?.sinceMs ?? now(), reason, isTold };

    /** What is said, given what is known: a good answer is not given up for one that is unknown. */
    const current = (): Destination => {
      const known = evaluate();
      if (known.state === 'bound' || known.state === 'negative') onDisk = undefined;
      if (known.state === 'bound') {
        if (good === undefined && waitsForPart()) return { state: 'pending' };
        good = known.branches;
        kept = undefined;
        return known;
      }
      const isBelieved = known.state === 'negative' && (onNegative === 'fail' || known.isExplicit);
      if (isBelieved) good = undefined;
      if (good === undefined) {
        kept = undefined;
        if (onDisk !== undefined && (known.state === 'failed' || isSilent)) return fromDisk(onDisk, known);
        if (known.state !== 'negative') return known;
        const { state, reason, isPreliminary } = known;
        return { state, reason, ...(isPreliminary && { isPreliminary }) };
      }
      if (known.state !== 'pending') kept = staleFor(known.reason, kept, 'isPreliminary' in known);
      return { state: 'bound', branches: good, ...(kept && { stale: kept }) };
    };

    const fromDisk = ({ branches, sinceMs }: Fallback, known: Known): Destination => {
      const reason = known.state === 'failed' ? known.reason : `${showPath(path)}: no answer yet`;
      const stale = { sinceMs, reason: `${reason}; using the state in stateDir`, isTold: false };
      return { state: 'bound', branches, stale };
    };

    /** Whether the first publication should wait for what is not known yet. */
    const waitsForPart = (): boolean => {
      const isPart =
        (activity.state === 'ok' && activity.isPartial) ||
        [...leaves.values()].some(({ addr }) => addr.state === 'pending');
      if (!isPart || isPartLate) return false;
      cancelPart ??= after(partPatienceMs, () => {
        isPartLate = true;
        schedule();
      });
      return true;
    };

    /** What is known now, by itself. */
    const evaluate = (): Known => {
      if (activity.state === 'pending') return { state: 'pending' };
      if (activity.state === 'failed')
        return { state: 'failed', reason: `${showPath(path)} cannot be resolved: ${activity.error.message}` };
      const tree = activity.value;
      if (tree.type === 'fail') return { ...nothing('a rule says ! (fail)'), isExplicit: true };
      if (tree.type === 'neg') return nothing('it leads to no address');
      const watched = [...leaves.values()];
      if (watched.length === 0) return nothing('a rule says $ (empty)');
      const branches = branchesOf(tree, bound => leaves.get(nameKey(bound))?.endpoints);
      if (branches.some(({ addresses }) => addresses.length > 0)) {
        const stales = [staleTree, ...watched.map(leaf => leaf.stale)].filter(stale => stale !== undefined);
        const [stale] = stales.sort((a, b) => a.sinceMs - b.sinceMs);
        return { state: 'bound', branches, ...(stale && { stale }) };
      }
      if (isRebinding || watched.some(({ addr }) => addr.state === 'pending')) return { state: 'pending' };
      for (const { addr, bound } of watched)
        if (addr.state === 'failed')
          return { state: 'failed', reason: `${showPath(path)}: ${showPath(bound.id)}: ${addr.error.message}` };
      return { state: 'negative', isExplicit: false, reason: noAddress(watched) };
    };

    const noAddress = (watched: readonly Pick<Watched, 'bound'>[]): string =>
      `${showPath(path)} has no address: there is none in ${watched.map(({ bound }) => showPath(bound.id)).join(', ')}`;

    /** Says at once what is known, and asks the interpreter where the name got lost, which is said when the answer is here. */
    const nothing = (otherwise: string) => {
      if (explained === undefined) {
        const mine: { reason: string; isPreliminary?: true } = {
          reason: `${showPath(path)} does not resolve: ${otherwise}`,
          isPreliminary: true,
        };
        explained = mine;
        // Interpreters that cannot explain leave the short reason standing.
        void interpreter.delegate(dtab, path).then(
          delegation => {
            mine.isPreliminary = undefined;
            const tried = deadEnds(delegation);
            if (tried.length > 0) mine.reason = `${showPath(path)} does not resolve: ${tried.join('; ')}`;
            if (explained === mine && !subscriber.closed) schedule();
          },
          error => {
            mine.isPreliminary = undefined;
            mine.reason += ` (no explanation: ${reasonOf(error)})`;
            if (explained === mine && !subscriber.closed) schedule();
          },
        );
      }
      const { reason, isPreliminary } = explained;
      return { state: 'negative', isExplicit: false, reason, ...(isPreliminary && { isPreliminary }) } as const;
    };

    const learn = (leaf: Watched, addr: Addr) => {
      leaf.addr = addr;
      schedule();
      const endpoints = addr.state === 'bound' ? endpointsOf(addr.addresses, refused) : [];
      const isEmptied =
        endpoints.length === 0 && (addr.state === 'bound' || (addr.state === 'neg' && !addr.isFiltered));
      if (isEmptied && onNegative === 'keep' && leaf.endpoints !== undefined && leaf.endpoints.length > 0) {
        leaf.stale = staleFor(noAddress([leaf]), leaf.stale, false);
        return;
      }
      if (addr.state === 'bound') leaf.endpoints = endpoints;
      else if (addr.state === 'neg') leaf.endpoints = addr.isFiltered ? undefined : [];
      const error = addr.state === 'failed' ? addr.error : 'unconfirmed' in addr ? addr.unconfirmed : undefined;
      if (error && leaf.endpoints !== undefined)
        leaf.stale = staleFor(`${showPath(leaf.bound.id)}: ${error.message}`, leaf.stale, addr.state !== 'failed');
      else if (addr.state !== 'pending') leaf.stale = undefined;
    };

    const follow = (leaf: Watched) =>
      leaf.bound.addr.subscribe({
        next: addr => learn(leaf, addr),
        error: error => learn(leaf, failedAddr(asError(error))),
      });

    /** Watches exactly the leaves of `tree`; those it shares with the tree before keep what they know. */
    const watch = (tree: NameTree<Bound>) => {
      const wanted = new Map(boundsOf(tree).map(bound => [nameKey(bound), bound]));
      for (const [key, bound] of wanted) {
        const before = leaves.get(key);
        if (before?.bound.addr === bound.addr) continue;
        const leaf: Watched = { addr: pendingAddr, ...before, bound, subscription: new Subscription() };
        leaves.set(key, leaf);
        leaf.subscription.add(follow(leaf));
        before?.subscription.unsubscribe();
      }
      for (const [key, leaf] of leaves)
        if (!wanted.has(key)) {
          leaves.delete(key);
          leaf.subscription.unsubscribe();
        }
    };

    const cancelSilence =
      onDisk &&
      after(fallbackAfterMs, () => {
        isSilent = true;
        schedule();
      });

    const binding = defer(() => interpreter.bind(dtab, path)).subscribe({
      next: next => {
        // A tree that was known stays in force while it cannot be known.
        isRebinding = next.state === 'pending';
        if (isRebinding && activity.state !== 'pending') return;
        const isKept = next.state === 'ok' && activity.state === 'ok' && next.value === activity.value;
        const error = next.state === 'ok' ? next.unconfirmed : undefined;
        staleTree = error && staleFor(`${showPath(path)} cannot be resolved: ${error.message}`, staleTree, true);
        activity = next;
        if (!isKept) explained = undefined;
        if (next.state === 'ok' && !isKept) watch(next.value);
        schedule();
      },
      error: error => {
        activity = failed(asError(error));
        schedule();
      },
    });

    return () => {
      cancelSilence?.();
      cancelPart?.();
      binding.unsubscribe();
      for (const leaf of leaves.values()) leaf.subscription.unsubscribe();
    };
  });
}

const idleAfter: Clock['after'] = systemClock.after;

function boundsOf(tree: NameTree<Bound>): readonly Bound[] {
  if (tree.type === 'leaf') return [tree.value];
  if (tree.type === 'alt') return tree.trees.flatMap(boundsOf);
  return tree.type === 'union' ? tree.branches.flatMap(branch => boundsOf(branch.tree)) : [];
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(reasonOf(error));
}
