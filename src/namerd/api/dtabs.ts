/** `/api/1/dtabs` and `/api/1/dtabs/<namespace>`: reads, watches and writes what is stored. */
import { distinctUntilChanged, filter, map, type Observable } from 'rxjs';
import type { Dtab } from '../../dtab/dtab.ts';
import { LinkerdTcpError } from '../../errors.ts';
import { type Activity, ok } from '../../naming/activity.ts';
import type { VersionedDtab } from '../../stores/store.ts';
import { dtabWarnings } from '../dtab-warnings.ts';
import { codecFor, codecOf, jsonDentries, readBody } from './codecs.ts';
import { type Answer, type ApiRequest, header, isOn, json, type Outcome } from './exchange.ts';
import { firstKnown } from './first-known.ts';
import type { ApiParts } from './parts.ts';
import { etagOf, sameVersion, versionOf } from './versions.ts';

export async function listDtabs(request: ApiRequest, { store, answerTimeoutMs }: ApiParts): Promise<Outcome> {
  if (isOn(request, 'watch'))
    return { headers: { 'content-type': 'application/json' }, documents: documentsOf(store.list(), JSON.stringify) };
  return json(await firstKnown(store.list(), 'listing the namespaces', answerTimeoutMs));
}

export async function dtab(request: ApiRequest, namespace: string, parts: ApiParts): Promise<Outcome> {
  switch (request.method) {
    case 'GET':
      return isOn(request, 'watch') ? watchDtab(request, namespace, parts) : readStored(request, namespace, parts);
    case 'HEAD':
      return { status: 200, headers: { etag: etagOf((await current(namespace, parts)).version) } };
    case 'POST':
      return create(request, namespace, parts);
    case 'PUT':
      return put(request, namespace, parts);
    case 'DELETE':
      await parts.store.delete(namespace);
      return { status: 204 };
    default:
      return { status: 404 };
  }
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

async function readStored(request: ApiRequest, namespace: string, parts: ApiParts): Promise<Outcome> {
  const stored = await storedOrNull(namespace, parts);
  if (stored === null) {
    const ofHistory = namespace.match(/^(.+)\/history\/?$/s);
    if (ofHistory) return history(ofHistory[1], parts);
    throw missing(namespace);
  }
  const codec = codecFor(header(request, 'accept'));
  return {
    status: 200,
    headers: { 'content-type': codec.mediaType, etag: etagOf(stored.version) },
    body: `${codec.write(stored.dtab)}\n`,
  };
}

async function create(request: ApiRequest, namespace: string, parts: ApiParts): Promise<Outcome> {
  const version = request.query.get('version');
  const restored = namespace.match(/^(.+)\/restore$/s);
  if (restored && version !== null) return restore(request, restored[1], version, parts);
  const codec = codecOf(header(request, 'content-type'));
  if (codec === undefined) return { status: 400 };
  const given = readBody(codec, request.body);
  if (isOn(request, 'validate')) return validated(given, parts);
  return written(await parts.store.create(namespace, given));
}

async function put(request: ApiRequest, namespace: string, parts: ApiParts): Promise<Outcome> {
  const contentType = header(request, 'content-type');
  const codec = codecOf(contentType);
  if (codec === undefined)
    return {
      status: 400,
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: `Invalid Content-Type "${contentType ?? ''}". `,
    };
  const given = readBody(codec, request.body);
  return isOn(request, 'validate') ? validated(given, parts) : write(request, namespace, given, parts);
}

/** With If-Match only if that version is the present one; `*` is whichever is present. */
async function write(request: ApiRequest, namespace: string, given: Dtab, parts: ApiParts): Promise<Answer> {
  const expected = header(request, 'if-match');
  if (expected === undefined) return written(await parts.store.put(namespace, given));
  const version = expected.trim() === '*' ? (await current(namespace, parts)).version : versionOf(expected);
  return written(await parts.store.update(namespace, given, version));
}

const written = (version: Uint8Array): Answer => ({ status: 204, headers: { etag: etagOf(version) } });

/** A dry run: what is questionable about a dtab that could be stored. */
const validated = (given: Dtab, { namerPrefixes }: ApiParts): Answer =>
  json({ valid: true, dtab: jsonDentries(given), warnings: dtabWarnings(given, namerPrefixes) });

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
    })),
  );
}

/** Writes an earlier version again, as a new one. */
async function restore(request: ApiRequest, namespace: string, etag: string, parts: ApiParts): Promise<Outcome> {
  const { store } = parts;
  if (store.history === undefined) throw new LinkerdTcpError('HISTORY_NOT_KEPT');
  const version = versionOf(etag);
  const found = (await store.history(namespace)).find(each => sameVersion(each.version, version));
  if (found === undefined) throw new LinkerdTcpError('VERSION_UNKNOWN', { namespace, version: etag });
  return write(request, namespace, found.dtab, parts);
}

const missing = (namespace: string) => new LinkerdTcpError('STORE_MISSING', { namespace, store: 'this namerd' });

async function current(namespace: string, parts: ApiParts): Promise<VersionedDtab> {
  const stored = await storedOrNull(namespace, parts);
  if (stored === null) throw missing(namespace);
  return stored;
}

const storedOrNull = (namespace: string, { store, answerTimeoutMs }: ApiParts): Promise<VersionedDtab | null> =>
  firstKnown(store.observe(namespace), `reading ${namespace}`, answerTimeoutMs);

/** One document for each known value; what is repeated, in its text, is told once. */
export function documentsOf<T>(
  source: Observable<Activity<T>>,
  show: (value: T) => string,
): Observable<Activity<string>> {
  return source.pipe(
    map(state => (state.state === 'ok' ? ok(show(state.value)) : state)),
    distinctUntilChanged((a, b) => a.state === 'ok' && b.state === 'ok' && a.value === b.value),
  );
}
