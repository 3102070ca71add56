/** What a configuration asks to run, parsed once: its destinations and its listeners, by keys that stay the same across reloads. */
import { pathText } from '../../config/problem.ts';
import { parseDtab, parsePath } from '../../dtab/parse.ts';
import type { Path } from '../../dtab/path.ts';
import { showPath } from '../../dtab/show.ts';
import { type LinkerdTcpConfig, onNegativeOf } from '../config/linkerd-tcp-config.ts';
import type { ServerConfig } from '../config/server-config.ts';
import { clientPolicy } from './client-policy.ts';
import type { RouteSettings } from './live-route.ts';
import type { NamingGraph } from './naming-graph.ts';

export interface Plan {
  readonly routes: ReadonlyMap<string, RouteSettings>;
  readonly listeners: ReadonlyMap<string, WantedListener>;
}

export interface WantedListener {
  readonly router: string;
  readonly server: ServerConfig;
  /** Key of its destination in {@link Plan.routes}. */
  readonly route: string;
  readonly bufferSizeBytes: number;
  /** Where the configuration asks for it: `routers[0].servers[1]`. */
  readonly place: string;
}

export function planOf(config: LinkerdTcpConfig, naming: NamingGraph): Plan {
  const routes = new Map<string, RouteSettings>();
  const listeners = new Map<string, WantedListener>();
  for (const [r, router] of config.routers.entries()) {
    const dtab = parseDtab(router.dtab);
    const onNegative = onNegativeOf(router);
    const interpreter = naming.interpreterOf(config, router);
    const namingKey = JSON.stringify([naming.keyOf(config, router), router.dtab, onNegative]);
    for (const [s, server] of router.servers.entries()) {
      const dst = parsePath(server.dstName);
      const route = routeKey(router.label, dst);
      const client = clientPolicy(router, dst);
      routes.set(route, { router: router.label, dst, interpreter, namingKey, dtab, onNegative, client });
      // A port taken from the system is told from others by its place in the configuration.
      const key = server.port === 0 ? JSON.stringify([router.label, s]) : `${server.ip} ${server.port}`;
      const place = pathText(['routers', r, 'servers', s]);
      listeners.set(key, { router: router.label, server, route, bufferSizeBytes: config.bufferSizeBytes, place });
    }
  }
  return { routes, listeners };
}

const routeKey = (router: string, dst: Path): string => JSON.stringify([router, showPath(dst)]);
