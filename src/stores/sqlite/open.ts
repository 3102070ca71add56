/** Opens the file: takes the lock, makes sure that the file is ours and undamaged, and brings it to the present format. */
import { accessSync, constants, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { reasonOf } from '../../errors.ts';
import { restore, UnusableFile } from './failure.ts';
import { applicationId, format, migrations } from './schema.ts';

/** Bridges a restart during which the old process still runs. */
const lockWaitMs = 1000;

/** @throws UnusableFile, or what SQLite throws */
export function openDatabase(path: string): DatabaseSync {
  checkAccess(path);
  const db = new DatabaseSync(path, { timeout: lockWaitMs });
  try {
    prepare(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** SQLite answers "disk I/O error" or "unable to open" to some of these. */
function checkAccess(path: string): void {
  for (const file of [path, `${path}-wal`, `${path}-shm`]) {
    const stats = statSync(file, { throwIfNoEntry: false });
    if (stats === undefined) continue;
    if (stats.isDirectory()) throw new UnusableFile(`${file} is a directory`, 'set `path` to a file');
    try {
      accessSync(file, constants.R_OK | constants.W_OK);
    } catch (error) {
      throw new UnusableFile(
        `${file} cannot be read and written (${reasonOf(error)})`,
        'check its owner and permissions',
      );
    }
  }
}

function prepare(db: DatabaseSync): void {
  // The lock comes before the first look: two processes that looked first could not both take it, and would both give up.
  db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  migrate(db);
  db.exec('COMMIT');
  const mode = scalar(db, 'PRAGMA journal_mode = WAL');
  if (mode !== 'wal') throw new UnusableFile(`the file stays in journal mode ${mode}`, 'put it on a local file system');
  db.exec('PRAGMA synchronous = FULL');
  checkDamage(db);
}

function migrate(db: DatabaseSync): void {
  const isEmpty = scalar(db, 'SELECT count(*) FROM sqlite_schema') === 0;
  const id = scalar(db, 'PRAGMA application_id');
  const found = isEmpty ? 0 : (scalar(db, 'PRAGMA user_version') as number);
  if (id !== applicationId && !(isEmpty && id === 0))
    throw new UnusableFile('the file is a database of another program', 'use another file for the store');
  if (found > format)
    throw new UnusableFile(
      `the file has format ${found}, and this namerd reads formats up to ${format}`,
      'run the namerd that wrote it, or a newer one',
    );
  if (found > 0 && found < format) checkDamage(db);
  for (const script of migrations.slice(found)) db.exec(script);
  db.exec(`PRAGMA user_version = ${format}`);
}

function checkDamage(db: DatabaseSync): void {
  const damage = String(scalar(db, 'PRAGMA quick_check(1)'));
  if (damage !== 'ok') throw new UnusableFile(`the file is damaged: ${damage.replace(/^\*\*\*.*\n/, '')}`, restore);
}

function scalar(db: DatabaseSync, query: string): unknown {
  return Object.values(db.prepare(query).get() ?? {})[0];
}
