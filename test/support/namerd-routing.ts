/** The proxy with a test namerd as its interpreter: what it is configured with, and what it says of its routes. */
import type { RouteView } from '../../src/admin/proxy/view.ts';
import type { LinkerdTcp } from './linkerd-tcp.ts';
import type { Json } from './namerd.ts';
import { boundJson, leafJson } from './namerd.ts';
import type { NamerdProcess } from './namerd-process.ts';
import { until } from './waiting.ts';

export interface NamerdRouting {
  /** More keys of the interpreter as YAML flow, in place of a quick linkerd-tcp style that needs only the address. */
  readonly interpreter?: string;
  /** The names to listen for, a port for each, with more keys of that server as YAML flow. */
  readonly servers?: Readonly<Record<string, string>>;
  /** More keys of the router, as YAML flow. */
  readonly router?: string;
}

/** The access log goes to standard output. @param url where the namerd listens */
export function namerdRouting(url: string, routing: NamerdRouting = {}): { readonly config: string } {
  const { interpreter = `baseUrl: "${url}", namespace: default, periodSecs: 0.2`, router, servers } = routing;
  const lines = [
    'admin: {port: 0}',
    'accessLog: {file: "-"}',
    'routers:',
    '- label: test',
    `  interpreter: {kind: io.l5d.namerd.http, ${interpreter}}`,
    ...(router ? [`  ${router}`] : []),
    '  servers:',
    ...Object.entries(servers ?? { '/svc/web': '' }).map(
      ([name, keys]) => `  - {port: 0, dstName: ${name}${keys && `, ${keys}`}}`,
    ),
  ];
  return { config: `${lines.join('\n')}\n` };
}

/** Lets `/svc/web` be bound to `id` and `id` have these addresses. */
export async function setWeb(namerd: NamerdProcess, id: string, addresses: readonly string[]): Promise<void> {
  await namerd.call('setAddr', id, boundJson(addresses));
  await namerd.call('setBind', 'default', '/svc/web', leafJson(id));
}

export async function setTree(namerd: NamerdProcess, tree: Json): Promise<void> {
  await namerd.call('setBind', 'default', '/svc/web', tree);
}

/** The only route. */
export async function routeOf(proxy: LinkerdTcp): Promise<RouteView> {
  const [route] = JSON.parse(await proxy.get('/routes.json')) as [RouteView];
  return route;
}

/** Waits until what the proxy says of its only route `holds`. */
export async function untilRoute(
  proxy: LinkerdTcp,
  holds: (route: RouteView) => boolean,
  what: string,
): Promise<RouteView> {
  let last: RouteView | undefined;
  return until(
    async () => {
      last = await routeOf(proxy);
      return holds(last) ? last : undefined;
    },
    () => `${what}; the route is ${JSON.stringify(last)}`,
  );
}

/** The addresses new connections may go to, in order. */
export const available = (route: RouteView): string =>
  route.endpoints
    .filter(({ state }) => state === 'available')
    .map(({ address }) => address)
    .sort()
    .join();
