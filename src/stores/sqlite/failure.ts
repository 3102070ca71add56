/** Explains what is wrong with a store's file, in words an operator can act on. */
import { dirname } from 'node:path';
import { reasonOf } from '../../errors.ts';

/** Something is wrong that SQLite does not notice. */
export class UnusableFile extends Error {
  readonly hint: string;

  constructor(reason: string, hint: string) {
    super(reason);
    this.hint = hint;
  }
}

/** The commit itself failed: SQLite may find it complete in the write-ahead log when it opens the file the next time. */
export class UncertainCommit extends Error {}

export interface Diagnosis {
  readonly reason: string;
  readonly hint: string;
}

export const restore = 'restore a copy, or move the file away to start with an empty store';

const uncertain = 'after a crash the write may turn out to have been stored: read the namespace before you try again';

/** @param isOpen whether the store serves already what the file had when it was opened */
export function diagnose(error: unknown, path: string, isOpen: boolean): Diagnosis {
  if (error instanceof UnusableFile) return { reason: error.message, hint: error.hint };
  const isUncertain = error instanceof UncertainCommit;
  const { reason, hint } = explain(isUncertain ? error.cause : error, path);
  const hints = [hint, ...(isOpen ? ['reads go on'] : []), ...(isUncertain ? [uncertain] : [])];
  return { reason, hint: hints.join('; ') };
}

/** Source of the codes: sqlite.org/rescode.html. */
function explain(error: unknown, path: string): Diagnosis {
  const reason = reasonOf(error);
  // The lower byte is the primary result code.
  switch (((error as { errcode?: number }).errcode ?? 0) & 0xff) {
    case 5:
      return { reason: 'another process has the file open', hint: 'stop that process, or use another file' };
    case 8:
      return { reason: 'the file is read-only', hint: `check the permissions of ${path} and its directory` };
    case 10:
      return { reason: `reading or writing the file failed (${reason})`, hint: `check the file system of ${path}` };
    case 11:
      return { reason: 'the file is damaged', hint: restore };
    case 13:
      return { reason: 'the disk is full', hint: 'free some space' };
    case 14:
      return {
        reason: 'the file cannot be opened',
        hint: `check that the directory ${dirname(path)} exists and is writable`,
      };
    case 26:
      return { reason: 'the file is not a database', hint: 'use another file for the store' };
    default:
      return { reason, hint: `check ${path} with the sqlite3 program` };
  }
}
