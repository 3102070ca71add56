/**
 * The file behind `io.l5d.sqlite` (schema.ts): every version of every namespace, as texts.
 *
 * Write-ahead log with `synchronous=FULL`: a commit returns after fsync(2). The lock is held from opening to closing, and the
 * system releases it when the process dies: a second process is refused, since it would serve what it does not see change.
 */
import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { LinkerdTcpError } from '../../errors.ts';
import { diagnose, UncertainCommit } from './failure.ts';
import { type HistoryLimits, type Kept, pruneDeleted, pruned } from './history.ts';
import { FileIdentity } from './identity.ts';
import { openDatabase } from './open.ts';
import { prepareAll, type Statements } from './statements.ts';

export interface SqliteFileOptions {
  readonly path: string;
  /** Name of the store in messages. */
  readonly store: string;
  readonly limits: HistoryLimits;
}

export interface CurrentRow {
  readonly namespace: string;
  readonly version: number;
  readonly text: string;
}

export interface VersionRow {
  readonly version: number;
  readonly number: number;
  readonly at: number;
  readonly writtenBy: string | null;
  readonly restoredFrom: number | null;
  readonly isDeletion: number;
  readonly bytes: number;
  readonly text?: string;
}

export interface RowQuery {
  readonly limit: number;
  readonly before: number;
  readonly withText: boolean;
}

export interface RowPage {
  readonly rows: readonly VersionRow[];
  readonly hasMore: boolean;
}

export interface Change {
  readonly namespace: string;
  /** Null to delete the namespace. */
  readonly text: string | null;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly writtenBy: string | null;
  readonly restoredFrom: number | null;
}

/** Text in one page of a history. */
const maxPageBytes = 2 ** 20;

export class SqliteFile {
  /** The namespaces when the file was opened. */
  readonly current: readonly CurrentRow[];
  /** Whether there was a file of 0 bytes, as a failed copy leaves it. */
  readonly wasEmpty: boolean;

  readonly #options: SqliteFileOptions;
  readonly #db: DatabaseSync;
  readonly #statements: Statements;
  readonly #identity: FileIdentity;
  #isOpen = false;

  /** @throws LinkerdTcpError STORE_UNAVAILABLE */
  constructor(options: SqliteFileOptions) {
    this.#options = options;
    this.wasEmpty = statSync(options.path, { throwIfNoEntry: false })?.size === 0;
    this.#db = this.#guard('start', () => openDatabase(options.path));
    try {
      this.#statements = this.#guard('start', () => prepareAll(this.#db));
      this.current = this.#guard('start', () => this.#statements.current.all() as unknown as CurrentRow[]);
      this.#identity = this.#guard('start', () => new FileIdentity(options.path));
      this.#isOpen = true;
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** @returns the version it makes */
  write({ namespace, text, ...rest }: Change): number {
    const { insert, setNamespace } = this.#statements;
    const isDeletion = text === null ? 1 : 0;
    return this.#transaction(`${text === null ? 'delete' : 'write'} namespace ${namespace}`, () => {
      const before = this.#kept(namespace);
      const number = before.last + 1;
      const { lastInsertRowid } = insert.run({ namespace, number, text: text ?? '', isDeletion, ...rest });
      const all = { last: number, kept: before.kept + 1, bytes: before.bytes + Buffer.byteLength(text ?? '') };
      const kept = pruned(this.#statements, namespace, all, this.#options.limits);
      setNamespace.run({ namespace, current: lastInsertRowid, isDeleted: isDeletion, ...kept });
      if (text === null) pruneDeleted(this.#statements, this.#options.limits);
      return Number(lastInsertRowid);
    });
  }

  page(namespace: string, { limit, before, withText }: RowQuery): RowPage {
    return this.#guard(`read the history of namespace ${namespace}`, () => {
      const statement = withText ? this.#statements.pageWithText : this.#statements.page;
      const rows: VersionRow[] = [];
      let bytes = 0;
      for (const row of statement.iterate(namespace, before, limit + 1) as Iterable<unknown> as Iterable<VersionRow>) {
        if (withText) bytes += row.bytes;
        if (rows.length === limit || (rows.length > 0 && bytes > maxPageBytes)) return { rows, hasMore: true };
        rows.push(row);
      }
      return { rows, hasMore: false };
    });
  }

  /** @param key of the version, in the file or in its namespace */
  version(namespace: string, key: { readonly version: number } | { readonly number: number }): VersionRow | undefined {
    const { byVersion, byNumber } = this.#statements;
    return this.#guard(
      `read the history of namespace ${namespace}`,
      () =>
        ('version' in key ? byVersion.get(namespace, key.version) : byNumber.get(namespace, key.number)) as
          | VersionRow
          | undefined,
    );
  }

  close(): void {
    this.#guard('close its file', () => this.#db.close());
  }

  #kept(namespace: string): Kept {
    const row = this.#statements.namespace.get(namespace) as Kept | undefined;
    return row ?? { last: 0, kept: 0, bytes: 0 };
  }

  #transaction<T>(action: string, run: () => T): T {
    return this.#guard(action, () => {
      this.#identity.check();
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        const result = run();
        this.#commit();
        this.#identity.note();
        return result;
      } catch (error) {
        // Some failures, a full disk among them, have ended the transaction already.
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  #commit(): void {
    try {
      this.#db.exec('COMMIT');
    } catch (cause) {
      throw new UncertainCommit('the commit failed', { cause });
    }
  }

  #guard<T>(action: string, run: () => T): T {
    try {
      return run();
    } catch (error) {
      const { store, path } = this.#options;
      const details = { store, action, ...diagnose(error, path, this.#isOpen) };
      throw new LinkerdTcpError('STORE_UNAVAILABLE', details, { cause: error });
    }
  }
}
