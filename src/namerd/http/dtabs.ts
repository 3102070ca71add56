/** `/api/1/dtabs` and `/api/1/dtabs/<namespace>`: routes to reading, watching and writing dtabs. */
import { distinctUntilChanged, filter, map, skipWhile } from 'rxjs';
import { type Activity, ok } from '../../live/activity.ts';
import type { VersionedDtab } from '../../stores/store.ts';
import { reading, writing } from '../access/access.ts';
import type { ApiContext } from './api-context.ts';
import { codecFor } from './codecs.ts';
import { documentsOf } from './documents.ts';
import { createDtab, deleteDtab, putDtab, restoreDtab } from './dtab-writes.ts';
import { etagOf, isKnown, sameVersion } from './etags.ts';
import {
  type Answer,
  type ApiRequest,
  header,
  isOn,
  json,
  type Outcome,
  type RequestHead,
  switchOf,
} from './exchange.ts';
import { firstKnown } from './first-known.ts';
import { earlierVersion, history } from './history.ts';
import { methodNotAllowed, type Route } from './route.ts';
import { missing, storedDtab, storedOrNull } from './stored.ts';

/** The namespaces that the principal may read. */
export async function listDtabs(request: ApiRequest, { store, answerTimeoutMs }: ApiContext): Promise<Outcome> {
  const readable = store
    .list()
    .pipe(
      map(state =>
        state.state === 'ok' ? ok(state.value.filter(name => request.principal.may('read', name))) : state,
      ),
    );
  if (isOn(request, 'watch'))
    return { headers: { 'content-type': 'application/json' }, documents: documentsOf(readable, JSON.stringify) };
  return json(await firstKnown(readable, 'listing the namespaces', answerTimeoutMs));
}

export function dtabRoute(head: RequestHead, namespace: string): Route {
  switch (head.method) {
    case 'GET':
      return readRoute(head, namespace);
    case 'HEAD':
      return {
        permissions: [reading(namespace)],
        answer: (request, context) => versionOnly(request, namespace, context),
      };
    case 'POST':
      return postRoute(head, namespace);
    case 'PUT':
      return {
        permissions: [storing(head, namespace)],
        answer: (request, context) => putDtab(request, namespace, context),
      };
    case 'DELETE':
      return {
        permissions: [writing(namespace)],
        answer: (request, context) => deleteDtab(request, namespace, context),
      };
    default:
      return methodNotAllowed(head, ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'], [reading(namespace)]);
  }
}

/** A dry run needs only the right to read. */
const storing = (head: RequestHead, namespace: string) =>
  switchOf(head, 'validate') ? reading(namespace) : writing(namespace);

function postRoute(head: RequestHead, namespace: string): Route {
  const restored = namespace.match(/^(.+)\/restore$/s)?.[1];
  const version = head.query.get('version');
  if (restored === undefined || version === null)
    return {
      permissions: [storing(head, namespace)],
      answer: (request, context) => createDtab(request, namespace, context),
    };
  return {
    permissions: [writing(restored)],
    answer: (request, context) => restoreDtab(request, restored, version, context),
  };
}

function readRoute(head: RequestHead, namespace: string): Route {
  const version = head.query.get('version');
  if (switchOf(head, 'watch') !== false)
    return { permissions: [reading(namespace)], answer: (request, context) => watchDtab(request, namespace, context) };
  if (version !== null)
    return {
      permissions: [reading(namespace)],
      answer: async (request, context) => {
        const { stored, dtab } = await earlierVersion(namespace, version, context);
        return shownAs(request, { dtab, version: stored.version });
      },
    };
  return storedRoute(namespace);
}

/** `x/history` is the history of x, unless there is a namespace of that name that the principal may read. */
function storedRoute(namespace: string): Route {
  const past = namespace.match(/^(.+)\/history\/?$/s)?.[1];
  if (past === undefined)
    return {
      permissions: [reading(namespace)],
      answer: async (request, context) => shownAs(request, await storedDtab(namespace, context)),
    };
  return {
    permissions: [reading(namespace), reading(past)],
    answer: async (request, context) => {
      const may = (name: string) => request.principal.may('read', name);
      const stored = may(namespace) ? await storedOrNull(namespace, context) : null;
      if (stored !== null) return shownAs(request, stored);
      if (may(past)) return history(request, past, context);
      throw missing(namespace);
    },
  };
}

/** Silent while there is no such namespace; its deletion is a line of its own. */
function watchDtab(request: ApiRequest, namespace: string, { store }: ApiContext): Outcome {
  isOn(request, 'watch');
  const codec = codecFor(header(request, 'accept'));
  const show = (stored: VersionedDtab | null) =>
    stored === null ? codec.deletion(namespace) : codec.write(stored.dtab);
  const documents = store.observe(namespace).pipe(
    filter(
      (state): state is Exclude<Activity<VersionedDtab | null>, { state: 'pending' }> => state.state !== 'pending',
    ),
    skipWhile(state => state.state === 'ok' && state.value === null),
    distinctUntilChanged((a, b) => a.state === 'ok' && b.state === 'ok' && isSameVersion(a.value, b.value)),
    map(state => (state.state === 'ok' ? ok(show(state.value)) : state)),
  );
  return { headers: { 'content-type': codec.mediaType }, documents };
}

function isSameVersion(a: VersionedDtab | null, b: VersionedDtab | null): boolean {
  return a === null || b === null ? a === b : sameVersion(a.version, b.version);
}

function shownAs(request: ApiRequest, stored: VersionedDtab): Answer {
  const etag = etagOf(stored.version);
  if (isKnown(request, stored)) return { status: 304, headers: { etag } };
  const codec = codecFor(header(request, 'accept'));
  return {
    status: 200,
    headers: { 'content-type': codec.mediaType, etag, vary: 'accept' },
    body: `${codec.write(stored.dtab)}\n`,
  };
}

async function versionOnly(request: ApiRequest, namespace: string, context: ApiContext): Promise<Answer> {
  const stored = await storedDtab(namespace, context);
  return { status: isKnown(request, stored) ? 304 : 200, headers: { etag: etagOf(stored.version) } };
}
