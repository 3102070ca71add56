/** A private directory for a test, deleted when the test ends. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Scope } from './scope.ts';

export interface TempDir {
  readonly path: string;
  /** Writes a file as editors and operators do: complete, then renamed into place. @returns its full path. */
  write(name: string, text: string): string;
  remove(name: string): void;
}

export function tempDir(t: Scope): TempDir {
  const path = mkdtempSync(join(tmpdir(), 'linkerd-tcp-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  let writes = 0;
  return {
    path,
    write(name, text) {
      const target = join(path, name);
      mkdirSync(dirname(target), { recursive: true });
      // Outside the watched directories, on the same file system: no partly written file ever appears under a watched name.
      const draft = join(path, `.draft-${writes++}`);
      writeFileSync(draft, text);
      renameSync(draft, target);
      return target;
    },
    remove(name) {
      rmSync(join(path, name), { recursive: true, force: true });
    },
  };
}
