/** The statements of schema.ts, prepared. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { sql } from './schema.ts';

export type Statements = Readonly<Record<keyof typeof sql, StatementSync>>;

export const prepareAll = (db: DatabaseSync): Statements =>
  Object.fromEntries(Object.entries(sql).map(([name, text]) => [name, db.prepare(text)])) as unknown as Statements;
