/** The routes of the running proxy, by the keys of the plan: in force, or withdrawn and there until their last session has ended. */
import type { RouteView } from '../admin/proxy/view.ts';
import type { Log } from '../log.ts';
import { LiveRoute, type RouteSettings, type RouteSurroundings } from './live-route.ts';

export class LiveRoutes {
  readonly #around: RouteSurroundings;
  readonly #nextId: () => number;
  readonly #inForce = new Map<string, LiveRoute>();
  readonly #leaving = new Map<string, LiveRoute>();
  /** Keys in effect that were unused at the last sweep. */
  readonly #unneeded = new Set<string>();

  /** @param nextId ids that no listener and no route has had */
  constructor(around: RouteSurroundings, nextId: () => number) {
    this.#around = around;
    this.#nextId = nextId;
  }

  /** One that is in force. */
  get(key: string): LiveRoute | undefined {
    return this.#inForce.get(key);
  }

  /** Number of unused routes that still exist. */
  get leftover(): number {
    return this.#unneeded.size + this.#leaving.size;
  }

  /**
   * One that is still leaving comes back, with the health of its endpoints.
   * @param onDemand for a name that a client has asked for: the log of the route
   * @throws LinkerdTcpError SHARED_MEMORY_FULL
   */
  begin(key: string, settings: RouteSettings, onDemand?: { readonly log: Log }): LiveRoute {
    const leaving = this.#leaving.get(key);
    this.#leaving.delete(key);
    leaving?.revive(settings);
    const route =
      leaving ?? new LiveRoute(this.#nextId(), settings, { ...this.#around, ...onDemand }, onDemand !== undefined);
    this.#inForce.set(key, route);
    return route;
  }

  withdraw(key: string): void {
    const route = this.#inForce.get(key) as LiveRoute;
    this.#inForce.delete(key);
    this.#unneeded.delete(key);
    route.withdraw();
    this.#leaving.set(key, route);
  }

  /** Why an endpoint of a route last failed. */
  noteError(id: number, slot: number, at: number, reason: string): void {
    const byId = ({ id: own }: LiveRoute): boolean => own === id;
    const route = this.#inForce.values().find(byId) ?? this.#leaving.values().find(byId);
    route?.noteError(slot, at, reason);
  }

  withdrawAll(): void {
    for (const key of [...this.#inForce.keys()]) this.withdraw(key);
  }

  /** Those in force, then those that are leaving. */
  views(): readonly RouteView[] {
    return [...this.#inForce.values(), ...this.#leaving.values()].map(route => route.view());
  }

  /**
   * Frees ended routes, and withdraws those that were unused twice in a row. Twice, because a worker that does not know yet that a
   * name was dropped may start one more session, which must not wait for a route that is no longer followed.
   */
  sweep(acknowledged: number, isNeeded: (key: string) => boolean): void {
    for (const [key, route] of this.#inForce) {
      route.sweep(acknowledged);
      if (isNeeded(key) || route.waiters > 0) this.#unneeded.delete(key);
      else if (this.#unneeded.has(key)) this.withdraw(key);
      else this.#unneeded.add(key);
    }
    for (const [key, route] of this.#leaving) if (route.sweep(acknowledged)) this.#leaving.delete(key);
  }
}
