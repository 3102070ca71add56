/**
 * Store `io.l5d.sqlite`: one file, no server. A write is answered when it is on disk; everything is served from memory, so that
 * a full or failing disk stops writes and nothing else. One process has the file open at a time (file.ts).
 */

import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { wholeNumber } from '../../config/fields.ts';
import { filePath } from '../../config/file-fields.ts';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import { EmbeddedStore, type EmbeddedStoreOptions } from '../embedded-store.ts';
import { defineStore, type StoreContext } from '../kind.ts';
import { FileThread } from './file-thread.ts';
import { readCurrent, sqliteJournal } from './journal.ts';

export const sqliteStore = defineStore({
  kind: 'io.l5d.sqlite',
  config: z.strictObject({
    path: filePath('output')
      .optional()
      .meta({
        description:
          'the file, created if missing; else `dtabs.sqlite` in `$STATE_DIRECTORY` (set by systemd) or in `namerd` of ' +
          '`$XDG_STATE_HOME` (`~/.local/state`)',
      }),
    history: wholeNumber(0, 1_000_000, 'a whole number of versions from 0 to 1000000')
      .default(1000)
      .meta({ description: 'how many earlier versions of each namespace are kept' }),
    maxHistoryBytes: wholeNumber(0, 2 ** 40, 'a whole number of bytes from 0 to 1099511627776')
      .default(64 * 2 ** 20)
      .meta({ description: 'how much text the versions of each namespace may have together; older ones are dropped' }),
  }),
  create: ({ path = defaultPath(), history, maxHistoryBytes }, { epochMs, log }) => {
    const store = `io.l5d.sqlite (${path})`;
    const options = { path, store, limits: { versions: history, bytes: maxHistoryBytes } };
    return storeOn(new FileThread(options), { store, log, epochMs });
  },
});

interface SqliteStoreOptions extends EmbeddedStoreOptions, Pick<StoreContext, 'epochMs'> {
  readonly store: string;
}

/** @throws LinkerdTcpError STORE_UNAVAILABLE for a file with texts that are not dtabs; it is closed then */
export function storeOn(file: FileThread, { store, epochMs, ...options }: SqliteStoreOptions): EmbeddedStore {
  try {
    const current = file.current.map(row => readCurrent(store, row));
    if (file.wasEmpty) options.log.warn(`${store}: the file had 0 bytes; starting with an empty store`);
    return new EmbeddedStore(store, sqliteJournal(file, epochMs), current, options);
  } catch (error) {
    file.close().catch(() => undefined);
    throw error;
  }
}

/** Its directory is created here: nobody has configured it, so nobody can have misspelt it. */
function defaultPath(): string {
  const { STATE_DIRECTORY, XDG_STATE_HOME } = process.env;
  const folder = STATE_DIRECTORY?.split(':', 1)[0] || join(XDG_STATE_HOME || join(homedir(), '.local/state'), 'namerd');
  const path = join(folder, 'dtabs.sqlite');
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    const details = { store: 'io.l5d.sqlite', action: 'start', reason: reasonOf(error), hint: 'set `path`' };
    throw new LinkerdTcpError('STORE_UNAVAILABLE', details, { cause: error });
  }
  return path;
}
