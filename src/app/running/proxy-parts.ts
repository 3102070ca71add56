/**
 * The parts of a running proxy that carry traffic: workers, routes, listeners. `apply` brings them to what a configuration says,
 * at the start and at each reload, and touches only what differs.
 */
import type { RouteView } from '../../admin/view.ts';
import { EndpointTable } from '../../balancer/endpoint-table.ts';
import { SlotAllocator } from '../../balancer/slots.ts';
import { parseDtab } from '../../dtab/parse.ts';
import type { Path } from '../../dtab/path.ts';
import { LinkerdTcpError } from '../../errors.ts';
import type { DriverKind } from '../../io/choose-driver.ts';
import { monotonicNow } from '../../io/clock.ts';
import type { Log } from '../../log.ts';
import type { Cell } from '../../metrics/cells.ts';
import type { Registry } from '../../metrics/registry.ts';
import { encodeDelegation, type Json } from '../../naming/json.ts';
import { DataPlane } from '../../proxy/data-plane.ts';
import type { ConnectionRecord } from '../../proxy/record.ts';
import type { LinkerdTcpConfig } from '../config/linkerd-tcp-config.ts';
import { Listeners, type ListeningServer } from './listeners.ts';
import { LiveRoute, type RouteSettings, type RouteSurroundings } from './live-route.ts';
import type { NamingGraph } from './naming-graph.ts';
import { planOf } from './plan.ts';
import { SharedCounts } from './shared-counts.ts';

const maxEndpoints = 1 << 16;
const sweepMs = 1_000;

export interface ProxyPartsOptions {
  readonly registry: Registry;
  readonly naming: NamingGraph;
  readonly log: Log;
  readonly workers: number;
  readonly driver: DriverKind;
  readonly records: (records: readonly ConnectionRecord[]) => void;
  readonly died: (error: Error) => void;
}

export class ProxyParts {
  readonly #options: ProxyPartsOptions;
  readonly #around: RouteSurroundings;
  readonly #listeners: Listeners;
  readonly #dropped: Cell;
  readonly #sweeper: NodeJS.Timeout;
  #config: LinkerdTcpConfig | undefined;
  #lastId = 0;
  /** By the keys of the plan. */
  readonly #routes = new Map<string, LiveRoute>();
  /** Withdrawn, by the same keys; there until their last session has ended. */
  readonly #leaving = new Map<string, LiveRoute>();

  private constructor(options: ProxyPartsOptions, around: RouteSurroundings) {
    this.#options = options;
    this.#around = around;
    this.#listeners = new Listeners({ around, log: options.log, nextId: () => ++this.#lastId });
    this.#dropped = options.registry.scope({}).counter('l5d:accesslog:dropped');
    this.#sweeper = setInterval(() => this.#sweep(), sweepMs).unref();
  }

  static async start(options: ProxyPartsOptions): Promise<ProxyParts> {
    const { registry, log, records, died, workers, driver } = options;
    const endpoints = new SharedArrayBuffer(EndpointTable.bytesFor(maxEndpoints));
    const counts = new SharedCounts();
    const inFlight = Array.from({ length: workers }, () => counts.take());
    const metrics = registry.pages.slice(1);
    const shared = { metrics, endpoints, counts: counts.memory };
    const plane = await DataPlane.start({ ...shared, driver, log, records, died }, inFlight);
    return new ProxyParts(options, {
      table: new EndpointTable(endpoints),
      slots: new SlotAllocator(maxEndpoints),
      registry,
      now: monotonicNow,
      plane,
      counts,
      log,
    });
  }

  /**
   * New routes, then the listeners, then the routes that stay, then the ones that go: what cannot be had changes nothing else.
   * @throws LinkerdTcpError CANNOT_LISTEN or SHARED_MEMORY_FULL
   */
  async apply(config: LinkerdTcpConfig): Promise<void> {
    const { naming } = this.#options;
    const { routes, listeners } = planOf(config, naming);
    const begun: string[] = [];
    try {
      for (const [key, settings] of routes) {
        if (this.#routes.has(key)) continue;
        this.#begin(key, settings);
        begun.push(key);
      }
      await this.#listeners.apply(listeners, ({ route }) => (this.#routes.get(route) as LiveRoute).id);
    } catch (error) {
      for (const key of begun) this.#withdraw(key);
      if (this.#config) naming.keepOnly(this.#config);
      throw error;
    }
    for (const [key, settings] of routes) if (!begun.includes(key)) this.#routes.get(key)?.adjust(settings);
    for (const key of [...this.#routes.keys()]) if (!routes.has(key)) this.#withdraw(key);
    naming.keepOnly(config);
    this.#config = config;
  }

  record(on: boolean): void {
    this.#around.plane.record(on ? this.#dropped : null);
  }

  servers(): readonly ListeningServer[] {
    return this.#listeners.servers();
  }

  /** Those in force, then those that were withdrawn and still have sessions. */
  routes(): readonly RouteView[] {
    return [...this.#routes.values(), ...this.#leaving.values()].map(route => route.view());
  }

  /**
   * Destinations that keep the proxy from being ready: those without a first answer, and those whose naming failed, unless
   * another one is served. One wrong name must not take the others out of a load balancer in front.
   */
  waitingFor(): readonly string[] {
    const routes = [...this.#routes.values()];
    const isServing = routes.some(({ state }) => state === 'bound' || state === 'negative');
    return routes
      .filter(({ state }) => state === 'pending' || (state === 'failed' && !isServing))
      .map(({ dst, router }) => `${dst} of router ${router} to be resolved`);
  }

  async delegate(label: string | undefined, path: Path): Promise<Json> {
    const config = this.#config as LinkerdTcpConfig;
    const router = label === undefined ? config.routers[0] : config.routers.find(one => one.label === label);
    if (!router) {
      const known = config.routers.map(one => one.label).join(', ') || 'none';
      throw new LinkerdTcpError('ROUTER_UNKNOWN', { label: label ?? '(none)', known });
    }
    const delegation = await this.#options.naming.interpreterOf(config, router).delegate(parseDtab(router.dtab), path);
    return encodeDelegation(delegation, () => ({ state: 'pending' }));
  }

  drain(graceMs: number): Promise<number> {
    return this.#around.plane.drain(graceMs);
  }

  async terminate(): Promise<void> {
    clearInterval(this.#sweeper);
    for (const route of this.#routes.values()) route.withdraw();
    await this.#around.plane.terminate();
  }

  /** One that is still leaving comes back, with the health of its endpoints. */
  #begin(key: string, settings: RouteSettings): void {
    const leaving = this.#leaving.get(key);
    this.#leaving.delete(key);
    leaving?.revive(settings);
    this.#routes.set(key, leaving ?? new LiveRoute(++this.#lastId, settings, this.#around));
  }

  #withdraw(key: string): void {
    const route = this.#routes.get(key) as LiveRoute;
    this.#routes.delete(key);
    route.withdraw();
    this.#leaving.set(key, route);
  }

  #sweep(): void {
    const { acknowledged } = this.#around.plane;
    this.#listeners.sweep(acknowledged);
    for (const route of this.#routes.values()) route.sweep(acknowledged);
    for (const [key, route] of this.#leaving) if (route.sweep(acknowledged)) this.#leaving.delete(key);
  }
}
