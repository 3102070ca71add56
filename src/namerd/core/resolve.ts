/**
 * A name resolved to one set of addresses, live.
 *
 * `resolveOne` follows one leaf of the bound tree; of a Union one drawn by weight, for each observer and each change of the tree.
 * `resolveAll` merges all leaves: the weight of an address is its share of the whole.
 */
import {
  combineLatest,
  distinctUntilChanged,
  filter,
  type MonoTypeOperatorFunction,
  map,
  type Observable,
  of,
  startWith,
  switchMap,
  timer,
} from 'rxjs';
import type { Dtab } from '../../dtab/dtab.ts';
import { leavesOf, type NameTree, type Weighted } from '../../dtab/name-tree.ts';
import type { Path } from '../../dtab/path.ts';
import { type Activity, ok, pending, sameActivity } from '../../live/activity.ts';
import { live, mergeLatest } from '../../live/live.ts';
import { type Addr, type Address, boundAddr, negAddr, sameAddr, weightKey } from '../../naming/addr.ts';
import { branchesOf, type Endpoint, endpointsOf, nameKey } from '../../naming/branches.ts';
import type { Bound } from '../../naming/name.ts';
import { type Namespaces, nameIn } from './namespaces.ts';
import { treeChanges } from './settled.ts';

interface Question {
  readonly namespace: string;
  readonly dtab: Dtab;
  readonly path: Path;
}

/** Never `pending` once it is known. @param random uniform in [0, 1) */
export function resolveOne(
  namespaces: Namespaces,
  { namespace, dtab, path }: Question,
  random: () => number,
): Observable<Activity<Addr>> {
  const followed = (addrOf: (tree: NameTree<Bound>) => Observable<Addr>) =>
    follow(namespaces.bind(namespace, dtab, path), addrOf);
  const addrOf = (tree: NameTree<Bound>): Observable<Addr> => {
    const drawn = draw(tree, random);
    return drawn === undefined ? of(negAddr) : namespaces.addr(drawn.id);
  };
  if (dtab.length > 0) return followed(addrOf).pipe(known());
  // Most names have no Union: one subscription serves all observers.
  return namespaces.resolutions
    .get(nameIn(namespace, path), () => followed(tree => (isDrawn(tree) ? of(drawnAddr) : addrOf(tree))))
    .pipe(
      switchMap(state => (state.state === 'ok' && state.value === drawnAddr ? followed(addrOf) : of(state))),
      known(),
    );
}

/** Stands for the addresses of a tree with a Union, which each observer draws from separately. */
const drawnAddr: Addr = boundAddr([]);

function isDrawn(tree: NameTree<Bound>): boolean {
  return tree.type === 'union' || (tree.type === 'alt' && tree.trees.some(isDrawn));
}

/** @param waitMs how long a leaf without an answer keeps the others waiting */
export function resolveAll(
  namespaces: Namespaces,
  { namespace, dtab, path }: Question,
  waitMs: number,
): Observable<Activity<Addr>> {
  return follow(namespaces.bind(namespace, dtab, path), tree => {
    const leaves = [...new Map(leavesOf(tree).map(leaf => [nameKey(leaf), leaf])).values()];
    const addrs = mergeLatest(
      leaves.map(({ id }) => namespaces.addr(id)),
      states => states,
    );
    const isLate = timer(waitMs).pipe(
      map(() => true),
      startWith(false),
    );
    return combineLatest([addrs, isLate]).pipe(
      filter(
        ([states, late]) => late || leaves.every((_, i) => states[i] !== undefined && states[i].state !== 'pending'),
      ),
      map(([states]) => flatten(tree, new Map(leaves.map((leaf, i) => [nameKey(leaf), states[i]])))),
    );
  }).pipe(known());
}

/** Emits `pending` while the newest tree has no addresses: a new observer must not get those of the previous tree. */
function follow(
  trees: Observable<Activity<NameTree<Bound>>>,
  addrOf: (tree: NameTree<Bound>) => Observable<Addr>,
): Observable<Activity<Addr>> {
  return trees.pipe(
    treeChanges(),
    switchMap((state): Observable<Activity<Addr>> => {
      if (state.state !== 'ok') return of(state);
      return live(() => addrOf(state.value).pipe(map(addr => (addr.state === 'pending' ? pending : ok(addr)))));
    }),
    distinctUntilChanged((a, b) => sameActivity(a, b, isSame)),
  );
}

/** Suppresses `pending`: observers keep the last known value. */
function known(): MonoTypeOperatorFunction<Activity<Addr>> {
  return states =>
    states.pipe(
      filter(({ state }) => state !== 'pending'),
      distinctUntilChanged((a, b) => a.state === 'ok' && b.state === 'ok' && isSame(a.value, b.value)),
    );
}

const isSame = (a: Addr, b: Addr): boolean => sameAddr(a, b) && (a === drawnAddr) === (b === drawnAddr);

/** One leaf; undefined if the tree, or the drawn branch, has none. */
export function draw(tree: NameTree<Bound>, random: () => number): Bound | undefined {
  switch (tree.type) {
    case 'leaf':
      return tree.value;
    case 'alt':
      for (const child of tree.trees) {
        const drawn = draw(child, random);
        if (drawn !== undefined) return drawn;
      }
      return undefined;
    case 'union':
      return tree.branches.length === 0 ? undefined : draw(branchAt(tree.branches, random()), random);
    default:
      return undefined;
  }
}

/** @param at in [0, 1) */
function branchAt(branches: readonly Weighted<Bound>[], at: number): NameTree<Bound> {
  const sum = branches.reduce((total, { weight }) => total + weight, 0);
  if (!(sum > 0)) return branches[Math.floor(at * branches.length)].tree;
  let left = at * sum;
  for (const { weight, tree } of branches) {
    left -= weight;
    if (left < 0) return tree;
  }
  // Rounding may leave a remainder after the last branch.
  return branches.findLast(({ weight }) => weight > 0)!.tree;
}

function flatten(tree: NameTree<Bound>, addrs: ReadonlyMap<string, Addr | undefined>): Addr {
  const branches = branchesOf(tree, bound => {
    const addr = addrs.get(nameKey(bound));
    if (addr?.state === 'bound') return endpointsOf(addr.addresses, () => {});
    return addr?.state === 'neg' && !addr.isFiltered ? [] : undefined;
  });
  const merged = new Map<string, Address & { readonly weight: number }>();
  for (const { weight: share, addresses } of branches)
    for (const [i, weight] of sharesWithin(addresses).entries()) {
      const { ip, port, meta } = addresses[i];
      const key = `${ip} ${port}`;
      merged.set(key, { ip, port, meta, weight: share * weight + (merged.get(key)?.weight ?? 0) });
    }
  if (merged.size === 0) return [...addrs.values()].find(addr => addr?.state === 'failed') ?? negAddr;
  return boundAddr(
    Array.from(merged.values(), ({ ip, port, meta, weight }) => ({ ip, port, meta: { ...meta, [weightKey]: weight } })),
  );
}

/** Sum to 1; equal if all weights are 0. */
function sharesWithin(endpoints: readonly Endpoint[]): readonly number[] {
  const sum = endpoints.reduce((total, { weight }) => total + weight, 0);
  return endpoints.map(({ weight }) => (sum > 0 ? weight / sum : 1 / endpoints.length));
}
