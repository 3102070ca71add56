/**
 * `/api/1/bind/<namespace>`: the bound tree of a name.
 *
 * A watch has a line for each change of the tree, with the addresses at that time; `addr` streams their changes.
 */
import { treeDocuments } from '../core/tree-documents.ts';
import type { ApiContext } from './api-context.ts';
import { type ApiRequest, dtabOf, isOn, type Outcome, pathOf } from './exchange.ts';
import { firstKnown } from './first-known.ts';
import { namespaceHeader } from './stored.ts';

export async function bind(request: ApiRequest, namespace: string, context: ApiContext): Promise<Outcome> {
  const { namespaces, addrWaitMs, answerTimeoutMs } = context;
  const path = pathOf(request);
  const documents = treeDocuments(namespaces.bind(namespace, dtabOf(request), path), addrWaitMs);
  const headers = { 'content-type': 'application/json', ...namespaceHeader(namespace, context) };
  if (isOn(request, 'watch')) return { headers, documents };
  const what = `binding ${request.query.get('path')}`;
  return { status: 200, headers, body: `${await firstKnown(documents, what, answerTimeoutMs)}\n` };
}
