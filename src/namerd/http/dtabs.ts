/** `/api/1/dtabs` and `/api/1/dtabs/<namespace>`: reads, watches and writes what is stored. */
import { distinctUntilChanged, filter, map } from 'rxjs';
import type { Dtab } from '../../dtab/dtab.ts';
import { LinkerdTcpError } from '../../errors.ts';
import { type Activity, ok } from '../../live/activity.ts';
import type { VersionedDtab } from '../../stores/store.ts';
import { reading, writing } from '../access/access.ts';
import { dtabWarnings } from '../core/dtab-warnings.ts';
import { codecFor, codecOf, jsonDentries, readBody } from './codecs.ts';
import { documentsOf } from './documents.ts';
import { type Answer, type ApiRequest, header, isOn, json, type Outcome, type RequestHead } from './exchange.ts';
import { firstKnown } from './first-known.ts';
import type { ApiParts } from './parts.ts';
import { notFound, type Route } from './route.ts';
import type { History, Validation } from './shapes.ts';
import { etagOf, sameVersion, versionOf } from './versions.ts';

/** Of the namespaces those that may be read. */
export async function listDtabs(request: ApiRequest, { store, answerTimeoutMs }: ApiParts): Promise<Outcome> {
  const readable = store
    .list()
    .pipe(
      map(state => (state.state === 'ok' ? ok(state.value.filter(name => request.visitor.may('read', name))) : state)),
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
        ? { needs: [reading(namespace)], answer: (request, parts) => watchDtab(request, namespace, parts) }
        : storedRoute(namespace);
    case 'HEAD':
      return { needs: [reading(namespace)], answer: (_, parts) => versionAlone(namespace, parts) };
    case 'POST': {
      const restored = namespace.match(/^(.+)\/restore$/s)?.[1];
      const version = head.query.get('version');
      if (restored !== undefined && version !== null)
        return {
          needs: [writing(restored)],
          answer: (request, parts) => restore(request, restored, version, parts),
        };
      return {
        needs: [isDryRun ? reading(namespace) : writing(namespace)],
        answer: (request, parts) => create(request, isDryRun ? null : namespace, parts),
      };
    }
    case 'PUT':
      return {
        needs: [isDryRun ? reading(namespace) : writing(namespace)],
        answer: (request, parts) => put(request, isDryRun ? null : namespace, parts),
      };
    case 'DELETE':
      return { needs: [writing(namespace)], answer: (request, parts) => remove(request, namespace, parts) };
    default:
      return { needs: [reading(namespace)], answer: () => notFound };
  }
}

/** `x/history` is the history of x, unless there is a namespace of that name: for those who may read it. */
function storedRoute(namespace: string): Route {
  const past = namespace.match(/^(.+)\/history\/?$/s)?.[1];
  if (past === undefined)
    return {
      needs: [reading(namespace)],
      answer: async (request, parts) => shownAs(request, await current(namespace, parts)),
    };
  return {
    needs: [reading(namespace), reading(past)],
    answer: async (request, parts) => {
      const may = (name: string) => request.visitor.may('read', name);
      const stored = may(namespace) ? await storedOrNull(namespace, parts) : null;
      if (stored !== null) return shownAs(request, stored);
      if (may(past)) return history(past, parts);
      throw missing(namespace);
    },
  };
}

function watchDtab(request: ApiRequest, namespace: string, { store }: ApiParts): Outcome {
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

const versionAlone = async (namespace: string, parts: ApiParts): Promise<Answer> => ({
  status: 200,
  headers: { etag: etagOf((await current(namespace, parts)).version) },
});

/** @param namespace null for a dry run */
async function create(request: ApiRequest, namespace: string | null, parts: ApiParts): Promise<Outcome> {
  const codec = codecOf(header(request, 'content-type'));
  if (codec === undefined) return { status: 400 };
  const given = readBody(codec, request.body);
  return namespace === null ? validated(given, parts) : written(await parts.store.create(namespace, given));
}

/** @param namespace null for a dry run */
async function put(request: ApiRequest, namespace: string | null, parts: ApiParts): Promise<Outcome> {
  const contentType = header(request, 'content-type');
  const codec = codecOf(contentType);
  if (codec === undefined)
    return {
      status: 400,
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: `Invalid Content-Type "${contentType ?? ''}". `,
    };
  const given = readBody(codec, request.body);
  return namespace === null ? validated(given, parts) : write(request, namespace, given, parts);
}

/** With If-Match only if that version is the present one; `*` is whichever is present. */
async function write(request: ApiRequest, namespace: string, given: Dtab, parts: ApiParts): Promise<Answer> {
  const expected = header(request, 'if-match');
  if (expected === undefined) return written(await parts.store.put(namespace, given));
  const version = expected.trim() === '*' ? (await current(namespace, parts)).version : versionOf(expected);
  return written(await parts.store.update(namespace, given, version));
}

/** With If-Match only if that version is the present one; there must be one, also for `*`. */
async function remove(request: ApiRequest, namespace: string, { store }: ApiParts): Promise<Answer> {
  const expected = header(request, 'if-match');
  const isAny = expected === undefined || expected.trim() === '*';
  await store.delete(namespace, isAny ? undefined : versionOf(expected));
  return { status: 204 };
}

const written = (version: Uint8Array): Answer => ({ status: 204, headers: { etag: etagOf(version) } });

/** A dry run: what is questionable about a dtab that could be stored. */
const validated = (given: Dtab, { namerPrefixes }: ApiParts): Answer =>
  json({
    valid: true,
    dtab: jsonDentries(given),
    warnings: [...dtabWarnings(given, namerPrefixes)],
  } satisfies Validation);

async function history(namespace: string, parts: ApiParts): Promise<Outcome> {
  const { store } = parts;
  if (store.history === undefined) throw new LinkerdTcpError('HISTORY_NOT_KEPT');
  const all = await store.history(namespace);
  if (all.length === 0 && (await storedOrNull(namespace, parts)) === null) throw missing(namespace);
  return json(
    all.map(({ dtab: rules, version, at }) => ({
      version: etagOf(version),
      at: new Date(at).toISOString(),
      dtab: jsonDentries(rules),
    })) satisfies History,
  );
}

/** Writes an earlier version again, as a new one; nothing where it is a dry run. */
async function restore(request: ApiRequest, namespace: string, etag: string, parts: ApiParts): Promise<Outcome> {
  const { store } = parts;
  if (store.history === undefined) throw new LinkerdTcpError('HISTORY_NOT_KEPT');
  const version = versionOf(etag);
  const found = (await store.history(namespace)).find(each => sameVersion(each.version, version));
  if (found === undefined) throw new LinkerdTcpError('VERSION_UNKNOWN', { namespace, version: etag });
  return isOn(request, 'validate') ? validated(found.dtab, parts) : write(request, namespace, found.dtab, parts);
}

const missing = (namespace: string) => new LinkerdTcpError('STORE_MISSING', { namespace, store: 'this namerd' });

async function current(namespace: string, parts: ApiParts): Promise<VersionedDtab> {
  const stored = await storedOrNull(namespace, parts);
  if (stored === null) throw missing(namespace);
  return stored;
}

const storedOrNull = (namespace: string, { store, answerTimeoutMs }: ApiParts): Promise<VersionedDtab | null> =>
  firstKnown(store.observe(namespace), `reading ${namespace}`, answerTimeoutMs);
