/** The addresses of several hosts as one set. */
import { distinctUntilChanged, map, type Observable, of, type SchedulerLike, startWith, timer } from 'rxjs';
import { mergeLatest } from '../live/live.ts';
import { type Addr, boundAddr, failedAddr, type Meta, negAddr, pendingAddr, sameAddr } from './addr.ts';
import { type Host, literalHost } from './host.ts';

export interface HostPort {
  readonly host: string;
  readonly port: number;
  readonly meta: Meta;
}

/** How long a host without an answer keeps the others waiting. */
const patienceMs = 2000;

/**
 * Pending until each host has been answered, so that those that are quick do not get all of the load; but a host whose DNS is
 * silent holds up the others for no longer than two seconds. From then on those that are found make the set.
 */
export function addrOfHosts(
  hosts: readonly HostPort[],
  resolve: (host: string) => Observable<Host>,
  meta: Meta = {},
  scheduler?: SchedulerLike,
): Observable<Addr> {
  if (hosts.length === 0) return of(boundAddr([], meta));
  const isAnySlow = hosts.some(({ host }) => literalHost(host) === undefined);
  const isLate = isAnySlow
    ? timer(patienceMs, scheduler).pipe(
        map(() => true),
        startWith(false),
      )
    : of(false);
  return mergeLatest<Host | boolean, Addr>(
    [...hosts.map(({ host }) => resolve(host).pipe(startWith(pendingHost))), isLate],
    states => mergedAddr(hosts, states.slice(0, -1) as Host[], states.at(-1) as boolean, meta),
  ).pipe(distinctUntilChanged(sameAddr));
}

const pendingHost: Host = { state: 'pending' };

function mergedAddr(hosts: readonly HostPort[], states: readonly Host[], isLate: boolean, meta: Meta): Addr {
  const isPending = states.some(({ state }) => state === 'pending');
  if (isPending && !isLate) return pendingAddr;
  const failure = states.map(failureOf).find(error => error !== undefined);
  const unconfirmed = failure && { unconfirmed: failure };
  const addresses = states.flatMap((state, i) =>
    state.state === 'bound' ? state.ips.map(ip => ({ ip, port: hosts[i].port, meta: hosts[i].meta })) : [],
  );
  if (addresses.length > 0) return { ...boundAddr(addresses, meta), ...unconfirmed };
  if (isPending) return pendingAddr;
  const failed = states.find(state => state.state === 'failed');
  return failed ? failedAddr(failed.error) : { ...negAddr, ...unconfirmed };
}

function failureOf(host: Host): Error | undefined {
  if (host.state === 'failed') return host.error;
  return host.state === 'pending' ? undefined : host.unconfirmed;
}
