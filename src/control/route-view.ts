/** A destination as /routes.json shows it. */
import type { Json } from '../admin/json.ts';
import type { EndpointView, RouteView } from '../admin/proxy/view.ts';
import { penaltyEndsIn } from '../balancer/health.ts';
import type { NameTree } from '../dtab/name-tree.ts';
import type { Path } from '../dtab/path.ts';
import { showPath } from '../dtab/show.ts';
import { showAddress } from '../io/driver.ts';
import type { Branch, Destination } from '../naming/destination.ts';
import { encodeBoundTree } from '../naming/json/bound-tree.ts';
import type { Bound } from '../naming/name.ts';
import type { EndpointStore, ShownMember } from './route-endpoints.ts';

export interface Viewed {
  readonly router: string;
  readonly dst: string;
  readonly destination: Destination;
  readonly isWithdrawn: boolean;
  readonly changedAt: number;
  readonly tree: NameTree<Bound> | undefined;
  readonly members: Iterable<ShownMember>;
  readonly store: Pick<EndpointStore, 'table' | 'now'>;
}

export function viewOf(viewed: Viewed): RouteView {
  const { router, dst, destination, isWithdrawn, changedAt, tree, store } = viewed;
  const now = store.now();
  const branches = destination.state === 'bound' ? destination.branches : [];
  const stale = destination.state === 'bound' ? destination.stale : undefined;
  return {
    router,
    dst,
    state: destination.state,
    ...(isWithdrawn && { withdrawn: true }),
    ...('reason' in destination && { reason: destination.reason }),
    ...(stale && { stale: { forMs: Math.round(now - stale.sinceMs), reason: stale.reason } }),
    since: isoTime(Date.now() - (now - changedAt)),
    ageMs: Math.round(now - changedAt),
    ...(tree && { tree: encodeBoundTree(tree, bound => snapshotOf(bound, branches)) as Json }),
    endpoints: [...endpointViews(branches, viewed)],
  };
}

/** For each branch its endpoints, then those that left. */
function* endpointViews(branches: readonly Branch[], { members, store }: Viewed): Iterable<EndpointView> {
  const byAddress = new Map([...members].map(member => [member.key, member]));
  for (const { id, addresses } of branches)
    for (const address of addresses) {
      const member = byAddress.get(showAddress(address));
      if (member && member.state !== 'retired') yield endpointView(member, id, address.weight, store);
    }
  for (const member of byAddress.values())
    if (member.state === 'retired') yield endpointView(member, [], member.weight, store);
}

function endpointView(
  { key, slot, state, since, lastError }: ShownMember,
  branch: Path,
  weight: number,
  { table, now }: Viewed['store'],
): EndpointView {
  const penaltyEndsInMs = penaltyEndsIn(table, slot, now());
  return {
    address: key,
    branch: showPath(branch),
    weight,
    state,
    since: isoTime(Date.now() - (now() - since)),
    ...(lastError && { lastError: { at: isoTime(lastError.at), reason: lastError.reason } }),
    open: table.open(slot),
    connecting: table.connecting(slot),
    consecutiveFailures: table.consecutiveFailures(slot),
    ...(penaltyEndsInMs > 0 && { penaltyEndsInMs }),
  };
}

function snapshotOf(bound: Bound, branches: readonly Branch[]) {
  const id = showPath(bound.id);
  const branch = branches.find(one => showPath(one.id) === id);
  if (!branch) return { state: 'pending' } as const;
  return { state: 'bound', addresses: branch.addresses, meta: {} } as const;
}

const isoTime = (ms: number): string => new Date(Math.round(ms)).toISOString();
