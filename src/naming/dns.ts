/**
 * Hosts as live values, shared by all who look at them.
 *
 * A host outlives its last observer by a while, so that an edit of a discovery file does not forget what was known of its hosts.
 */
import { map, Observable, of, takeWhile } from 'rxjs';
import { type Lookup, type Resolver, systemResolver } from '../clients/dns/resolver.ts';
import { monotonicNow } from '../io/clock.ts';
import { limitedLog } from '../limited-log.ts';
import type { Clock } from '../live/clock.ts';
import type { Log } from '../log.ts';
import type { Registry } from '../metrics/registry.ts';
import { type Host, literalHost } from './host.ts';
import { LiveHost } from './live-host.ts';

export type { Host } from './host.ts';

export interface DnsOptions {
  /** @param isFresh whether an answer that is still valid will not do */
  readonly lookup?: (host: string, isFresh: boolean) => Promise<Lookup>;
  readonly clock?: Clock;
  readonly log?: Log;
}

export interface Dns {
  /** Follows a host. Observers of the same host share its look-ups. */
  resolve(host: string): Observable<Host>;
  /** Looks a host up until it has an address, which then stands until the process ends. */
  resolveOnce(host: string): Observable<Host>;
  /** Looks up again, soon, the hosts that have this address: it could not be reached. */
  nudge(ip: string): void;
  /** Hosts whose last look-up failed. */
  readonly failing: number;
}

/** Answers that {@link Dns.resolveOnce} remembers; the oldest go first. */
const maxRemembered = 16_000;

/** How long a host outlives its last observer, and how many such hosts there are at most. */
const lingerMs = 30_000;
const maxLingering = 1000;

/** Log lines of failing hosts. An outage of DNS concerns all of them. */
const logLimit = { max: 10, perMs: 60_000 };

interface Shared {
  readonly live: LiveHost;
  users: number;
  cancelEnd: () => void;
}

export function createDns({ lookup = bySystem, clock = idleClock, log }: DnsOptions = {}): Dns {
  const hosts = new Map<string, Shared>();
  const lingering = new Set<string>();
  const remembered = new Map<string, Host>();
  const limited = log && limitedLog(log, { ...logLimit, now: clock.now });

  const start = (host: string): Shared => {
    const changed = (failure: Error | undefined, isBridged: boolean) => {
      if (failure === undefined) limited?.info(`DNS: ${host} recovered`);
      else limited?.warn(`${failure.message}${isBridged ? '; its last known addresses stay in use' : ''}; retrying`);
    };
    const live = new LiveHost({ lookup: isFresh => lookup(host, isFresh), clock, changed });
    const shared = { live, users: 0, cancelEnd: () => {} };
    hosts.set(host, shared);
    return shared;
  };
  const end = (host: string): void => {
    const shared = hosts.get(host);
    hosts.delete(host);
    lingering.delete(host);
    shared?.cancelEnd();
    shared?.live.stop();
  };
  const linger = (host: string, shared: Shared): void => {
    lingering.add(host);
    shared.cancelEnd = clock.after(lingerMs, () => end(host));
    const [oldest] = lingering;
    if (lingering.size > maxLingering) end(oldest);
  };

  const resolve = (host: string): Observable<Host> => {
    const literal = literalHost(host);
    if (literal) return of(literal);
    return new Observable(out => {
      const shared = hosts.get(host) ?? start(host);
      shared.users++;
      shared.cancelEnd();
      lingering.delete(host);
      out.add(shared.live.states.subscribe(out));
      out.add(() => {
        if (--shared.users === 0) linger(host, shared);
      });
    });
  };

  const resolveOnce = (host: string): Observable<Host> =>
    new Observable(out => {
      const known = remembered.get(host);
      const states = known === undefined ? resolve(host).pipe(map(remember(host))) : of(known);
      out.add(states.pipe(takeWhile(({ state }) => state !== 'bound', true)).subscribe(out));
    });
  const remember = (host: string) => (state: Host) => {
    if (state.state !== 'bound') return state;
    remembered.set(host, state);
    if (remembered.size > maxRemembered) remembered.delete(remembered.keys().next().value as string);
    return state;
  };

  return {
    resolve,
    resolveOnce,
    nudge(ip) {
      for (const { live } of hosts.values())
        if (live.state.state === 'bound' && live.state.ips.includes(ip)) live.nudge();
    },
    get failing() {
      return [...hosts.values()].filter(({ live }) => live.isFailing).length;
    },
  };
}

/** Metrics of the names of a program and of what they ask the network. */
export function measureDns(registry: Registry, dns: Dns, resolver: Resolver = systemResolver()): void {
  const scope = registry.scope({});
  scope.computed('l5d:dns:failing', {}, () => dns.failing);
  for (const result of ['found', 'none', 'failed'] as const)
    scope.computed('l5d:dns:lookups', { result }, () => resolver.outcomes[result]);
}

const bySystem = (host: string, isFresh: boolean): Promise<Lookup> => systemResolver().lookup(host, { isFresh });

/** Waiting for the next look-up keeps no process alive. */
const idleClock: Clock = {
  now: monotonicNow,
  random: Math.random,
  after(ms, run) {
    const timer = setTimeout(run, ms).unref();
    return () => clearTimeout(timer);
  },
};
