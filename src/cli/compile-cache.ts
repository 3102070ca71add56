/**
 * Keeps the compiled code of a program in the user's cache directory, so that the next run need not compile it again.
 *
 * Compiled code is run without a check, so the directory must be this user's alone: not the shared one of Node's
 * default, and not one that `sudo` left in the environment. Without such a directory nothing is kept.
 */
import { mkdirSync, statSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { isAbsolute, join } from 'node:path';

export function useCompileCache(env: NodeJS.ProcessEnv = process.env): void {
  const directory = cacheDirectory(env);
  if (directory !== undefined) enableCompileCache(directory);
}

/** Undefined if there is no directory that only this user can write to. */
export function cacheDirectory(env: NodeJS.ProcessEnv): string | undefined {
  const home = env['HOME'] ?? '';
  const caches = env['XDG_CACHE_HOME'] || join(home, '.cache');
  if (!isAbsolute(caches)) return undefined;
  const directory = join(caches, 'linkerd-tcp');
  try {
    if (statSync(caches, { throwIfNoEntry: false }) === undefined && !isOurs(home)) return undefined;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return isOurs(caches) && isOurs(directory) ? directory : undefined;
  } catch {
    return undefined;
  }
}

function isOurs(path: string): boolean {
  const { uid, mode } = statSync(path);
  return uid === process.getuid?.() && (mode & 0o022) === 0;
}
