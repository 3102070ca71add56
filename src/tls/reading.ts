/**
 * One reading of the files that belong together: all that is wrong with them, and a digest by which another reading is known to
 * have found the same.
 *
 * Synchronous: they are small, and a configuration is checked in one go. Only regular files are read, so that nothing waits.
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { ValuePath } from '../config/document.ts';
import { fileReason } from '../errors.ts';

/** Something wrong with a file. */
export interface FileProblem {
  /** The key that names it, from the mapping whose files are read. */
  readonly place: ValuePath;
  /** Starts in lower case, names the file and what to do; no full stop. */
  readonly message: string;
}

/** A bundle of all well-known authorities has 300 KB, a list of revoked certificates may be large. */
export const mostFileBytes = 32 * 1024 * 1024;

export class Reading {
  readonly problems: FileProblem[] = [];
  /** Content that is usable, but perhaps a mistake. */
  readonly warnings: string[] = [];
  readonly #hash = createHash('sha256');

  /** Undefined when it cannot be read, and then that is among the problems. */
  read(file: string, place: ValuePath): Buffer | undefined {
    try {
      const found = statSync(file);
      if (found.isDirectory()) return this.#unreadable(file, place, 'it is a directory; name a file in it');
      if (!found.isFile()) return this.#unreadable(file, place, 'it is not a regular file');
      if (found.size > mostFileBytes) return this.#unreadable(file, place, `it is larger than ${mostFileBytes} bytes`);
      const bytes = readFileSync(file);
      this.#hash.update(`${bytes.length} `).update(bytes);
      return bytes;
    } catch (error) {
      return this.#unreadable(file, place, fileReason(error));
    }
  }

  complain(place: ValuePath, message: string): void {
    this.problems.push({ place, message });
  }

  warn(message: string): void {
    this.warnings.push(message);
  }

  /** The same for the same bytes, and the same failures, in the same order. */
  digest(): string {
    return this.#hash.copy().digest('hex');
  }

  #unreadable(file: string, place: ValuePath, reason: string): undefined {
    this.#hash.update(`!${reason} `);
    this.complain(place, `cannot read ${file}: ${reason}`);
    return undefined;
  }
}
