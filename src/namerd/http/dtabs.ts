/** `/api/1/dtabs` and `/api/1/dtabs/<namespace>`: reads, watches and writes what is stored. */
import { distinctUntilChanged, filter, map } from 'rxjs';
import type { Dtab } from '../../dtab/dtab.ts';
import { parseDtab } from '../../dtab/parse.ts';
import { LinkerdTcpError } from '../../errors.ts';
import { type Activity, ok } from '../../live/activity.ts';
import type { DtabStore, HistoryPage, StoredVersion, VersionedDtab } from '../../stores/store.ts';
import { reading, writing } from '../access/access.ts';
import { dtabWarnings } from '../core/dtab-warnings.ts';
import type { ApiContext } from './api-context.ts';
import { codecFor, codecOf, jsonDentries, readBody } from './codecs.ts';
import { documentsOf } from './documents.ts';
import { type Answer, type ApiRequest, header, isOn, json, type Outcome, type RequestHead } from './exchange.ts';
import { firstKnown } from './first-known.ts';
import { notFound, type Route } from './route.ts';
import type { History, Validation } from './shapes.ts';
import { etagOf, sameVersion, versionOf } from './versions.ts';

/** Of the namespaces those that may be read. */
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
  const isDryRun = isOn(head, 'validate');
  switch (head.method) {
    case 'GET':
      return isOn(head, 'watch')
        ? { permissions: [reading(namespace)], answer: (request, context) => watchDtab(request, namespace, context) }
        : storedRoute(namespace);
    case 'HEAD':
      return { permissions: [reading(namespace)], answer: (_, context) => versionAlone(namespace, context) };
    case 'POST': {
      const restored = namespace.match(/^(.+)\/restore$/s)?.[1];
      const version = head.query.get('version');
      if (restored !== undefined && version !== null)
        return {
          permissions: [writing(restored)],
          answer: (request, context) => restore(request, restored, version, context),
        };
      return {
        permissions: [isDryRun ? reading(namespace) : writing(namespace)],
        answer: (request, context) => create(request, isDryRun ? null : namespace, context),
      };
    }
    case 'PUT':
      return {
        permissions: [isDryRun ? reading(namespace) : writing(namespace)],
        answer: (request, context) => put(request, isDryRun ? null : namespace, context),
      };
    case 'DELETE':
      return { permissions: [writing(namespace)], answer: (request, context) => remove(request, namespace, context) };
    default:
      return { permissions: [reading(namespace)], answer: () => notFound };
  }
}

/** `x/history` is the history of x, unless there is a namespace of that name: for those who may read it. */
function storedRoute(namespace: string): Route {
  const past = namespace.match(/^(.+)\/history\/?$/s)?.[1];
  if (past === undefined)
    return {
      permissions: [reading(namespace)],
      answer: async (request, context) => shownAs(request, await current(namespace, context)),
    };
  return {
    permissions: [reading(namespace), reading(past)],
    answer: async (request, context) => {
      const may = (name: string) => request.principal.may('read', name);
      const stored = may(namespace) ? await storedOrNull(namespace, context) : null;
      if (stored !== null) return shownAs(request, stored);
      if (may(past)) return history(past, context);
      throw missing(namespace);
    },
  };
}

function watchDtab(request: ApiRequest, namespace: string, { store }: ApiContext): Outcome {
  const codec = codecFor(header(request, 'accept'));
  const documents = store.observe(namespace).pipe(
    // A namespace that was deleted in between is told again, also when it is made again as it was.
    distinctUntilChanged((a, b) => a.state === 'ok' && b.state === 'ok' && isSameVersion(a.value, b.value)),
    filter((state): state is Activity<VersionedDtab> => state.state !== 'ok' || state.value !== null),
    map(state => (state.state === 'ok' ? ok(codec.write(state.value.dtab)) : state)),
  );
  return { headers: { 'content-type': codec.mediaType }, documents };
}

function isSameVersion(a: VersionedDtab | null, b: VersionedDtab | null): boolean {
  return a === null || b === null ? a === b : sameVersion(a.version, b.version);
}

function shownAs(request: ApiRequest, { dtab, version }: VersionedDtab): Answer {
  const codec = codecFor(header(request, 'accept'));
  return {
    status: 200,
    headers: { 'content-type': codec.mediaType, etag: etagOf(version) },
    body: `${codec.write(dtab)}\n`,
  };
}

const versionAlone = async (namespace: string, context: ApiContext): Promise<Answer> => ({
  status: 200,
  headers: { etag: etagOf((await current(namespace, context)).version) },
});

