/**
 * Follows one file (or the entry of that name: it may be missing, or a directory) and emits its content at each change.
 *
 * The parent directory is watched, not the file, so that renames over the file, deletion and re-creation, and swaps of a symbolic
 * link on the way (Kubernetes' `..data`) are seen; a cheap periodic stat finds changes that the notification missed or a file system
 * does not notify, so an edit takes effect within about half a second anywhere. Nothing here keeps the process alive.
 */
import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Observable } from 'rxjs';
import { reasonOf } from '../errors.ts';
import { followEntry } from './watch-folder.ts';

export type FileContent =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'directory' }
  | { readonly type: 'missing' }
  /** It exists but cannot be read: no permission, too large, not a regular file. */
  | { readonly type: 'unreadable'; readonly error: Error }
  /** It is unknown whether it exists. */
  | { readonly type: 'unknown'; readonly error: Error };

export interface WatchFileOptions {
  /** A larger file is not read. */
  readonly maxBytes: number;
  readonly pollMs?: number;
  /** How long a file that had text must be empty before that is believed: many programs truncate before they write. */
  readonly emptyMs?: number;
}

/** Editors and shells truncate before they write: one notification is given this long to become a whole edit. */
const settleMs = 20;

/** A file changed this recently may change again without a new timestamp (coarse clocks), so its text is read again. */
const racyMs = 2000;

/**
 * While the system notifies, only each tenth poll looks at the file itself: it finds what was not notified, and a thousand files
 * cost little. A file that has changed without a notification is looked at by each poll from then on (network file systems).
 */
const pollsPerLook = 10;

/** Changes whenever the file does. */
type Signature = string;

/** Emits what is there at first, then at each change; never completes, never fails. */
export function watchFile(
  path: string,
  { maxBytes, pollMs = 500, emptyMs = 1000 }: WatchFileOptions,
): Observable<FileContent> {
  return new Observable(subscriber => {
    let settling: NodeJS.Timeout | undefined;
    let seen: Signature | undefined;
    let last: FileContent | undefined;
    let checking = false;
    let again = false;
    let isUnnotified = false;
    let isLinked = false;
    // Spread, so that files that are followed from the start do not all take their turn together.
    let polls = Math.floor(Math.random() * pollsPerLook);
    let emptySince: number | undefined;
    let emptied: NodeJS.Timeout | undefined;

    const notified = () => {
      settling ??= setTimeout(() => {
        settling = undefined;
        void check(true);
      }, settleMs).unref();
    };

    const entry = followEntry(path, notified);

    const check = async (wasNotified: boolean) => {
      if (checking) {
        again = true;
        return;
      }
      checking = true;
      try {
        const { content, signature } = await look(path, maxBytes, seen);
        if (content !== undefined) isLinked = await leadsElsewhere(path);
        if (subscriber.closed) return;
        seen = signature;
        // An edit that truncates first looks empty for a moment.
        const isEmptied = content?.type === 'text' && content.text === '' && last?.type === 'text' && last.text !== '';
        clearTimeout(emptied);
        emptySince = isEmptied ? (emptySince ?? performance.now()) : undefined;
        const leftMs = emptySince === undefined ? 0 : emptySince + emptyMs - performance.now();
        if (leftMs > 0) {
          seen = undefined;
          emptied = setTimeout(() => void check(true), leftMs + 1).unref();
          return;
        }
        emptySince = undefined;
        if (content === undefined || (last !== undefined && sameContent(content, last))) return;
        // Without a notification the watched directory may no longer be the one on the path.
        if (!wasNotified) {
          isUnnotified = last !== undefined;
          entry.renew();
        }
        last = content;
        subscriber.next(content);
      } finally {
        checking = false;
        if (again && !subscriber.closed) {
          again = false;
          notified();
        }
      }
    };

    const poll = setInterval(() => {
      entry.listen();
      polls++;
      if (!isUnnotified && !isLinked && seen !== undefined && polls % pollsPerLook !== 0 && entry.isWatched()) return;
      void check(false);
    }, pollMs).unref();
    void check(true);

    return () => {
      clearInterval(poll);
      clearTimeout(settling);
      clearTimeout(emptied);
      entry.stop();
    };
  });
}

/** Whether the file is in another directory than its name: what happens there is not notified. */
async function leadsElsewhere(path: string): Promise<boolean> {
  try {
    const [file, directory] = await Promise.all([realpath(path), realpath(dirname(path))]);
    return dirname(file) !== directory;
  } catch {
    return true;
  }
}

/** Looks once. `content` is absent when nothing changed since the look that returned `seen`. */
async function look(
  path: string,
  maxBytes: number,
  seen: Signature | undefined,
): Promise<{ content?: FileContent; signature: Signature | undefined }> {
  try {
    const startedAt = Date.now();
    const found = await stat(path, { bigint: true });
    if (found.isDirectory()) return { content: { type: 'directory' }, signature: undefined };
    const signature = [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join();
    if (signature === seen) return { signature };
    const isRacy = Math.abs(startedAt - Number(found.ctimeMs)) < racyMs;
    return { content: await read(path, maxBytes, found), signature: isRacy ? undefined : signature };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isAbsent = code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG';
    return {
      content: isAbsent ? { type: 'missing' } : { type: 'unknown', error: because(error) },
      signature: undefined,
    };
  }
}

async function read(path: string, maxBytes: number, found: { size: bigint; isFile(): boolean }): Promise<FileContent> {
  if (!found.isFile()) return { type: 'unreadable', error: new Error('not a regular file') };
  const tooLarge: FileContent = { type: 'unreadable', error: new Error(`larger than ${maxBytes} bytes`) };
  if (found.size > maxBytes) return tooLarge;
  try {
    const bytes = await readFile(path);
    return bytes.length > maxBytes ? tooLarge : { type: 'text', text: bytes.toString('utf8') };
  } catch (error) {
    // Removed or replaced since the stat: the outer look decides.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw error;
    return { type: 'unreadable', error: because(error) };
  }
}

/** `EACCES: permission denied, open '/x'` without the code and the path, which the reader of the message knows. */
function because(error: unknown): Error {
  const reason = /^[A-Z0-9]+: (.*?)(?:, \w+(?: '.*')?)?$/.exec(reasonOf(error));
  return new Error(reason?.[1] ?? reasonOf(error), { cause: error });
}

function sameContent(a: FileContent, b: FileContent): boolean {
  if (a.type === 'text') return b.type === 'text' && a.text === b.text;
  if (a.type === 'unreadable' || a.type === 'unknown') return b.type === a.type && a.error.message === b.error.message;
  return a.type === b.type;
}
