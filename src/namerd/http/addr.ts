/** `/api/1/addr/<namespace>`: the addresses of a bound id. They do not depend on the namespace. */
import { filter, map } from 'rxjs';
import { failed, ok } from '../../live/activity.ts';
import type { Addr } from '../../naming/addr.ts';
import { encodeAddr } from '../../naming/json/addr.ts';
import { UnboundId } from '../core/bound-ids.ts';
import type { ApiContext } from './api-context.ts';
import { documentsOf } from './documents.ts';
import { type ApiRequest, isOn, type Outcome, pathOf } from './exchange.ts';
import { firstKnown } from './first-known.ts';
import { memoizeByObject } from './memoize-by-object.ts';

const encoded = memoizeByObject((each: Addr) => JSON.stringify(encodeAddr(each)));

export async function addr(request: ApiRequest, { namespaces, answerTimeoutMs }: ApiContext): Promise<Outcome> {
  const known = namespaces.addr(pathOf(request)).pipe(
    filter(({ state }) => state !== 'pending'),
    map(each => (each.state === 'failed' && each.error instanceof UnboundId ? failed(each.error.cause) : ok(each))),
  );
  const documents = documentsOf(known, encoded);
  const headers = { 'content-type': 'application/json' };
  if (isOn(request, 'watch')) return { headers, documents };
  const what = `finding the addresses of ${request.query.get('path')}`;
  return { status: 200, headers, body: `${await firstKnown(documents, what, answerTimeoutMs)}\n` };
}
