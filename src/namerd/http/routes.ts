/**
 * Which path leads where. A namespace is all that follows the endpoint's slash: it may have slashes and is not percent-decoded.
 *
 *   /api/1/dtabs                GET…                         any method lists
 *   /api/1/dtabs/<ns>           GET HEAD PUT POST DELETE     others are not found
 *   /api/1/bind|addr|resolve/<ns>                            any method; not found without a namespace
 *   /api/1/delegate/<ns>                                     any method
 *   /api/1/delegate             GET HEAD POST
 *   /api/1/bound-names          GET HEAD
 *   /api/1/openapi.json         GET HEAD
 */
import { reading } from '../access/access.ts';
import { addr } from './addr.ts';
import { bind } from './bind.ts';
import { boundNames } from './bound-names.ts';
import { delegateAlone, delegateIn } from './delegate.ts';
import { dtabRoute, listDtabs } from './dtabs.ts';
import { json, type RequestHead } from './exchange.ts';
import { openApi } from './openapi.ts';
import { resolve } from './resolve.ts';
import { notFound, type Route } from './route.ts';

interface Endpoint {
  /** Without a namespace. */
  readonly alone?: (head: RequestHead) => Route;
  readonly of?: (head: RequestHead, namespace: string) => Route;
}

const missing: Route = { permissions: [], answer: () => notFound };

const forReaders =
  (route: Route): ((head: RequestHead) => Route) =>
  ({ method }) =>
    ['GET', 'HEAD'].includes(method) ? route : missing;

export const endpoints: Readonly<Record<string, Endpoint>> = {
  dtabs: { alone: () => ({ permissions: [], answer: listDtabs }), of: dtabRoute },
  bind: {
    of: (_, namespace) => ({
      permissions: [reading(namespace)],
      answer: (request, context) => bind(request, namespace, context),
    }),
  },
  addr: { of: (_, namespace) => ({ permissions: [reading(namespace)], answer: addr }) },
  resolve: {
    of: (_, namespace) => ({
      permissions: [reading(namespace)],
      answer: (request, context) => resolve(request, namespace, context),
    }),
  },
  delegate: {
    // The namespace may be in the body: its right is asked for there.
    alone: () => ({ permissions: [], answer: delegateAlone }),
    of: (_, namespace) => ({
      permissions: [reading(namespace)],
      answer: (request, context) => delegateIn(request, namespace, context),
    }),
  },
  'bound-names': { alone: forReaders({ permissions: [], answer: (_, context) => boundNames(context) }) },
  'openapi.json': { alone: forReaders({ permissions: [], isPublic: true, answer: () => json(openApi()) }) },
};

/** For metrics: the endpoint that a path belongs to, or `other`. */
export const endpointOf = (path: string): string => split(path)?.endpoint ?? 'other';

export function routeOf(head: RequestHead): Route {
  const found = split(head.path);
  if (found === undefined) return missing;
  const { alone, of } = endpoints[found.endpoint];
  return (found.namespace === '' ? alone?.(head) : of?.(head, found.namespace)) ?? missing;
}

function split(path: string): { readonly endpoint: string; readonly namespace: string } | undefined {
  const [, endpoint, namespace = ''] = /^\/api\/1\/([a-z.-]+)(?:\/(.*))?$/s.exec(path) ?? [];
  return endpoint !== undefined && Object.hasOwn(endpoints, endpoint) ? { endpoint, namespace } : undefined;
}
