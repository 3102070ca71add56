/** What is wrong with a store's file, in words an operator can act on. */
import { dirname } from 'node:path';
import { reasonOf } from '../../errors.ts';

/** Something is wrong that SQLite does not see. */
export class UnusableFile extends Error {
  readonly hint: string;

  constructor(reason: string, hint: string) {
    super(reason);
    this.hint = hint;
  }
}

export const restore = 'restore a copy, or move it away to begin anew';

/** Source of the codes: sqlite.org/rescode.html. */
export function diagnose(error: unknown, path: string): { readonly reason: string; readonly hint: string } {
  if (error instanceof UnusableFile) return { reason: error.message, hint: error.hint };
  const reason = reasonOf(error);
  // The lower byte is the primary result code.
  switch (((error as { errcode?: number }).errcode ?? 0) & 0xff) {
    case 5:
      return { reason: 'another process has the file open', hint: 'stop that one, or give this one a file of its own' };
    case 8:
      return { reason: 'the file cannot be written', hint: `check the permissions of ${path} and its folder` };
    case 10:
      return {
        reason: `reading or writing the file failed (${reason})`,
        hint: `check the file system of ${path}; what is stored is served all the same`,
      };
    case 11:
      return { reason: 'the file is damaged', hint: restore };
    case 13:
      return { reason: 'the disk is full', hint: 'make room; what is stored is served all the same' };
    case 14:
      return {
        reason: 'the file cannot be opened',
        hint: `check that ${dirname(path)} is a folder that can be written`,
      };
    case 26:
      return { reason: 'the file is not a database', hint: 'give the store a file of its own' };
    default:
      return { reason, hint: `check ${path} with the sqlite3 program` };
  }
}
