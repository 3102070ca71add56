/**
 * Earlier versions of a namespace: `dtabs/<ns>/history` in pages, `dtabs/<ns>?version=` one of them, and restoring it.
 *
 * Texts are answered as they are stored. A page has at most 1000 versions or about a mebibyte of text.
 */
import type { Dtab } from '../../dtab/dtab.ts';
import { LinkerdTcpError } from '../../errors.ts';
import type { DtabStore, StoredVersion } from '../../stores/store.ts';
import { parsingDtab } from '../core/dtab-text.ts';
import type { ApiContext } from './api-context.ts';
import { etagOf, sameVersion, versionKey } from './etags.ts';
import { type Answer, type ApiRequest, isOn, json } from './exchange.ts';
import type { History } from './shapes.ts';
import { missing, storedOrNull } from './stored.ts';

const defaultLimit = 50;
const maxLimit = 1000;

export async function history(request: ApiRequest, namespace: string, context: ApiContext): Promise<Answer> {
  const store = withHistory(context.store);
  const query = {
    limit: wholeParameter(request, 'limit', maxLimit) ?? defaultLimit,
    before: wholeParameter(request, 'before'),
    withText: isOn(request, 'dtab'),
  };
  const page = await store.history(namespace, query);
  const stored = await storedOrNull(namespace, context);
  if (page.versions.length === 0 && stored === null && query.before === undefined) throw missing(namespace);
  const isCurrent = ({ version }: StoredVersion) => stored !== null && sameVersion(version, stored.version);
  return json({
    versions: page.versions.map(each => ({
      number: each.number,
      version: etagOf(each.version),
      at: new Date(each.at).toISOString(),
      ...(each.writtenBy !== undefined && { by: each.writtenBy }),
      ...(each.restoredFrom !== undefined && { restoredFrom: each.restoredFrom }),
      ...(isCurrent(each) && { current: true as const }),
      ...(each.isDeletion && { deleted: true as const }),
      bytes: each.bytes,
      ...(each.text !== undefined && !each.isDeletion && { dtab: each.text }),
    })),
    ...(page.next !== undefined && { next: page.next }),
  } satisfies History);
}

export interface EarlierVersion {
  readonly stored: StoredVersion;
  readonly dtab: Dtab;
}

/** @param which its number or entity tag. @throws LinkerdTcpError VERSION_UNKNOWN, also for a deletion */
export async function earlierVersion(namespace: string, which: string, context: ApiContext): Promise<EarlierVersion> {
  const stored = await withHistory(context.store).version(namespace, versionKey(which));
  if (stored?.text === undefined || stored.isDeletion)
    throw new LinkerdTcpError('VERSION_UNKNOWN', { namespace, version: which.slice(0, 100) });
  return { stored, dtab: await context.slices.run(parsingDtab(stored.text)) };
}

function withHistory(store: DtabStore): DtabStore & Required<Pick<DtabStore, 'history' | 'version'>> {
  if (store.history === undefined || store.version === undefined) throw new LinkerdTcpError('HISTORY_NOT_KEPT');
  return store as DtabStore & Required<Pick<DtabStore, 'history' | 'version'>>;
}

function wholeParameter({ query }: ApiRequest, name: string, max = Number.MAX_SAFE_INTEGER): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= max) return value;
  const range = max === Number.MAX_SAFE_INTEGER ? '1 or more' : `1 to ${max}`;
  throw new LinkerdTcpError('REQUEST_INVALID', {
    reason: `query parameter ${name} is ${JSON.stringify(text.slice(0, 40))}; expected a whole number of ${range}`,
  });
}
