/** `/api/1/delegate` and `/api/1/delegate/<namespace>`: explains a name by a stored dtab, a given one, or both. */
import { firstValueFrom } from 'rxjs';
import type { Dtab } from '../../dtab/dtab.ts';
import type { Path } from '../../dtab/path.ts';
import { LinkerdTcpError } from '../../errors.ts';
import { AnswerSize } from '../../naming/json/answer-size.ts';
import { encodeDelegation } from '../../naming/json/delegation.ts';
import type { DtabStore } from '../../stores/store.ts';
import { authorize, type Principal, reading } from '../access/access.ts';
import { parsingDtab } from '../core/dtab-text.ts';
import type { Namespaces } from '../core/namespaces.ts';
import { boundsOf, settle } from '../core/settled.ts';
import type { Slices } from '../core/sliced.ts';
import { mediaTypeOf } from './codecs.ts';
import { type Answer, type ApiRequest, dtabOf, header, pathOf, readPath } from './exchange.ts';
import { type Question, question } from './shapes.ts';
import { namespaceHeader } from './stored.ts';

export interface DelegateContext {
  readonly namespaces: Namespaces;
  readonly slices: Slices;
  readonly store: DtabStore;
  readonly addrWaitMs: number;
}

export function delegateIn(request: ApiRequest, namespace: string, context: DelegateContext): Promise<Answer> {
  return explain(namespace, dtabOf(request), pathOf(request), context);
}

/** Without a namespace in the URL: the whole question is in the query, or in the body of a POST. */
export async function delegateAlone(request: ApiRequest, context: DelegateContext): Promise<Answer> {
  if (request.method !== 'POST') {
    const namespace = readable(request.query.get('namespace'), request.principal);
    return explain(namespace, dtabOf(request), pathOf(request), context);
  }
  const contentType = header(request, 'content-type') ?? '';
  if (mediaTypeOf(contentType) !== 'application/json')
    throw new LinkerdTcpError('MEDIA_TYPE_UNKNOWN', { found: contentType.slice(0, 100), expected: 'application/json' });
  const { namespace, dtab, path } = readQuestion(request.body);
  const readableNamespace = readable(namespace ?? null, request.principal);
  return explain(readableNamespace, await context.slices.run(parsingDtab(dtab)), readPath(path), context);
}

/** The namespace of the question if it may be read; null for a question without one. */
function readable(namespace: string | null, principal: Principal): string | null {
  if (namespace !== null) authorize(principal, [reading(namespace)]);
  return namespace;
}

async function explain(
  namespace: string | null,
  dtab: Dtab,
  path: Path,
  { namespaces, store, addrWaitMs }: DelegateContext,
): Promise<Answer> {
  const found = await namespaces.delegate(namespace, dtab, path);
  const missing = namespace === null ? {} : namespaceHeader(namespace, { store });
  const isUnstored = found.type === 'neg' && Object.keys(missing).length > 0;
  const delegation = isUnstored ? { ...found, message: `there is no namespace ${namespace}` } : found;
  const snapshot = await firstValueFrom(settle(boundsOf(delegation), addrWaitMs));
  return {
    status: 200,
    headers: { 'content-type': 'application/json', ...missing },
    body: JSON.stringify(encodeDelegation(delegation, snapshot, new AnswerSize('the explanation'))),
  };
}

function readQuestion(body: string): Question {
  const asked = question.safeParse(parsed(body));
  if (asked.success) return asked.data;
  throw new LinkerdTcpError('REQUEST_INVALID', { reason: `Malformed delegation request: ${body.slice(0, 200)}` });
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
