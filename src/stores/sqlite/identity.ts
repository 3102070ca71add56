/**
 * Whether the file that is open is still the one at its path. After `rm`, or a restore by `mv`, SQLite goes on writing to a file
 * that no name leads to: such writes would be acknowledged, and lost with the process.
 */
import { statSync } from 'node:fs';
import { UnusableFile } from './failure.ts';

export class FileIdentity {
  /** Device and inode of the file and of its write-ahead log, as far as they were seen. */
  readonly #seen = new Map<string, string>();
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.note();
  }

  /** Remembers files that did not exist before. */
  note(): void {
    for (const file of this.#files()) {
      const found = identityOf(file);
      if (found !== undefined && !this.#seen.has(file)) this.#seen.set(file, found);
    }
  }

  /** @throws UnusableFile */
  check(): void {
    for (const [file, identity] of this.#seen) {
      const found = identityOf(file);
      if (found === identity) continue;
      throw new UnusableFile(
        `${file} was ${found === undefined ? 'deleted' : 'replaced'} while namerd has it open`,
        'restart namerd to use the file that is there now; until then it serves what it has in memory',
      );
    }
  }

  #files(): readonly string[] {
    return [this.#path, `${this.#path}-wal`];
  }
}

function identityOf(file: string): string | undefined {
  const stats = statSync(file, { throwIfNoEntry: false, bigint: true });
  return stats && `${stats.dev}:${stats.ino}`;
}
