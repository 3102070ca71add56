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
import type { Log } from '../log.ts';
import { type Addr, failedAddr, pendingAddr } from './addr.ts';
import { type Branch, branchesOf, type Endpoint, endpointsOf, nameKey } from './branches.ts';
import type { Interpreter } from './interpreter.ts';
import type { Bound } from './name.ts';
import { deadEnds } from './why.ts';

export type { Branch, Endpoint } from './branches.ts';

export type Destination =
  | { readonly state: 'pending' }
  /** The name is known to mean nothing, or nothing with an address. */
  | { readonly state: 'negative'; readonly reason: string }
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
}

/** An explicit negative comes from a rule that says so, not from something that is not there. */
type Known =
  | Exclude<Destination, { state: 'negative' }>
  | { readonly state: 'negative'; readonly reason: string; readonly isExplicit: boolean };

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
  { onNegative, now, log, initial }: DestinationOptions,
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
    let explained: { reason: string } | undefined;
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
      if (known.state === 'bound') {
        good = known.branches;
        kept = undefined;
        return known;
      }
      const isBelieved = known.state === 'negative' && (onNegative === 'fail' || known.isExplicit);
      if (isBelieved) good = undefined;
      if (good === undefined) {
        kept = undefined;
        return known.state === 'pending' ? known : { state: known.state, reason: known.reason };
      }
      if (known.state !== 'pending') kept = staleFor(known.reason, kept, false);
      return { state: 'bound', branches: good, ...(kept && { stale: kept }) };
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
      const ids = watched.map(({ bound }) => showPath(bound.id)).join(', ');
      return {
        state: 'negative',
        isExplicit: false,
        reason: `${showPath(path)} has no address: there is none in ${ids}`,
      };
    };

    /** Says at once what is known, and asks the interpreter where the name got lost, which is said when the answer is here. */
    const nothing = (otherwise: string) => {
      if (explained === undefined) {
        const mine = { reason: `${showPath(path)} names nothing: ${otherwise}` };
        explained = mine;
        // Interpreters that cannot explain leave the short reason standing.
        void interpreter.delegate(dtab, path).then(
          delegation => {
            const tried = deadEnds(delegation);
            if (tried.length > 0) mine.reason = `${showPath(path)} names nothing: ${tried.join('; ')}`;
            if (explained === mine && !subscriber.closed) schedule();
          },
          error => {
            mine.reason += ` (no explanation: ${reasonOf(error)})`;
            if (explained === mine && !subscriber.closed) schedule();
          },
        );
      }
      return { state: 'negative', isExplicit: false, reason: explained.reason } as const;
    };

    const learn = (leaf: Watched, addr: Addr) => {
      leaf.addr = addr;
      if (addr.state === 'bound') leaf.endpoints = endpointsOf(addr.addresses, refused);
      else if (addr.state === 'neg') leaf.endpoints = [];
      const error = addr.state === 'failed' ? addr.error : 'unconfirmed' in addr ? addr.unconfirmed : undefined;
      if (error && leaf.endpoints !== undefined)
        leaf.stale = staleFor(`${showPath(leaf.bound.id)}: ${error.message}`, leaf.stale, addr.state !== 'failed');
      else if (addr.state !== 'pending') leaf.stale = undefined;
      schedule();
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
      binding.unsubscribe();
      for (const leaf of leaves.values()) leaf.subscription.unsubscribe();
    };
  });
}

function boundsOf(tree: NameTree<Bound>): readonly Bound[] {
  if (tree.type === 'leaf') return [tree.value];
  if (tree.type === 'alt') return tree.trees.flatMap(boundsOf);
  return tree.type === 'union' ? tree.branches.flatMap(branch => boundsOf(branch.tree)) : [];
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(reasonOf(error));
}
