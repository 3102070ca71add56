/**
 * The file behind `io.l5d.sqlite`: every version of every namespace, and which one is present.
 *
 *   versions  version (never used twice, whatever is deleted), namespace, dtab, at
 *   present   namespace, version
 *
 * Write-ahead log with `synchronous=FULL`: a commit returns after fsync(2). The lock is held from opening to closing, and the
 * system releases it when the process dies: a second process is refused instead of serving what it does not see change.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Dtab } from '../../dtab/dtab.ts';
import { parseDtab } from '../../dtab/parse.ts';
import { showDtab } from '../../dtab/show.ts';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import { countedVersion, type Journal } from '../held.ts';
import type { PastDtab, VersionedDtab } from '../store.ts';
import { diagnose, restore, UnusableFile } from './failure.ts';

/** In the header of the file, `l5dt`: tells our files from those of other programs. */
const applicationId = 0x6c356474;
const format = 1;
/** Bridges a restart where the old process is not quite gone. */
const lockWaitMs = 1000;

const schema = `
  CREATE TABLE versions (
    version INTEGER PRIMARY KEY AUTOINCREMENT, namespace TEXT NOT NULL, dtab TEXT NOT NULL, at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX versions_by_namespace ON versions (namespace, version);
  CREATE TABLE present (namespace TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${format};
`;

export interface SqliteFileOptions {
  /** What messages call the store. */
  readonly store: string;
  /** How many earlier versions of each namespace are kept; those of deleted namespaces share one such number. */
  readonly history: number;
  readonly epochMs: () => number;
}

interface Row {
  readonly namespace: string;
  readonly version: number;
  readonly dtab: string;
  readonly at: number;
}

export class SqliteFile implements Journal {
  /** What was there when the file was opened. */
  readonly held: readonly (readonly [string, VersionedDtab])[];

  readonly #path: string;
  readonly #options: SqliteFileOptions;
  readonly #db: DatabaseSync;
  readonly #statements: Readonly<Record<keyof typeof sql, StatementSync>>;

  /** @throws LinkerdTcpError STORE_UNAVAILABLE */
  constructor(path: string, options: SqliteFileOptions) {
    this.#path = path;
    this.#options = options;
    const action = 'start';
    this.#db = this.#guard(action, () => new DatabaseSync(path, { timeout: lockWaitMs }));
    try {
      this.#guard(action, () => prepare(this.#db));
      this.#statements = this.#guard(action, () => prepareAll(this.#db));
      this.held = this.#guard(action, () => (this.#statements.all.all() as unknown as Row[]).map(readRow));
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  write(namespace: string, dtab: Dtab): VersionedDtab {
    const { insert, present, prune } = this.#statements;
    const { epochMs, history } = this.#options;
    const text = showDtab(dtab);
    // What a restart would read: a choice of one prints as what it holds.
    const kept = parseDtab(text);
    const version = this.#transaction(`write namespace ${namespace}`, () => {
      const { lastInsertRowid } = insert.run(namespace, text, Math.round(epochMs()));
      present.run(namespace, lastInsertRowid);
      prune.run({ namespace, skip: history + 1 });
      return Number(lastInsertRowid);
    });
    return { dtab: kept, version: countedVersion(version) };
  }

  delete(namespace: string): void {
    const { remove, pruneDeleted } = this.#statements;
    this.#transaction(`delete namespace ${namespace}`, () => {
      remove.run(namespace);
      pruneDeleted.run({ skip: this.#options.history });
    });
  }

  history(namespace: string): readonly PastDtab[] {
    return this.#guard(`read the history of namespace ${namespace}`, () =>
      (this.#statements.history.all({ namespace }) as unknown as Row[]).map(row => ({
        ...readRow(row)[1],
        at: row.at,
      })),
    );
  }

  close(): void {
    this.#guard('close its file', () => this.#db.close());
  }

  #transaction<T>(action: string, run: () => T): T {
    return this.#guard(action, () => {
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        const result = run();
        this.#db.exec('COMMIT');
        return result;
      } catch (error) {
        // Some failures, a full disk among them, have ended the transaction already.
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  #guard<T>(action: string, run: () => T): T {
    try {
      return run();
    } catch (error) {
      const details = { store: this.#options.store, action, ...diagnose(error, this.#path) };
      throw new LinkerdTcpError('STORE_UNAVAILABLE', details, { cause: error });
    }
  }
}

/** Takes the lock, makes sure that the file is ours and sound, and fills a new one. */
function prepare(db: DatabaseSync): void {
  // The lock comes before the first look: two that looked first could not both take it, and would both give up.
  db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  const isEmpty = scalar(db, 'SELECT count(*) FROM sqlite_schema') === 0;
  const id = scalar(db, 'PRAGMA application_id');
  const written = scalar(db, 'PRAGMA user_version') as number;
  if (isEmpty && (id === 0 || id === applicationId)) db.exec(schema);
  else if (id !== applicationId)
    throw new UnusableFile('the file is a database of another program', 'give the store a file of its own');
  else if (written > format)
    throw new UnusableFile(
      `the file has format ${written}, newer than the ${format} known here`,
      'run the namerd that wrote it, or a newer one',
    );
  db.exec('COMMIT');
  const mode = scalar(db, 'PRAGMA journal_mode = WAL');
  if (mode !== 'wal') throw new UnusableFile(`the file stays in journal mode ${mode}`, 'put it on a local file system');
  db.exec('PRAGMA synchronous = FULL');
  const damage = String(scalar(db, 'PRAGMA quick_check(1)'));
  if (damage !== 'ok') throw new UnusableFile(`the file is damaged: ${damage.replace(/^\*\*\*.*\n/, '')}`, restore);
}

const sql = {
  all: 'SELECT p.namespace, p.version, v.dtab FROM present p LEFT JOIN versions v USING (version)',
  insert: 'INSERT INTO versions (namespace, dtab, at) VALUES (?, ?, ?)',
  present: 'INSERT INTO present VALUES (?, ?) ON CONFLICT (namespace) DO UPDATE SET version = excluded.version',
  prune: `DELETE FROM versions WHERE namespace = :namespace AND version <=
    (SELECT version FROM versions WHERE namespace = :namespace ORDER BY version DESC LIMIT 1 OFFSET :skip)`,
  remove: 'DELETE FROM present WHERE namespace = ?',
  pruneDeleted: `DELETE FROM versions WHERE namespace NOT IN (SELECT namespace FROM present) AND version <=
    (SELECT version FROM versions WHERE namespace NOT IN (SELECT namespace FROM present)
     ORDER BY version DESC LIMIT 1 OFFSET :skip)`,
  history: `SELECT namespace, version, dtab, at FROM versions WHERE namespace = :namespace
    AND version NOT IN (SELECT version FROM present WHERE namespace = :namespace) ORDER BY version DESC`,
} as const;

function prepareAll(db: DatabaseSync): Readonly<Record<keyof typeof sql, StatementSync>> {
  const prepared = Object.entries(sql).map(([name, text]) => [name, db.prepare(text)]);
  return Object.fromEntries(prepared);
}

function readRow({ namespace, version, dtab }: Row): readonly [string, VersionedDtab] {
  try {
    return [namespace, { dtab: parseDtab(dtab), version: countedVersion(version) }];
  } catch (error) {
    throw new UnusableFile(`what the file has for namespace ${namespace} is no dtab: ${reasonOf(error)}`, restore);
  }
}

function scalar(db: DatabaseSync, query: string): unknown {
  return Object.values(db.prepare(query).get() ?? {})[0];
}
