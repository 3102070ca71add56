/**
 * `stateDir`: keeps the last known meaning of names on disk, and gives it back at the next start.
 *
 * The file is replaced as a whole (write, flush, rename), so a crash leaves the old one or the new one. It is written a second after
 * a change, and each minute for the age of what did not change. A failure to write is logged once and changes nothing else.
 */
import { lstat, mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Destination, Fallback } from '../naming/destination.ts';
import { decodeNames, encodeNames, maxBytes, maxNames, type SavedName } from './saved-names.ts';

export interface StateDirOptions {
  readonly dir: string;
  readonly log: Log;
  /** Milliseconds of a clock that never goes back: ages are told by it. */
  readonly now: () => number;
  readonly settleMs?: number;
  readonly refreshMs?: number;
}

interface Name extends SavedName {
  /** Confirmed at every moment, until it changes. */
  readonly isFresh: boolean;
}

const fileName = 'names.json';

export class StateDir {
  readonly #options: StateDirOptions;
  /** The oldest first. */
  readonly #names = new Map<string, Name>();
  readonly #refresher: NodeJS.Timeout;
  #settling: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #failure: string | undefined;
  #isClosed = false;

  private constructor(options: StateDirOptions, names: ReadonlyMap<string, SavedName>) {
    this.#options = options;
    for (const [key, name] of names) this.#names.set(key, { ...name, isFresh: false });
    this.#refresher = setInterval(() => this.#refresh(), options.refreshMs ?? 60_000).unref();
  }

  /** Undefined where the directory cannot be used; the log then says why. */
  static async open(options: StateDirOptions): Promise<StateDir | undefined> {
    const { dir, log } = options;
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await refuseForeign(dir, await stat(dir));
    } catch (error) {
      log.warn(`stateDir is not used: ${reasonOf(error)}`);
      return undefined;
    }
    const names = await readNames(join(dir, fileName), log);
    return new StateDir(options, names);
  }

  fallbackOf(key: string): Fallback | undefined {
    const name = this.#names.get(key);
    if (name === undefined) return undefined;
    const ageMs = Math.max(0, Date.now() - name.confirmedAt);
    return { branches: name.branches, sinceMs: this.#options.now() - ageMs };
  }

  /** What a name means from now on. */
  learned(key: string, destination: Destination): void {
    if (this.#isClosed || destination.state === 'pending' || destination.state === 'failed') return;
    this.#names.delete(key);
    if (destination.state === 'bound') {
      const { branches, stale } = destination;
      const ageMs = stale === undefined ? 0 : this.#options.now() - stale.sinceMs;
      this.#names.set(key, { branches, confirmedAt: Date.now() - ageMs, isFresh: stale === undefined });
    }
    for (const oldest of this.#names.keys()) {
      if (this.#names.size <= maxNames) break;
      this.#names.delete(oldest);
    }
    this.#settling ??= setTimeout(() => this.#write(), this.#options.settleMs ?? 1000).unref();
  }

  /** Writes what is not written yet; later changes are not kept. */
  async close(): Promise<void> {
    if (this.#isClosed) return this.#writing;
    clearInterval(this.#refresher);
    this.#refresh();
    this.#isClosed = true;
    await this.#writing;
  }

  #refresh(): void {
    if (this.#settling !== undefined || [...this.#names.values()].some(({ isFresh }) => isFresh)) this.#write();
  }

  /** One at a time, each with what is known when it begins. */
  #write(): void {
    clearTimeout(this.#settling);
    this.#settling = undefined;
    this.#writing = this.#writing.then(() => this.#replace());
  }

  async #replace(): Promise<void> {
    const { dir, log } = this.#options;
    const now = Date.now();
    for (const [key, name] of this.#names) if (name.isFresh) this.#names.set(key, { ...name, confirmedAt: now });
    const file = join(dir, fileName);
    const draft = `${file}.new`;
    try {
      const handle = await open(draft, 'w', 0o600);
      try {
        await handle.writeFile(encodeNames(this.#names));
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(draft, file);
      if (this.#failure !== undefined) log.info(`stateDir: ${file} recovered`);
      this.#failure = undefined;
    } catch (error) {
      const reason = reasonOf(error);
      if (this.#failure !== reason) log.warn(`stateDir: cannot write ${file}: ${reason}; retrying`);
      this.#failure = reason;
    }
  }
}

async function readNames(file: string, log: Log): Promise<ReadonlyMap<string, SavedName>> {
  try {
    const found = await lstat(file).catch(error => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (found === undefined) return new Map();
    if (!found.isFile()) throw new Error('it is not a regular file');
    await refuseForeign(file, found);
    // A name may be as large as its addresses are many.
    if (found.size > 2 * maxBytes) throw new Error(`it is larger than ${2 * maxBytes} bytes`);
    const names = decodeNames(await readFile(file, 'utf8'), Date.now());
    if (names.size > 0)
      log.info(
        `stateDir: ${file} has ${names.size} name${names.size === 1 ? '' : 's'}, for use while naming is unreachable`,
      );
    return names;
  } catch (error) {
    log.warn(`stateDir: ${file} is ignored: ${reasonOf(error)}`);
    return new Map();
  }
}

/** @throws Error where another user could have written it */
async function refuseForeign(
  path: string,
  { mode, uid }: { readonly mode: number; readonly uid: number },
): Promise<void> {
  if (process.getuid === undefined) return;
  if (uid !== process.getuid() && uid !== 0) throw new Error(`${path} belongs to another user (uid ${uid})`);
  if ((mode & 0o022) !== 0) throw new Error(`other users can write ${path}; run: chmod go-w ${path}`);
}
