/** The leaves of a bound tree, and their addresses once they are known. */
import {
  catchError,
  defaultIfEmpty,
  distinctUntilChanged,
  filter,
  forkJoin,
  type MonoTypeOperatorFunction,
  map,
  type Observable,
  of,
  take,
  timeout,
} from 'rxjs';
import { type NameTree, sameTree } from '../../dtab/name-tree.ts';
import type { Activity } from '../../live/activity.ts';
import { type Addr, failedAddr, pendingAddr } from '../../naming/addr.ts';
import type { Delegation } from '../../naming/delegation.ts';
import type { AddrSnapshot } from '../../naming/json/bound-tree.ts';
import { type Bound, sameBound } from '../../naming/name.ts';

/** Without repetitions: a tree that is only confirmed, or bound to the same names again, is not a change. */
export const treeChanges = (): MonoTypeOperatorFunction<Activity<NameTree<Bound>>> =>
  distinctUntilChanged(
    (a, b) => a.state === 'ok' && b.state === 'ok' && (a.value === b.value || sameTree(a.value, b.value, sameBound)),
  );

export function boundsOf(node: Delegation): readonly Bound[] {
  switch (node.type) {
    case 'leaf':
      return [node.bound];
    case 'delegate':
      return boundsOf(node.delegate);
    case 'transformation':
      return [node.bound, ...boundsOf(node.tree)];
    case 'alt':
      return node.alt.flatMap(boundsOf);
    case 'union':
      return node.union.flatMap(({ tree }) => boundsOf(tree));
    default:
      return [];
  }
}

/** The addresses of all `bounds`, once; `pending` for those that are not known within `waitMs`. */
export function settle(bounds: readonly Bound[], waitMs: number): Observable<AddrSnapshot> {
  if (bounds.length === 0) return of(() => pendingAddr);
  return forkJoin(
    bounds.map(({ addr }) =>
      addr.pipe(
        filter(({ state }) => state !== 'pending'),
        take(1),
        timeout({ first: waitMs, with: () => of(pendingAddr) }),
        defaultIfEmpty(pendingAddr),
        catchError(error => of(failedAddr(error instanceof Error ? error : new Error(String(error))))),
      ),
    ),
  ).pipe(
    map(addrs => {
      const known = new Map<Bound, Addr>(bounds.map((bound, i) => [bound, addrs[i]]));
      return bound => known.get(bound) ?? pendingAddr;
    }),
  );
}
