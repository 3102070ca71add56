/** `/api/1/addr/<namespace>`: the addresses of a bound id. They do not depend on the namespace. */
import { filter, map } from 'rxjs';
import { ok } from '../../naming/activity.ts';
import { encodeAddr } from '../../naming/json.ts';
import { documentsOf } from './dtabs.ts';
import { type ApiRequest, isOn, type Outcome, pathOf } from './exchange.ts';
import { firstKnown } from './first-known.ts';
import type { ApiParts } from './parts.ts';

export async function addr(request: ApiRequest, { namespaces, answerTimeoutMs }: ApiParts): Promise<Outcome> {
  const known = namespaces.addr(pathOf(request)).pipe(
    filter(({ state }) => state !== 'pending'),
    map(ok),
  );
  const documents = documentsOf(known, each => JSON.stringify(encodeAddr(each)));
  const headers = { 'content-type': 'application/json' };
  if (isOn(request, 'watch')) return { headers, documents };
  const what = `finding the addresses of ${request.query.get('path')}`;
  return { status: 200, headers, body: `${await firstKnown(documents, what, answerTimeoutMs)}\n` };
}
