/**
 * A listener of the running proxy: its address, its metrics, the settings new sessions get.
 *
 * The main thread's half; in each worker there is a `Listener` of proxy/listener.ts, which has the socket.
 */
import { setTimeout } from 'node:timers/promises';
import { showAddress } from '../io/driver.ts';
import { endScope } from '../metrics/join-scopes.ts';
import type { Registry } from '../metrics/registry.ts';
import type { HelloSpec, ListenerSpec, RouteId, SharedCount } from '../proxy/messages.ts';
import { probePort } from '../proxy/probe-port.ts';
import type { DataPlane } from '../proxy/worker/data-plane.ts';
import { parseDstName } from '../settings/linkerd-tcp/dst-name.ts';
import type { ServerConfig } from '../settings/linkerd-tcp/server-config.ts';
import { overlap } from '../settings/shared/overlap.ts';
import { type ListenerSeries, registerListener } from './listener-series.ts';
import type { NameToRoute } from './plan.ts';
import type { SharedCounts } from './shared-counts.ts';
import type { Identities } from './tls-contexts.ts';

/** For workers to accept what is in the queue of a listener that closes. */
const lastAcceptsMs = 50;

export interface ListenerSurroundings {
  readonly plane: DataPlane;
  readonly registry: Registry;
  readonly counts: SharedCounts;
}

export interface ListenerSettings {
  readonly router: string;
  readonly server: ServerConfig;
  /** Null where it routes by server name, and has no other destination. */
  readonly route: RouteId | null;
  /** Where server names lead; null where it does not route by them. */
  readonly named: NameToRoute | null;
  /** Whom it shows itself as where TLS ends here; null passes bytes on. */
  readonly identities: Identities | null;
  readonly bufferSizeBytes: number;
}

/** Series new sessions no longer write to; those accepted before still do. */
interface PastSeries {
  readonly series: ListenerSeries;
  /** When all workers have applied this generation, no session begins under them. */
  readonly leftIn: number;
  /** It had no session when last looked at: a worker counts the end of a session before the rest of what it writes about it. */
  wasIdle: boolean;
}

export class LiveListener {
  readonly id: number;
  /** The bound one. */
  readonly address: string;
  readonly port: number;
  readonly #around: ListenerSurroundings;
  readonly #active: SharedCount;
  #settings: ListenerSettings;
  #series: ListenerSeries;
  /** For settings that are to come. */
  #prepared: ListenerSeries | undefined;
  readonly #past: PastSeries[] = [];
  #closed = false;
  /** See {@link PastSeries.wasIdle}. */
  #wasIdle = false;

  private constructor(
    id: number,
    port: number,
    active: SharedCount,
    series: ListenerSeries,
    settings: ListenerSettings,
    around: ListenerSurroundings,
  ) {
    this.id = id;
    this.address = showAddress({ ip: settings.server.ip, port });
    this.port = port;
    this.#active = active;
    this.#series = series;
    this.#settings = settings;
    this.#around = around;
  }

  /**
   * @param wanted another port than the configured one: that of a listener this one replaces
   * @param isShared others may listen there too: the listener this one replaces, or another process
   * @throws LinkerdTcpError CANNOT_LISTEN or SHARED_MEMORY_FULL
   */
  static async open(
    id: number,
    settings: ListenerSettings,
    around: ListenerSurroundings,
    wanted: number = settings.server.port,
    isShared = settings.server.reusePort,
  ): Promise<LiveListener> {
    const { plane, registry, counts } = around;
    // Metrics are labelled with the port, and the first connection may come before a worker could tell which one it got:
    // where any free port will do, one is chosen first.
    const { ip } = settings.server;
    const port = wanted === 0 ? await probePort({ ip, port: 0 }) : wanted;
    const active = counts.take();
    let series: ListenerSeries | undefined;
    try {
      series = registerListener(registry, settings.router, showAddress({ ip, port }), settings.identities !== null);
      await plane.listen(specOf(id, port, active, series, settings), isShared);
    } catch (error) {
      counts.release(active);
      if (series) endScope(series);
      throw error;
    }
    return new LiveListener(id, port, active, series, settings, around);
  }

  get settings(): ListenerSettings {
    return this.#settings;
  }

  /** Whether these settings need another socket: all but the address changes in place. */
  needsReopening({ ip }: ServerConfig): boolean {
    return ip !== this.#settings.server.ip;
  }

