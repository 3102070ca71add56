/**
 * `/api/1/resolve/<namespace>`: a name as one set of addresses. `?flatten=weighted` merges all branches by their weights
 * instead of drawing one.
 *
 * Every answer has `type`, `addrs` and `meta`, and the values of the set's own `meta` are strings: linkerd-tcp 0.1 requires that.
 */

import { LinkerdTcpError } from '../../errors.ts';
import type { Addr } from '../../naming/addr.ts';
import { encodeAddr } from '../../naming/json/addr.ts';
import { resolveAll, resolveOne } from '../core/resolve.ts';
import type { ApiContext } from './api-context.ts';
import { documentsOf } from './documents.ts';
import { type ApiRequest, dtabOf, isOn, type Outcome, pathOf } from './exchange.ts';
import { firstKnown } from './first-known.ts';
import { memoizeByObject } from './memoize-by-object.ts';
import type { Resolved } from './shapes.ts';
import { namespaceHeader } from './stored.ts';

export async function resolve(request: ApiRequest, namespace: string, context: ApiContext): Promise<Outcome> {
  const { namespaces, random, addrWaitMs, answerTimeoutMs } = context;
  const question = { namespace, path: pathOf(request), dtab: dtabOf(request) };
  const resolved = isFlat(request)
    ? resolveAll(namespaces, question, addrWaitMs)
    : resolveOne(namespaces, question, random);
  const documents = documentsOf(resolved, encodeWhole);
  const headers = { 'content-type': 'application/json', ...namespaceHeader(namespace, context) };
  if (isOn(request, 'watch')) return { headers, documents };
  const what = `resolving ${request.query.get('path')}`;
  return { status: 200, headers, body: `${await firstKnown(documents, what, answerTimeoutMs)}\n` };
}

function isFlat({ query }: ApiRequest): boolean {
  const flatten = query.get('flatten');
  if (flatten === null || flatten === 'weighted') return flatten !== null;
  throw new LinkerdTcpError('REQUEST_INVALID', {
    reason: `query parameter flatten is ${JSON.stringify(flatten)}; it can be weighted`,
  });
}

const encodeWhole = memoizeByObject((addr: Addr): string => {
  const { type, addrs = [], meta = {}, ...rest } = encodeAddr(addr) as Partial<Resolved> & Pick<Resolved, 'type'>;
  const texts = Object.entries<unknown>(meta).map(([key, value]) => [
    key,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  return JSON.stringify({ type, addrs, meta: Object.fromEntries(texts), ...rest } satisfies Resolved);
});
