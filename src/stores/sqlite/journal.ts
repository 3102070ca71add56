/** Writes an embedded store through to its SQLite file: dtabs become texts here, and texts dtabs. */
import { parseDtab } from '../../dtab/parse.ts';
import { showDtab } from '../../dtab/show.ts';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import { countedVersion, countOf, type Journal, type JournalHistory } from '../embedded-store.ts';
import type { Authorship, StoredVersion, VersionedDtab } from '../store.ts';
import { restore } from './failure.ts';
import type { CurrentRow, VersionRow } from './file.ts';
import type { FileThread } from './file-thread.ts';

const defaultLimit = 50;
const maxLimit = 1000;

export function sqliteJournal(file: FileThread, epochMs: () => number): Journal {
  const write = async (namespace: string, text: string | null, { writtenBy, restoredFrom }: Authorship) => {
    const at = Math.round(epochMs());
    return file.write({ namespace, text, at, writtenBy: writtenBy ?? null, restoredFrom: restoredFrom ?? null });
  };
  const history: JournalHistory = {
    async page(namespace, { limit = defaultLimit, before = Number.MAX_SAFE_INTEGER, withText = false }) {
      const query = { limit: Math.min(Math.max(1, limit), maxLimit), before, withText };
      const { rows, hasMore } = await file.page(namespace, query);
      const last = hasMore ? rows.at(-1) : undefined;
      return { versions: rows.map(storedVersion), ...(last !== undefined && { next: last.number }) };
    },
    async version(namespace, which) {
      const version = typeof which === 'number' ? undefined : countOf(which);
      if (typeof which !== 'number' && version === undefined) return undefined;
      const row = await file.version(namespace, version === undefined ? { number: which as number } : { version });
      return row && storedVersion(row);
    },
  };
  return {
    async write(namespace, dtab, authorship) {
      const text = showDtab(dtab);
      // What a restart would read: an alternation of one tree prints as that tree.
      const kept = parseDtab(text);
      return { dtab: kept, version: countedVersion(await write(namespace, text, authorship)) };
    },
    async delete(namespace, authorship) {
      await write(namespace, null, authorship);
    },
    history,
    close: () => file.close(),
  };
}

/** @throws LinkerdTcpError STORE_UNAVAILABLE for a text that is not a dtab */
export function readCurrent(store: string, { namespace, version, text }: CurrentRow): readonly [string, VersionedDtab] {
  try {
    return [namespace, { dtab: parseDtab(text), version: countedVersion(version) }];
  } catch (error) {
    const reason = `what the file has for namespace ${namespace} is not a dtab: ${reasonOf(error)}`;
    throw new LinkerdTcpError('STORE_UNAVAILABLE', { store, action: 'start', reason, hint: restore }, { cause: error });
  }
}

const storedVersion = ({ version, writtenBy, restoredFrom, isDeletion, ...rest }: VersionRow): StoredVersion => ({
  number: rest.number,
  version: countedVersion(version),
  at: rest.at,
  ...(writtenBy !== null && { writtenBy }),
  ...(restoredFrom !== null && { restoredFrom }),
  isDeletion: isDeletion === 1,
  bytes: rest.bytes,
  ...(rest.text !== undefined && { text: rest.text }),
});