  /** Whether a socket on that address would share connections with this one. */
  overlaps(ip: string, port: number): boolean {
    return port === this.port && overlap(ip, this.#settings.server.ip);
  }

  /**
   * Takes what {@link adjust} will need, so that it cannot fail.
   * @throws LinkerdTcpError SHARED_MEMORY_FULL
   */
  prepare(settings: SeriesSettings): void {
    if (suits(this.#series, settings) || this.#past.some(({ series }) => suits(series, settings))) return;
    this.#prepared = this.#register(settings);
  }

  /** The settings that were prepared for do not come. */
  unprepare(): void {
    if (this.#prepared) endScope(this.#prepared);
    this.#prepared = undefined;
  }

  /** Connections accepted and not yet ended. */
  get connections(): number {
    return this.#around.counts.read(this.#active);
  }

  /** Needs {@link prepare}. @returns whether anything but limits changed: where connections lead, or under which router they count. */
  adjust(settings: ListenerSettings): boolean {
    const before = this.#settings;
    this.#settings = settings;
    if (JSON.stringify(settings) === JSON.stringify(before)) return false;
    const { plane } = this.#around;
    const left = this.#series;
    if (!suits(left, settings)) this.#series = this.#seriesOf(settings);
    const leftIn = plane.adjust(specOf(this.id, this.port, this.#active, this.#series, settings));
    if (left !== this.#series) this.#past.push({ series: left, leftIn, wasIdle: false });
    const { dstName } = settings.server;
    return settings.router !== before.router || settings.route !== before.route || dstName !== before.server.dstName;
  }

  /**
   * Resolves when no worker accepts here any more. Closing a socket resets what is in its queue, so the queue is served first: it is
   * made as short as the system allows, and the workers have a moment to accept what is in it.
   */
  async close(): Promise<void> {
    await this.fadeOut();
    await this.#around.plane.unlisten(this.id);
    this.#closed = true;
  }

  /** See {@link close}. */
  async fadeOut(): Promise<void> {
    const spec = specOf(this.id, this.port, this.#active, this.#series, this.#settings);
    this.#around.plane.adjust({ ...spec, backlog: 1 });
    await setTimeout(lastAcceptsMs);
  }

  /** @returns whether the last session of a closed listener has ended and its resources are released */
  sweep(acknowledged: number): boolean {
    const { counts } = this.#around;
    this.#sweepPast(acknowledged);
    const wasIdle = this.#wasIdle;
    this.#wasIdle = this.#closed && counts.read(this.#active) === 0;
    if (!wasIdle || !this.#wasIdle) return false;
    for (const { series } of this.#past.splice(0)) endScope(series);
    endScope(this.#series);
    counts.release(this.#active);
    return true;
  }

  #sweepPast(acknowledged: number): void {
    for (const past of [...this.#past]) {
      const isIdle = past.leftIn <= acknowledged && this.#around.registry.read(past.series.cells.active) === 0;
      if (isIdle && past.wasIdle) {
        this.#past.splice(this.#past.indexOf(past), 1);
        endScope(past.series);
      }
      past.wasIdle = isIdle;
    }
  }

  /** @throws LinkerdTcpError SHARED_MEMORY_FULL */
  #register({ router, identities }: SeriesSettings): ListenerSeries {
    return registerListener(this.#around.registry, router, this.address, identities !== null);
  }

  #seriesOf(settings: SeriesSettings): ListenerSeries {
    const past = this.#past.findIndex(({ series }) => suits(series, settings));
    if (past >= 0) return this.#past.splice(past, 1)[0].series;
    const series = this.#prepared ?? this.#register(settings);
    this.#prepared = undefined;
    return series;
  }
}

/** What decides which series a session counts in. */
type SeriesSettings = Pick<ListenerSettings, 'router' | 'identities'>;

const suits = ({ router, tlsCells }: ListenerSeries, settings: SeriesSettings): boolean =>
  router === settings.router && (tlsCells !== null) === (settings.identities !== null);

function specOf(
  id: number,
  port: number,
  active: SharedCount,
  { cells, tlsCells }: ListenerSeries,
  { router, server, route, identities, bufferSizeBytes }: ListenerSettings,
): ListenerSpec {
  return {
    id,
    ip: server.ip,
    port,
    backlog: server.backlog,
    keepAliveSecs: server.keepAlive.enabled ? server.keepAlive.idleSecs : 0,
    bufferSizeBytes,
    router,
    route,
    hello: helloOf(server),
    tls: identities && tlsCells && { ...identities, cells: tlsCells },
    nameFrom: parseDstName(server.dstName).variable,
    connectTimeoutMs: server.connectTimeoutMs,
    lifetimeMs: server.connectionLifetimeMs ?? Number.POSITIVE_INFINITY,
    lifetimeJitter: server.connectionLifetimeJitterPercent / 100,
    idleTimeoutMs: server.idleTimeoutMs,
    finTimeoutMs: server.finTimeoutMs,
    maxConcurrency: server.maxConcurrency,
    active,
    cells,
  };
}

function helloOf({ sni, tls }: ServerConfig): HelloSpec | null {
  if (tls) return { timeoutMs: tls.handshakeTimeoutMs, mostBytes: tls.maxClientHelloBytes };
  return sni ? { timeoutMs: sni.helloTimeoutMs, mostBytes: sni.maxClientHelloBytes } : null;
}
