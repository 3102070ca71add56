/**
 * The parts of a running proxy that carry traffic: workers, routes, listeners. `apply` brings them to what a configuration says,
 * at the start and at each reload, and touches only what differs.
 */
import type { RouteView } from '../admin/proxy/view.ts';
import { EndpointTable } from '../balancer/endpoint-table.ts';
import { SlotAllocator } from '../balancer/slots.ts';
import { parseDtab } from '../dtab/parse.ts';
import type { Path } from '../dtab/path.ts';
import { LinkerdTcpError } from '../errors.ts';
import { monotonicNow } from '../io/clock.ts';
import type { DriverKind } from '../io/drivers/choose-driver.ts';
import type { Log } from '../log.ts';
import type { Cell } from '../metrics/cells.ts';
import type { Registry } from '../metrics/registry.ts';
import { encodeDelegation } from '../naming/json/delegation.ts';
import type { Json } from '../naming/json/json.ts';
import type { ConnectionRecord } from '../proxy/record.ts';
import { DataPlane } from '../proxy/worker/data-plane.ts';
import type { LinkerdTcpConfig } from '../settings/linkerd-tcp/config.ts';
import { Certificates } from './certificates.ts';
import { Listeners, type ListeningServer } from './listeners.ts';
import type { LiveRoute, RouteSurroundings } from './live-route.ts';
import { LiveRoutes } from './live-routes.ts';
import { NamedRoutes } from './named-routes.ts';
import type { NamingGraph } from './naming-graph.ts';
import { type Plan, planOf } from './plan.ts';
import { SharedCounts } from './shared-counts.ts';
import type { StateDir } from './state-dir.ts';
import { TlsContexts } from './tls-contexts.ts';

const maxEndpoints = 1 << 16;
const sweepMs = 1_000;

export interface ProxyPartsOptions {
  readonly registry: Registry;
  readonly naming: NamingGraph;
  readonly log: Log;
  readonly workers: number;
  readonly driver: DriverKind;
  /** Where the last known meaning of names is kept. */
  readonly stateDir?: StateDir | undefined;
  readonly records: (records: readonly ConnectionRecord[]) => void;
  readonly died: (error: Error) => void;
}

export class ProxyParts {
  readonly #options: ProxyPartsOptions;
  readonly #around: RouteSurroundings;
  readonly #listeners: Listeners;
  readonly #dropped: Cell;
  readonly #sweeper: NodeJS.Timeout;
  readonly #routes: LiveRoutes;
  readonly #names: NamedRoutes;
  readonly #tls: TlsContexts;
  readonly #certificates: Certificates;
  #config: LinkerdTcpConfig | undefined;
  /** In force; both the one before and the next while one takes the other's place. */
  #planned: Plan['routes'] = new Map();

  private constructor(options: ProxyPartsOptions, around: RouteSurroundings) {
    this.#options = options;
    this.#around = around;
    let lastId = 0;
    const nextId = () => ++lastId;
    const { plane, log, now, registry } = around;
    this.#certificates = new Certificates(registry);
    this.#tls = new TlsContexts({
      publish: (id, context) => plane.defineTls(id, context),
      withdraw: id => plane.forgetTls(id),
      expose: (labels, secondsLeft) => this.#certificates.expose(labels, secondsLeft),
      nextId,
      log,
    });
    this.#routes = new LiveRoutes(around, nextId);
    this.#names = new NamedRoutes({ plane, log, now, routes: this.#routes });
    this.#listeners = new Listeners({ around, log, nextId, names: this.#names });
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
    // No worker asks before a listener exists.
    const asked = (listener: number, name: string): void => parts.#names.asked(listener, name);
    const endpointError = (route: number, slot: number, at: number, reason: string): void =>
      parts.#routes.noteError(route, slot, at, reason);
    const callbacks = { records, asked, endpointError, died };
    const plane = await DataPlane.start({ ...shared, driver, log, ...callbacks }, inFlight);
    const parts = new ProxyParts(options, {
      table: new EndpointTable(endpoints),
      slots: new SlotAllocator(maxEndpoints),
      registry,
      now: monotonicNow,
      plane,
      counts,
      log,
      stateDir: options.stateDir,
      nudge: ip => options.naming.nudge(ip),
    });
    return parts;
  }

  /**
   * New routes, then the listeners, then the routes that stay, then the ones that go: what cannot be had changes nothing else.
   * @throws LinkerdTcpError CANNOT_LISTEN, SHARED_MEMORY_FULL or TLS_UNUSABLE
   */
  async apply(config: LinkerdTcpConfig): Promise<void> {
    const { naming } = this.#options;
    const tls = this.#tls.prepare(config);
    const before = this.#planned;
    let routes: Plan['routes'] = new Map();
    try {
      const plan = planOf(config, naming, tls);
      const { listeners } = plan;
      routes = plan.routes;
      this.#planned = new Map([...before, ...routes]);
      for (const [key, settings] of routes) if (!this.#routes.get(key)) this.#routes.begin(key, settings);
      await this.#listeners.apply(listeners, ({ route }) => (route === null ? null : this.#planRoute(route).id));
    } catch (error) {
      this.#settle(before, routes);
      this.#names.refresh();
      tls.abandon();
      if (this.#config) naming.keepOnly(this.#config);
      throw error;
    }
    this.#settle(routes, before);
    tls.commit();
    this.#certificates.show(this.#listeners.shown(), id => this.#tls.expiryOf(id));
    naming.keepOnly(config);
    this.#config = config;
  }

  /** @param others what was, or would have been: withdrawn, unless a server name leads there */
  #settle(planned: Plan['routes'], others: Plan['routes']): void {
    this.#planned = planned;
    for (const [key, settings] of planned) this.#planRoute(key).adjust(settings);
    const named = this.#names.keys();
    for (const key of others.keys())
      if (!planned.has(key) && !named.has(key) && this.#routes.get(key)) this.#routes.withdraw(key);
  }

  #planRoute(key: string): LiveRoute {
    return this.#routes.get(key) as LiveRoute;
  }

  record(on: boolean): void {
    this.#around.plane.record(on ? this.#dropped : null);
  }

  servers(): readonly ListeningServer[] {
    return this.#listeners.servers();
  }

  /** Those in force, then those that were withdrawn and still have sessions. */
  routes(): readonly RouteView[] {
    return this.#routes.views();
  }

  /**
   * Destinations that keep the proxy from being ready: those without a first answer, and those whose naming failed, unless
   * another one is served. One bad name must not take the whole proxy out of service. Names that clients choose never delay readiness.
   */
  waitingFor(): readonly string[] {
    const routes = [...this.#planned.keys()].map(key => this.#routes.get(key)).filter(route => route !== undefined);
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

  /** Open connections of clients. */
  connections(): number {
    return this.#listeners.connections();
  }

  async drain(graceMs: number): Promise<number> {
    await this.#listeners.fadeOut();
    return this.#around.plane.drain(graceMs);
  }

  async terminate(): Promise<void> {
    clearInterval(this.#sweeper);
    this.#tls.close();
    await this.#options.stateDir?.close();
    this.#names.dropAll();
    this.#routes.withdrawAll();
    await this.#around.plane.terminate();
  }

  #sweep(): void {
    const { acknowledged } = this.#around.plane;
    this.#listeners.sweep(acknowledged);
    this.#names.sweep();
    const named = this.#names.keys();
    this.#routes.sweep(acknowledged, key => this.#planned.has(key) || named.has(key));
  }
}