/** @param namespace null for a dry run */
async function create(request: ApiRequest, namespace: string | null, context: ApiContext): Promise<Outcome> {
  const codec = codecOf(header(request, 'content-type'));
  if (codec === undefined) return { status: 400 };
  const given = readBody(codec, request.body);
  return namespace === null ? validated(given, context) : written(await context.store.create(namespace, given));
}

/** @param namespace null for a dry run */
async function put(request: ApiRequest, namespace: string | null, context: ApiContext): Promise<Outcome> {
  const contentType = header(request, 'content-type');
  const codec = codecOf(contentType);
  if (codec === undefined)
    return {
      status: 400,
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: `Invalid Content-Type "${contentType ?? ''}". `,
    };
  const given = readBody(codec, request.body);
  return namespace === null ? validated(given, context) : write(request, namespace, given, context);
}

/** With If-Match only if that version is the current one; `*` is whichever is current. */
async function write(request: ApiRequest, namespace: string, given: Dtab, context: ApiContext): Promise<Answer> {
  const expected = header(request, 'if-match');
  if (expected === undefined) return written(await context.store.put(namespace, given));
  const version = expected.trim() === '*' ? undefined : versionOf(expected);
  return written(await context.store.update(namespace, given, version));
}

/** With If-Match only if that version is the present one; there must be one, also for `*`. */
async function remove(request: ApiRequest, namespace: string, { store }: ApiContext): Promise<Answer> {
  const expected = header(request, 'if-match');
  const isAny = expected === undefined || expected.trim() === '*';
  await store.delete(namespace, isAny ? undefined : versionOf(expected));
  return { status: 204 };
}

const written = (version: Uint8Array): Answer => ({ status: 204, headers: { etag: etagOf(version) } });

/** A dry run: what is questionable about a dtab that could be stored. */
const validated = (given: Dtab, { namerPrefixes }: ApiContext): Answer =>
  json({
    valid: true,
    dtab: jsonDentries(given),
    warnings: [...dtabWarnings(given, namerPrefixes)],
  } satisfies Validation);

async function history(namespace: string, context: ApiContext): Promise<Outcome> {
  const { store } = context;
  if (store.history === undefined) throw new LinkerdTcpError('HISTORY_NOT_KEPT');
  const stored = await storedOrNull(namespace, context);
  const versions = await allVersions(store.history.bind(store), namespace);
  if (versions.length === 0 && stored === null) throw missing(namespace);
  const past = versions.filter(
    each => !each.isDeletion && (stored === null || !sameVersion(each.version, stored.version)),
  );
  return json(
    past.map(({ text = '', version, at }) => ({
      version: etagOf(version),
      at: new Date(at).toISOString(),
      dtab: jsonDentries(parseDtab(text)),
    })) satisfies History,
  );
}

async function allVersions(history: NonNullable<DtabStore['history']>, namespace: string): Promise<StoredVersion[]> {
  const versions: StoredVersion[] = [];
  let next: number | undefined = Number.MAX_SAFE_INTEGER;
  while (next !== undefined) {
    const page: HistoryPage = await history(namespace, { limit: 1000, before: next, withText: true });
    versions.push(...page.versions);
    next = page.next;
  }
  return versions;
}

/** Writes an earlier version again, as a new one; nothing where it is a dry run. */
async function restore(request: ApiRequest, namespace: string, etag: string, context: ApiContext): Promise<Outcome> {
  const { store } = context;
  if (store.history === undefined) throw new LinkerdTcpError('HISTORY_NOT_KEPT');
  const found = await store.version?.(namespace, versionOf(etag));
  if (found?.text === undefined || found.isDeletion)
    throw new LinkerdTcpError('VERSION_UNKNOWN', { namespace, version: etag });
  const dtab = parseDtab(found.text);
  return isOn(request, 'validate') ? validated(dtab, context) : write(request, namespace, dtab, context);
}

const missing = (namespace: string) => new LinkerdTcpError('STORE_MISSING', { namespace, store: 'this namerd' });

async function current(namespace: string, context: ApiContext): Promise<VersionedDtab> {
  const stored = await storedOrNull(namespace, context);
  if (stored === null) throw missing(namespace);
  return stored;
}

const storedOrNull = (namespace: string, { store, answerTimeoutMs }: ApiContext): Promise<VersionedDtab | null> =>
  firstKnown(store.observe(namespace), `reading ${namespace}`, answerTimeoutMs);
