/**
 * The tables of the file, and how a file of an older format gets them. A new file goes through all formats, too.
 *
 *   versions    version (never used twice in the file), namespace, number (1, 2, … in its namespace), dtab, at, written_by,
 *               restored_from, is_deletion (then dtab is empty)
 *   namespaces  namespace; current, the newest of its versions; is_deleted, whether that is a deletion; last, its number;
 *               kept and bytes, how many of its versions there are and how long their dtabs are together
 *
 * The versions of a namespace that are kept have consecutive numbers: only the oldest one is ever removed.
 */

/** In the header of the file, `l5dt`: tells our files from those of other programs. */
export const applicationId = 0x6c356474;

/** The script at index n makes format n + 1 of format n. */
export const migrations = [
  `CREATE TABLE versions (
     version INTEGER PRIMARY KEY AUTOINCREMENT, namespace TEXT NOT NULL, dtab TEXT NOT NULL, at INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX versions_by_namespace ON versions (namespace, version);
   CREATE TABLE present (namespace TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
   PRAGMA application_id = ${applicationId};`,

  `ALTER TABLE versions ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE versions ADD COLUMN written_by TEXT;
   ALTER TABLE versions ADD COLUMN restored_from INTEGER;
   ALTER TABLE versions ADD COLUMN is_deletion INTEGER NOT NULL DEFAULT 0;
   UPDATE versions SET number = numbered.number FROM
     (SELECT version, row_number() OVER (PARTITION BY namespace ORDER BY version) AS number FROM versions) AS numbered
     WHERE versions.version = numbered.version;
   DROP INDEX versions_by_namespace;
   CREATE UNIQUE INDEX versions_by_number ON versions (namespace, number);
   CREATE TABLE namespaces (
     namespace TEXT PRIMARY KEY, current INTEGER NOT NULL, is_deleted INTEGER NOT NULL, last INTEGER NOT NULL,
     kept INTEGER NOT NULL, bytes INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   INSERT INTO namespaces
     SELECT namespace, max(version), namespace NOT IN (SELECT namespace FROM present), max(number), count(*),
       sum(octet_length(dtab))
     FROM versions GROUP BY namespace;
   CREATE INDEX namespaces_deleted ON namespaces (current) WHERE is_deleted;
   DROP TABLE present;`,
] as const;

export const format = migrations.length;

const columns =
  'version, namespace, number, at, written_by AS writtenBy, restored_from AS restoredFrom, is_deletion AS isDeletion, ' +
  'octet_length(dtab) AS bytes';

export const sql = {
  current: `SELECT n.namespace, n.current AS version, v.dtab AS text
    FROM namespaces n LEFT JOIN versions v ON v.version = n.current WHERE NOT n.is_deleted`,
  namespace: 'SELECT last, kept, bytes FROM namespaces WHERE namespace = ?',
  insert: `INSERT INTO versions (namespace, number, dtab, at, written_by, restored_from, is_deletion)
    VALUES (:namespace, :number, :text, :at, :writtenBy, :restoredFrom, :isDeletion)`,
  setNamespace: `INSERT INTO namespaces VALUES (:namespace, :current, :isDeleted, :last, :kept, :bytes)
    ON CONFLICT (namespace) DO UPDATE SET current = excluded.current, is_deleted = excluded.is_deleted,
      last = excluded.last, kept = excluded.kept, bytes = excluded.bytes`,
  removeVersion: 'DELETE FROM versions WHERE namespace = ? AND number = ? RETURNING octet_length(dtab) AS bytes',
  setKept: 'UPDATE namespaces SET kept = :kept, bytes = :bytes WHERE namespace = :namespace',
  removeNamespace: 'DELETE FROM namespaces WHERE namespace = ?',
  deletedTotal:
    'SELECT coalesce(sum(kept), 0) AS kept, coalesce(sum(bytes), 0) AS bytes FROM namespaces WHERE is_deleted',
  deletedFirst: `SELECT namespace, last, kept, bytes FROM namespaces INDEXED BY namespaces_deleted
    WHERE is_deleted ORDER BY current LIMIT 1`,
  page: `SELECT ${columns} FROM versions WHERE namespace = ? AND number < ? ORDER BY number DESC LIMIT ?`,
  pageWithText: `SELECT ${columns}, dtab AS text FROM versions WHERE namespace = ? AND number < ?
    ORDER BY number DESC LIMIT ?`,
  byNumber: `SELECT ${columns}, dtab AS text FROM versions WHERE namespace = ? AND number = ?`,
  byVersion: `SELECT ${columns}, dtab AS text FROM versions WHERE namespace = ? AND version = ?`,
} as const;
