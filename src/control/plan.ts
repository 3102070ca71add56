/** The plan of a configuration: its destinations and listeners, parsed once, by keys that are stable across reloads. */
import { pathText } from '../config/problem.ts';
import { parseDtab, parsePath } from '../dtab/parse.ts';
import type { Path } from '../dtab/path.ts';
import { showPath } from '../dtab/show.ts';
import { type LinkerdTcpConfig, onNegativeOf } from '../settings/linkerd-tcp/config.ts';
import { parseDstName } from '../settings/linkerd-tcp/dst-name.ts';
import type { ServerConfig } from '../settings/linkerd-tcp/server-config.ts';
import { clientPolicy } from './client-policy.ts';
import type { RouteSettings } from './live-route.ts';
import type { NamingGraph } from './naming-graph.ts';
import { savedKey } from './saved-names.ts';
import type { Identities, PreparedTls } from './tls-contexts.ts';

export interface Plan {
  readonly routes: ReadonlyMap<string, RouteSettings>;
  readonly listeners: ReadonlyMap<string, WantedListener>;
}

export interface WantedListener {
  readonly router: string;
  readonly server: ServerConfig;
  /**
   * Key of its destination in {@link Plan.routes}. Where it routes by a name that clients give: of the one for who gives none, or one
   * that means nothing; null when there is none.
   */
  readonly route: string | null;
  /** Where names that clients give lead; null where it does not route by them. */
  readonly named: NameToRoute | null;
  /** Null where TLS does not end here. */
  readonly identities: Identities | null;
  readonly bufferSizeBytes: number;
  /** Where the configuration asks for it: `routers[0].servers[1]`. */
  readonly place: string;
}

/** A destination and the key it has, or would have, in {@link Plan.routes}. */
export interface PlannedRoute {
  readonly key: string;
  readonly settings: RouteSettings;
}

export type NameToRoute = (name: string) => PlannedRoute;

/** @throws LinkerdTcpError TLS_UNUSABLE */
export function planOf(
  config: LinkerdTcpConfig,
  naming: NamingGraph,
  tls: Pick<PreparedTls, 'server' | 'client'>,
): Plan {
  const routes = new Map<string, RouteSettings>();
  const listeners = new Map<string, WantedListener>();
  for (const [r, router] of config.routers.entries()) {
    const dtab = parseDtab(router.dtab);
    const onNegative = onNegativeOf(router);
    const interpreter = naming.interpreterOf(config, router);
    const namingKey = JSON.stringify([naming.keyOf(config, router), router.dtab, onNegative]);
    const routeTo = (dst: Path): PlannedRoute => {
      const policy = clientPolicy(router, dst, tls);
      const { kind, namespace } = router.interpreter;
      const stateKey = savedKey([router.label, showPath(dst), router.dtab, kind, namespace ?? null]);
      const settings = { router: router.label, dst, interpreter, namingKey, stateKey, dtab, onNegative, ...policy };
      return { key: routeKey(router.label, dst), settings };
    };
    for (const [s, server] of router.servers.entries()) {
      const { variable, dstFor } = parseDstName(server.dstName);
      const fixed = variable !== null ? server.sni?.default : server.dstName;
      const planned = fixed === undefined ? null : routeTo(parsePath(fixed));
      if (planned) routes.set(planned.key, planned.settings);
      // A port chosen by the system is identified by its place in the configuration.
      const key = server.port === 0 ? JSON.stringify([router.label, s]) : `${server.ip} ${server.port}`;
      const place = pathText(['routers', r, 'servers', s]);
      listeners.set(key, {
        router: router.label,
        server,
        route: planned?.key ?? null,
        named: variable !== null ? name => routeTo(dstFor(name)) : null,
        identities: server.tls ? tls.server(server.tls) : null,
        bufferSizeBytes: config.bufferSizeBytes,
        place,
      });
    }
  }
  return { routes, listeners };
}

const routeKey = (router: string, dst: Path): string => JSON.stringify([router, showPath(dst)]);
