/**
 * Hosts as live values: their addresses, looked up again and again while somebody looks.
 *
 * The last good answer is kept through failures, except when DNS says that the host does not exist.
 */
import { lookup } from 'node:dns/promises';
import { isIP, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import {
  catchError,
  defer,
  distinctUntilChanged,
  finalize,
  from,
  map,
  type Observable,
  type ObservableInput,
  of,
  ReplaySubject,
  repeat,
  type SchedulerLike,
  scan,
  share,
  startWith,
  takeWhile,
  timer,
} from 'rxjs';
import { mergeLatest } from '../live/live.ts';
import { type Addr, boundAddr, failedAddr, type Meta, negAddr, pendingAddr, sameAddr } from './addr.ts';

/** What is known of a host; `ips` are numeric, sorted and distinct. */
export type Host =
  | { readonly state: 'pending' }
  | { readonly state: 'bound'; readonly ips: readonly string[] }
  | { readonly state: 'neg' }
  | { readonly state: 'failed'; readonly error: Error };

export interface DnsOptions {
  /** All addresses of a host; fails with `code` ENOTFOUND or ENODATA where there are none. */
  readonly lookup?: (host: string) => ObservableInput<readonly string[]>;
  /** Between two lookups of a host, ± 10 %. */
  readonly everyMs?: number;
  readonly random?: () => number;
  readonly scheduler?: SchedulerLike;
  /** Told of every failed lookup, also of those that a kept answer hides from observers. */
  readonly onFailure?: (host: string, error: Error) => void;
}

export interface Dns {
  /** Follows a host. Observers of the same host share its lookups. */
  resolve(host: string): Observable<Host>;
  /** Looks a host up until there is an answer, which then stands forever. */
  resolveOnce(host: string): Observable<Host>;
}

/** Answers that {@link Dns.resolveOnce} remembers; the oldest go first. */
const maxRemembered = 16_000;

export function createDns({
  lookup = systemLookup,
  everyMs = 5000,
  random = Math.random,
  scheduler,
  onFailure = () => {},
}: DnsOptions = {}): Dns {
  const watched = new Map<string, Observable<Host>>();
  const remembered = new Map<string, Host>();

  const poll = (host: string): Observable<Host> =>
    defer(() => from(lookup(host))).pipe(
      map(boundHost),
      catchError(error => {
        const state = failedHost(error);
        if (state.state === 'failed') onFailure(host, state.error);
        return of(state);
      }),
      repeat({ delay: () => timer(everyMs * (0.9 + 0.2 * random()), scheduler) }),
      scan((known: Host, answer: Host) => (answer.state === 'failed' && isAnswer(known) ? known : answer), pendingHost),
      startWith(pendingHost),
      distinctUntilChanged(sameHost),
    );

  const resolve = (host: string): Observable<Host> => {
    const literal = literalHost(host);
    if (literal) return of(literal);
    return defer(() => {
      const known = watched.get(host);
      if (known) return known;
      const shared = poll(host).pipe(
        finalize(() => watched.delete(host)),
        share({ connector: () => new ReplaySubject<Host>(1), resetOnRefCountZero: true }),
      );
      watched.set(host, shared);
      return shared;
    });
  };

  const resolveOnce = (host: string): Observable<Host> =>
    defer(() => {
      const known = remembered.get(host);
      if (known) return of(known);
      return resolve(host).pipe(
        map(state => {
          if (state.state === 'bound') {
            remembered.set(host, state);
            if (remembered.size > maxRemembered) remembered.delete(remembered.keys().next().value as string);
          }
          return state;
        }),
        takeWhile(state => state.state !== 'bound', true),
      );
    });

  return { resolve, resolveOnce };
}

const pendingHost: Host = { state: 'pending' };

const isAnswer = ({ state }: Host): boolean => state === 'bound' || state === 'neg';

function boundHost(ips: readonly string[]): Host {
  const numeric = [...new Set(ips)].filter(ip => isIP(ip) !== 0).sort();
  return numeric.length > 0 ? { state: 'bound', ips: numeric } : { state: 'neg' };
}

function failedHost(error: unknown): Host {
  const unknown = error instanceof Error && 'code' in error && (error.code === 'ENOTFOUND' || error.code === 'ENODATA');
  if (unknown) return { state: 'neg' };
  return { state: 'failed', error: error instanceof Error ? error : new Error(String(error)) };
}

function sameHost(a: Host, b: Host): boolean {
  if (a.state === 'bound') return b.state === 'bound' && a.ips.join() === b.ips.join();
  if (a.state === 'failed') return b.state === 'failed' && a.error.message === b.error.message;
  return a.state === b.state;
}

/** Hosts that need no DNS: numeric ones, and those that mean this machine. */
function literalHost(host: string): Host | undefined {
  if (host === '' || host.toLowerCase() === 'localhost') return { state: 'bound', ips: ['127.0.0.1'] };
  const ip = isIPv6(host) ? host : shorthandIPv4(host);
  return ip === undefined ? undefined : { state: 'bound', ips: [ip] };
}

/**
 * IPv4 with one to four decimal parts, the last of which fills what is left: `127.1` is 127.0.0.1. Parts with leading zeros
 * mean one thing to some and another to others, so they are no numbers here.
 */
export function shorthandIPv4(host: string): string | undefined {
  const parts = host.split('.');
  if (parts.length > 4 || !parts.every(part => /^(0|[1-9]\d{0,9})$/.test(part))) return undefined;
  const numbers = parts.map(Number);
  const last = numbers[numbers.length - 1];
  const head = numbers.slice(0, -1);
  const rest = 4 - head.length;
  if (head.some(number => number > 255) || last >= 256 ** rest) return undefined;
  const tail = Array.from({ length: rest }, (_, i) => Math.floor(last / 256 ** (rest - 1 - i)) % 256);
  return [...head, ...tail].join('.');
}

/** IPv6 answers are of use only where this machine can reach beyond itself by IPv6. */
async function systemLookup(host: string): Promise<readonly string[]> {
  const family = hasIPv6() ? 0 : 4;
  return (await lookup(host, { all: true, family })).map(({ address }) => address);
}

function hasIPv6(): boolean {
  return Object.values(networkInterfaces()).some(addresses =>
    addresses?.some(({ family, internal, address }) => family === 'IPv6' && !internal && !/^fe[89ab]/i.test(address)),
  );
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
  readonly meta: Meta;
}

/**
 * The addresses of several hosts as one set. Pending until each of them has been answered, lest those that are quick get all
 * of the load; from then on those that are found make the set.
 */
export function addrOfHosts(
  hosts: readonly HostPort[],
  resolve: (host: string) => Observable<Host>,
  meta: Meta = {},
): Observable<Addr> {
  if (hosts.length === 0) return of(boundAddr([], meta));
  return mergeLatest(
    hosts.map(({ host }) => resolve(host).pipe(startWith(pendingHost))),
    states => mergedAddr(hosts, states, meta),
  ).pipe(distinctUntilChanged(sameAddr));
}

function mergedAddr(hosts: readonly HostPort[], states: readonly Host[], meta: Meta): Addr {
  if (states.some(({ state }) => state === 'pending')) return pendingAddr;
  const addresses = states.flatMap((state, i) =>
    state.state === 'bound' ? state.ips.map(ip => ({ ip, port: hosts[i].port, meta: hosts[i].meta })) : [],
  );
  if (addresses.length > 0) return boundAddr(addresses, meta);
  const failure = states.find(state => state.state === 'failed');
  return failure ? failedAddr(failure.error) : negAddr;
}
