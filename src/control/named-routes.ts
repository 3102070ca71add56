/**
 * Routes made on demand: a worker requests the route of a server name, and is notified when it exists.
 *
 * At most `maxNames` names exist at a time. An idle name is dropped, first by the workers; its route is withdrawn when no other name
 * uses it (see {@link LiveRoutes.sweep}). The names of a listener are dropped with the listener.
 */
import { LinkerdTcpError } from '../errors.ts';
import { limitedLog } from '../limited-log.ts';
import type { Log } from '../log.ts';
import type { DataPlane } from '../proxy/worker/data-plane.ts';
import type { LiveRoute } from './live-route.ts';
import type { LiveRoutes } from './live-routes.ts';
import type { NameToRoute, PlannedRoute } from './plan.ts';

export interface NameLimits {
  /** Of all listeners together. */
  readonly maxNames: number;
  /** A name without a connection for this long is forgotten. */
  readonly idleMs: number;
  /** The same for a name that does not resolve. */
  readonly idleNegativeMs: number;
  /** A name must have been idle for this long before another replaces it: the client that asked for it may not have used it yet. */
  readonly restMs: number;
}

const defaultLimits: NameLimits = { maxNames: 1_000, idleMs: 600_000, idleNegativeMs: 10_000, restMs: 1_000 };

const logLimit = { max: 20, perMs: 10_000 };

export interface NamedRoutesOptions {
  readonly plane: Pick<DataPlane, 'named' | 'unnamed'>;
  readonly routes: LiveRoutes;
  readonly log: Log;
  readonly now: () => number;
  readonly limits?: Partial<NameLimits>;
}

/** The state of a server name on one listener. */
interface Known {
  /** A route with a name is in force. */
  route: LiveRoute;
  key: string;
  /** When it was last seen in use, or was made. */
  usedAt: number;
  /** Its count of connections when last looked at. */
  attempts: number;
}

interface NamingListener {
  readonly id: number;
  nameToRoute: NameToRoute;
  readonly names: Map<string, Known>;
}

export class NamedRoutes {
  readonly #plane: NamedRoutesOptions['plane'];
  readonly #routes: LiveRoutes;
  readonly #now: () => number;
  readonly #limits: NameLimits;
  /** For what clients cause. */
  readonly #log: Log;
  readonly #listeners = new Map<number, NamingListener>();
  #size = 0;

  constructor({ plane, routes, log, now, limits }: NamedRoutesOptions) {
    this.#plane = plane;
    this.#routes = routes;
    this.#now = now;
    this.#limits = { ...defaultLimits, ...limits };
    this.#log = limitedLog(log, { ...logLimit, now });
  }

  /** Names of that listener lead where `nameToRoute` says, those that are known already included. */
  serve(listener: number, nameToRoute: NameToRoute): void {
    const known = this.#listeners.get(listener) ?? { id: listener, nameToRoute, names: new Map() };
    this.#listeners.set(listener, known);
    known.nameToRoute = nameToRoute;
    for (const name of known.names.keys()) this.#redirect(known, name);
  }

  /** The listener was closed, or no longer routes by name. */
  drop(listener: number): void {
    const known = this.#listeners.get(listener);
    if (!known) return;
    for (const name of known.names.keys()) this.#forget(known, name);
    this.#listeners.delete(listener);
  }

  dropAll(): void {
    for (const listener of [...this.#listeners.keys()]) this.drop(listener);
  }

  /** Gives all names' routes the settings of their listeners, whatever others made of them. */
  refresh(): void {
    for (const { id, nameToRoute } of this.#listeners.values()) this.serve(id, nameToRoute);
  }

  /** Answers in any case: who asked waits. */
  asked(listener: number, name: string): void {
    const known = this.#listeners.get(listener);
    const route = known && (known.names.get(name) ?? this.#take(known, name))?.route;
    this.#plane.named(listener, name, route?.id ?? null);
  }

  /** Keys of the routes that have a name. */
  keys(): ReadonlySet<string> {
    return new Set(this.#all().map(([, , { key }]) => key));
  }

  /** Forgets who has been idle for too long. */
  sweep(): void {
    const now = this.#now();
    for (const [listener, name, known] of this.#all()) {
      const { route } = known;
      const limit = route.state === 'negative' ? this.#limits.idleNegativeMs : this.#limits.idleMs;
      if (route.isInUse || route.attempts !== known.attempts) {
        known.usedAt = now;
        known.attempts = route.attempts;
      } else if (now - known.usedAt >= limit) this.#forget(listener, name);
    }
  }

  #take(listener: NamingListener, name: string): Known | undefined {
    if (this.#size >= this.#limits.maxNames && !this.#makeRoom()) {
      this.#log.warn(
        `a client asks for ${name} and is refused: ${this.#limits.maxNames} server names are in use, which is the most there can be`,
      );
      return undefined;
    }
    const planned = listener.nameToRoute(name);
    const route = this.#routeFor(planned);
    if (!route) return undefined;
    const known = { route, key: planned.key, usedAt: this.#now(), attempts: route.attempts };
    listener.names.set(name, known);
    this.#size++;
    return known;
  }

  #redirect(listener: NamingListener, name: string): void {
    const known = listener.names.get(name) as Known;
    const planned = listener.nameToRoute(name);
    const route = this.#routeFor(planned);
    if (!route) return this.#forget(listener, name);
    if (route !== known.route) this.#plane.named(listener.id, name, route.id);
    known.route = route;
    known.key = planned.key;
  }

  /** With those settings; undefined when there is no room for it. */
  #routeFor({ key, settings }: PlannedRoute): LiveRoute | undefined {
    const known = this.#routes.get(key);
    known?.adjust(settings);
    if (known) return known;
    try {
      return this.#routes.begin(key, settings, { log: this.#log });
    } catch (error) {
      if (!(error instanceof LinkerdTcpError && error.code === 'SHARED_MEMORY_FULL')) throw error;
      this.#log.error(`a client that asks for a new server name is refused: ${error.message}`);
      return undefined;
    }
  }

  /** Drops an idle name: preferably one that does not resolve, otherwise the one that has been idle the longest. */
  #makeRoom(): boolean {
    const { maxNames, restMs } = this.#limits;
    // Their routes take a moment to end: however fast new names arrive, the number of routes must stay bounded.
    if (this.#routes.leftover * 2 > maxNames) return false;
    const latest = this.#now() - restMs;
    let best: readonly [NamingListener, string, Known] | undefined;
    for (const each of this.#all()) {
      const [, , known] = each;
      if (known.usedAt <= latest && (!best || goesBefore(known, best[2])) && !known.route.isInUse) best = each;
    }
    if (!best) return false;
    this.#forget(best[0], best[1]);
    return true;
  }

  #forget({ id, names }: NamingListener, name: string): void {
    names.delete(name);
    this.#size--;
    this.#plane.unnamed(id, name);
  }

  #all(): (readonly [NamingListener, string, Known])[] {
    return [...this.#listeners.values()].flatMap(listener =>
      [...listener.names].map(([name, known]) => [listener, name, known] as const),
    );
  }
}

function goesBefore(a: Known, b: Known): boolean {
  const isNegative = a.route.state === 'negative';
  return isNegative === (b.route.state === 'negative') ? a.usedAt < b.usedAt : isNegative;
}
