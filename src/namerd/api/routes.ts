/**
 * Which path leads where. A namespace is all that follows the endpoint's slash: it may have slashes and is not percent-decoded.
 *
 *   /api/1/dtabs                GET…                         any method lists
 *   /api/1/dtabs/<ns>           GET HEAD PUT POST DELETE     others are not found
 *   /api/1/bind|addr|resolve/<ns>                            any method; not found without a namespace
 *   /api/1/delegate/<ns>                                     any method
 *   /api/1/delegate             GET HEAD POST
 *   /api/1/bound-names          GET HEAD
 */
import { addr } from './addr.ts';
import { bind } from './bind.ts';
import { boundNames } from './bound-names.ts';
import { delegateAlone, delegateIn } from './delegate.ts';
import { dtab, listDtabs } from './dtabs.ts';
import type { ApiRequest, Outcome } from './exchange.ts';
import type { ApiParts } from './parts.ts';
import { resolve } from './resolve.ts';

const notFound: Outcome = { status: 404 };
const route = /^\/api\/1\/(dtabs|bind|addr|resolve|delegate|bound-names)(?:\/(.*))?$/s;

/** For metrics: the endpoint that a path belongs to, or `other`. */
export const endpointOf = (path: string): string => route.exec(path)?.[1] ?? 'other';

export async function answer(request: ApiRequest, parts: ApiParts): Promise<Outcome> {
  const [, endpoint, namespace = ''] = route.exec(request.path) ?? [];
  if (endpoint === 'dtabs') return namespace === '' ? listDtabs(request, parts) : dtab(request, namespace, parts);
  if (endpoint === 'delegate')
    return namespace === '' ? delegateAlone(request, parts) : delegateIn(request, namespace, parts);
  if (endpoint === 'bound-names')
    return namespace === '' && ['GET', 'HEAD'].includes(request.method) ? boundNames(parts) : notFound;
  if (namespace === '') return notFound;
  switch (endpoint) {
    case 'bind':
      return bind(request, namespace, parts);
    case 'addr':
      return addr(request, parts);
    case 'resolve':
      return resolve(request, namespace, parts);
    default:
      return notFound;
  }
}
