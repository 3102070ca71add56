/** A directory whose `node` is too old for this project, to put first on PATH: a real one if installed, otherwise a stand-in. */
import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { Scope } from './scope.ts';
import { tempDir } from './temp-dir.ts';

/** It tells its version and can do nothing else, so a launcher that uses it fails. */
const standIn = `#!/bin/sh
case "$1" in
  -v | --version) echo v20.20.2 ;;
  *) echo "this node is too old to run $*" >&2; exit 9 ;;
esac
`;

export function oldNodeFolder(t: Scope): string {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/bin', '/usr/bin'];
  return folders.find(folder => folder.startsWith('/') && isOld(join(folder, 'node'))) ?? standInFolder(t);
}

function standInFolder(t: Scope): string {
  const file = tempDir(t).write('node', standIn);
  chmodSync(file, 0o755);
  return dirname(file);
}

function isOld(node: string): boolean {
  try {
    const version = execFileSync(node, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return Number(/^v(\d+)/.exec(version)?.[1]) < 26;
  } catch {
    return false;
  }
}
