/**
 * The listeners of the running proxy, brought to what a configuration says: new sockets are opened first, then those that stay are
 * adjusted in place, then the others are closed. A new socket may share the port of one that closes, so that no client is refused.
 */
import type { Log } from '../log.ts';
import type { RouteId } from '../proxy/messages.ts';
import type { ShownIdentities } from './certificates.ts';
import { adviseOnListening } from './listen-advice.ts';
import { type ListenerSettings, type ListenerSurroundings, LiveListener } from './live-listener.ts';
import type { NamedRoutes } from './named-routes.ts';
import type { WantedListener } from './plan.ts';

/** A server that listens. */
export interface ListeningServer {
  /** Label of the router. */
  readonly router: string;
  readonly dstName: string;
  /** Bound `ip:port`. */
  readonly address: string;
}

export interface ListenersOptions {
  readonly around: ListenerSurroundings;
  readonly log: Log;
  /** Ids that no listener and no route has had. */
  readonly nextId: () => number;
  /** Told which listeners route by server name: before they can ask, and until they cannot any more. */
  readonly names: Pick<NamedRoutes, 'serve' | 'drop'>;
}

export class Listeners {
  readonly #options: ListenersOptions;
  /** By the keys of the plan. */
  #open = new Map<string, LiveListener>();
  /** Closed; there until their last session has ended. */
  readonly #leaving = new Set<LiveListener>();

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  servers(): readonly ListeningServer[] {
    return [...this.#open.values()].map(({ address, settings: { router, server } }) => ({
      router,
      dstName: server.dstName,
      address,
    }));
  }

  /** The identities of listeners that terminate TLS. */
  shown(): readonly ShownIdentities[] {
    return [...this.#open.values()].flatMap(({ address, settings: { router, identities } }) =>
      identities ? [{ router, address, identities }] : [],
    );
  }

  /** @throws LinkerdTcpError CANNOT_LISTEN or SHARED_MEMORY_FULL, and then what listened before listens. */
  async apply(
    wanted: ReadonlyMap<string, WantedListener>,
    routeOf: (listener: WantedListener) => RouteId | null,
  ): Promise<void> {
    const before = this.#open;
    const stays = (key: string): boolean => {
      const server = wanted.get(key)?.server;
      return server !== undefined && before.get(key)?.needsReopening(server) === false;
    };
    const going = [...before].filter(([key]) => !stays(key)).map(([, listener]) => listener);
    const opened = new Map<string, LiveListener>();
    try {
      for (const [key, listener] of wanted) {
        if (stays(key)) continue;
        // One that only gets another socket stays on the port the system gave it.
        const port = listener.server.port || (before.get(key)?.port ?? 0);
        const replaces = going.some(one => one.overlaps(listener.server.ip, port));
        opened.set(key, await this.#openOne(listener, settingsOf(listener, routeOf(listener)), port, replaces));
      }
      for (const [key, listener] of wanted) if (stays(key)) before.get(key)?.prepare(listener);
    } catch (error) {
      for (const listener of before.values()) listener.unprepare();
      await Promise.all([...opened.values()].map(listener => this.#close(listener)));
      throw error;
    }
    this.#open = new Map();
    for (const [key, listener] of wanted) {
      const live = opened.get(key) ?? (before.get(key) as LiveListener);
      this.#open.set(key, live);
      const { address } = live;
      const { router, server } = listener;
      if (opened.has(key)) this.#options.log.info(`routing on ${address} to ${server.dstName}`, { router });
      else if (this.#adjust(live, settingsOf(listener, routeOf(listener))))
        this.#options.log.info(`now routing on ${address} to ${server.dstName}`, { router });
    }
    await Promise.all(going.map(listener => this.#close(listener)));
    for (const { address } of going)
      this.#options.log.info(`no longer listening on ${address}; its open connections stay open`);
  }

  /** Open connections, also of listeners that have been closed. */
  connections(): number {
    return [...this.#open.values(), ...this.#leaving].reduce((sum, { connections }) => sum + connections, 0);
  }

  /** Before all are closed: clients of a port that another process shares go to that one, and the last ones here are accepted. */
  async fadeOut(): Promise<void> {
    const shared = [...this.#open.values()].filter(({ settings }) => settings.server.reusePort);
    await Promise.all(shared.map(listener => listener.fadeOut()));
  }

  sweep(acknowledged: number): void {
    for (const listener of this.#open.values()) listener.sweep(acknowledged);
    for (const listener of this.#leaving) if (listener.sweep(acknowledged)) this.#leaving.delete(listener);
  }

  async #openOne(
    { place }: WantedListener,
    settings: ListenerSettings,
    port: number,
    replaces: boolean,
  ): Promise<LiveListener> {
    try {
      return await this.#start(settings, port, replaces);
    } catch (error) {
      throw adviseOnListening(error, `${place}.port`);
    }
  }

  async #start(settings: ListenerSettings, port: number, replaces: boolean): Promise<LiveListener> {
    const { around, nextId, names } = this.#options;
    const id = nextId();
    // Its first client may be there before it is known to listen everywhere.
    if (settings.named) names.serve(id, settings.named);
    try {
      return await LiveListener.open(id, settings, around, port, replaces || settings.server.reusePort);
    } catch (error) {
      names.drop(id);
      throw error;
    }
  }

  #adjust(listener: LiveListener, settings: ListenerSettings): boolean {
    const { names } = this.#options;
    if (settings.named) names.serve(listener.id, settings.named);
    const isNews = listener.adjust(settings);
    if (!settings.named) names.drop(listener.id);
    return isNews;
  }

  async #close(listener: LiveListener): Promise<void> {
    this.#leaving.add(listener);
    await listener.close();
    this.#options.names.drop(listener.id);
  }
}

const settingsOf = (listener: WantedListener, route: RouteId | null): ListenerSettings => ({
  router: listener.router,
  server: listener.server,
  route,
  named: listener.named,
  identities: listener.identities,
  bufferSizeBytes: listener.bufferSizeBytes,
});
