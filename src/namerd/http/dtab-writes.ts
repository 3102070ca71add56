/** Writes of `/api/1/dtabs/<namespace>`: create, put, delete, restore; and their dry runs, which need only the right to read. */
import type { Dtab } from '../../dtab/dtab.ts';
import { LinkerdTcpError } from '../../errors.ts';
import type { Authorship, Version } from '../../stores/store.ts';
import { dtabReport } from '../core/dtab-warnings.ts';
import type { ApiContext } from './api-context.ts';
import { emptyDtab, jsonDentries, requestDtab } from './codecs.ts';
import { etagOf, preconditionOf, sameVersion } from './etags.ts';
import { type Answer, type ApiRequest, isOn, json } from './exchange.ts';
import { earlierVersion } from './history.ts';
import type { Validation } from './shapes.ts';
import { storedDtab } from './stored.ts';

export async function createDtab(request: ApiRequest, namespace: string, context: ApiContext): Promise<Answer> {
  // Without a body the namespace is empty, as in Linkerd 1.x: nothing can be lost by that.
  const dtab = request.body === '' ? emptyDtab(request) : await requestDtab(request, context.slices);
  if (isOn(request, 'validate')) return validated(dtab, context);
  return written(await context.store.create(namespace, dtab, authorOf(request)));
}

export async function putDtab(request: ApiRequest, namespace: string, context: ApiContext): Promise<Answer> {
  const dtab = await requestDtab(request, context.slices);
  return isOn(request, 'validate')
    ? validated(dtab, context)
    : written(await write(request, namespace, dtab, authorOf(request), context));
}

/** With If-Match only that version; the namespace must exist in any case. */
export async function deleteDtab(request: ApiRequest, namespace: string, context: ApiContext): Promise<Answer> {
  if (preconditionOf(request).type === 'absent')
    throw new LinkerdTcpError('REQUEST_INVALID', { reason: 'If-None-Match: * excludes what DELETE asks for' });
  await context.store.delete(namespace, await expectedVersion(request, namespace, context), authorOf(request));
  return { status: 204 };
}

/** Writes an earlier version again, as a new one. */
export async function restoreDtab(
  request: ApiRequest,
  namespace: string,
  which: string,
  context: ApiContext,
): Promise<Answer> {
  const { stored, dtab } = await earlierVersion(namespace, which, context);
  if (isOn(request, 'validate')) return validated(dtab, context);
  const authorship = { ...authorOf(request), restoredFrom: stored.number };
  return written(await write(request, namespace, dtab, authorship, context));
}

async function write(
  request: ApiRequest,
  namespace: string,
  dtab: Dtab,
  authorship: Authorship,
  context: ApiContext,
): Promise<Version> {
  const { store } = context;
  switch (preconditionOf(request).type) {
    case 'none':
      return store.put(namespace, dtab, authorship);
    case 'absent':
      return store.create(namespace, dtab, authorship).catch(error => {
        throw failedPrecondition(error, namespace);
      });
    default:
      return store.update(namespace, dtab, await expectedVersion(request, namespace, context), authorship);
  }
}

/** Undefined for whichever is current. Of several the one that is current, if one of them is. */
async function expectedVersion(
  request: ApiRequest,
  namespace: string,
  context: ApiContext,
): Promise<Version | undefined> {
  const precondition = preconditionOf(request);
  if (precondition.type !== 'oneOf') return undefined;
  const { versions } = precondition;
  if (versions.length === 1) return versions[0];
  const { version } = await storedDtab(namespace, context);
  return versions.find(each => sameVersion(each, version)) ?? versions[0];
}

function failedPrecondition(error: unknown, namespace: string): unknown {
  const exists = error instanceof LinkerdTcpError && error.code === 'STORE_EXISTS';
  return exists ? new LinkerdTcpError('NAMESPACE_EXISTS', { namespace }) : error;
}

const authorOf = ({ author }: ApiRequest): Authorship => (author === undefined ? {} : { writtenBy: author });

const written = (version: Version): Answer => ({ status: 204, headers: { etag: etagOf(version) } });

/** The report on a dtab that could be stored. */
async function validated(dtab: Dtab, { namerPrefixes, slices }: ApiContext): Promise<Answer> {
  const { warnings, omitted, isPartial } = await slices.run(dtabReport(dtab, namerPrefixes));
  return json({
    valid: true,
    dtab: jsonDentries(dtab),
    warnings: [...warnings],
    ...(omitted > 0 && { omitted }),
    ...(isPartial && { partial: true as const }),
  } satisfies Validation);
}
