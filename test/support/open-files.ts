/** Open file descriptors of this process. */
import { readdirSync, readFileSync } from 'node:fs';

/** How many are open; the one that counts them is one of them, each time. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** The limit; Infinity if there is none. */
export function openFilesLimit(): number {
  const soft = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}
