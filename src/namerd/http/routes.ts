/**
 * The routes of the API. A namespace is everything after the slash of the endpoint: it may contain slashes and is not percent-decoded.
 *
 *   /api/1/dtabs                          GET HEAD
 *   /api/1/dtabs/<ns>                     GET HEAD PUT POST DELETE
 *   /api/1/bind|addr|resolve/<ns>         GET HEAD POST              not found without a namespace
 *   /api/1/delegate[/<ns>]                GET HEAD POST
 *   /api/1/bound-names, openapi.json      GET HEAD
 *
 * Linkerd 1.x lists namespaces on any method, so that `DELETE dtabs/$NS` with an empty variable seems to succeed: not here.
 */
import { reading } from '../access/access.ts';
import { addr } from './addr.ts';
import type { ApiContext } from './api-context.ts';
import { bind } from './bind.ts';
import { boundNames } from './bound-names.ts';
import { delegateAlone, delegateIn } from './delegate.ts';
import { dtabRoute, listDtabs } from './dtabs.ts';
import { type ApiRequest, json, type Outcome, type RequestHead } from './exchange.ts';
import { openApi } from './openapi.ts';
import { resolve } from './resolve.ts';
import { methodNotAllowed, noRoute, type Route } from './route.ts';

interface Endpoint {
  /** Without a namespace. */
  readonly alone?: (head: RequestHead) => Route;
  readonly of?: (head: RequestHead, namespace: string) => Route;
}

const readMethods = ['GET', 'HEAD'];
const askMethods = ['GET', 'HEAD', 'POST'];

const forMethods =
  (methods: readonly string[], route: Route) =>
  (head: RequestHead): Route =>
    methods.includes(head.method) ? route : methodNotAllowed(head, methods, route.permissions);

type AnswerIn = (request: ApiRequest, namespace: string, context: ApiContext) => Outcome | Promise<Outcome>;

/** Asks about a name in a namespace that may be read. */
const inNamespace =
  (answer: AnswerIn) =>
  (head: RequestHead, namespace: string): Route =>
    forMethods(askMethods, {
      permissions: [reading(namespace)],
      answer: (request, context) => answer(request, namespace, context),
    })(head);

export const endpoints: Readonly<Record<string, Endpoint>> = {
  dtabs: { alone: forMethods(readMethods, { permissions: [], answer: listDtabs }), of: dtabRoute },
  bind: { of: inNamespace(bind) },
  addr: { of: inNamespace((request, _, context) => addr(request, context)) },
  resolve: { of: inNamespace(resolve) },
  delegate: {
    // The namespace may be in the body: its permission is checked there.
    alone: forMethods(askMethods, { permissions: [], answer: delegateAlone }),
    of: inNamespace(delegateIn),
  },
  'bound-names': { alone: forMethods(readMethods, { permissions: [], answer: (_, context) => boundNames(context) }) },
  'openapi.json': {
    alone: forMethods(readMethods, { permissions: [], isPublic: true, answer: () => json(openApi()) }),
  },
};

/** For metrics: the endpoint that a path belongs to, or `other`. */
export const endpointOf = (path: string): string => split(path)?.endpoint ?? 'other';

export function routeOf(head: RequestHead): Route {
  const found = split(head.path);
  if (found === undefined) return noRoute(head.path, 'GET /api/1/openapi.json for what there is');
  const { endpoint, namespace } = found;
  const { alone, of } = endpoints[endpoint];
  const route = namespace === '' ? alone?.(head) : of?.(head, namespace);
  const hint = alone === undefined ? `/api/1/${endpoint}/<namespace>` : `/api/1/${endpoint}`;
  return route ?? noRoute(head.path, hint);
}

function split(path: string): { readonly endpoint: string; readonly namespace: string } | undefined {
  const [, endpoint, namespace = ''] = /^\/api\/1\/([a-z.-]+)(?:\/(.*))?$/s.exec(path) ?? [];
  return endpoint !== undefined && Object.hasOwn(endpoints, endpoint) ? { endpoint, namespace } : undefined;
}
