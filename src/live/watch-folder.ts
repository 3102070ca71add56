/**
 * Notifications of a directory, shared by all followers of its entries.
 *
 * The system notifies each watch of a directory of every change in it: with a watch for each of a thousand files, one change would
 * wake a thousand. An entry without followers may be a link on the way to one that is followed (Kubernetes' `..data`): it
 * wakes all.
 */
import { type FSWatcher, statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

export interface FollowedEntry {
  /** Whether the directory that is on the path now is the one that is watched: then the system notifies of its changes. */
  isWatched(): boolean;
  /** Watches the directory unless it is watched: it may have been missing, or the system out of watches. */
  listen(): void;
  /** Makes sure that the watched directory is the one on the path. */
  renew(): void;
  /** Ends the notifications; the last follower ends the watch. */
  stop(): void;
}

/** How old the comparison of a directory with its path may be. */
const compareMs = 250;

class Folder {
  readonly #path: string;
  readonly entries = new Map<string, Set<() => void>>();
  #watcher: FSWatcher | undefined;
  #isCurrent = false;
  #comparedAt = Number.NEGATIVE_INFINITY;
  /** Of what is watched. */
  #identity: string | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  listen(): void {
    if (this.#watcher !== undefined) return;
    try {
      // Before the watch begins: a directory that is replaced in between is recognised later.
      this.#identity = identityOf(this.#path);
      const watcher = watch(this.#path, { persistent: false }, (_event, name) => this.#changed(name));
      this.#watcher = watcher;
      watcher.on('error', () => {
        if (this.#watcher === watcher) this.close();
      });
    } catch {
      // Followers poll as well, and ask for a watch again then.
      this.#watcher = undefined;
    }
  }

  renew(): void {
    if (this.#identity === identityOf(this.#path)) return;
    this.close();
    this.listen();
  }

  /** Compared once for all entries that ask at about the same time. */
  isWatched(): boolean {
    if (this.#watcher === undefined) return false;
    const now = performance.now();
    if (now - this.#comparedAt < compareMs) return this.#isCurrent;
    this.#comparedAt = now;
    this.#isCurrent = this.#identity !== undefined && this.#identity === identityOf(this.#path);
    return this.#isCurrent;
  }

  close(): void {
    this.#comparedAt = Number.NEGATIVE_INFINITY;
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #changed(name: string | null): void {
    const one = name === null ? undefined : this.entries.get(name);
    for (const changed of one ?? [...this.entries.values()].flatMap(all => [...all])) changed();
  }
}

/** File numbers are reused, hence the time of birth; undefined if the directory is missing or unreachable. */
function identityOf(folder: string): string | undefined {
  try {
    const { dev, ino, birthtimeNs } = statSync(folder, { bigint: true });
    return [dev, ino, birthtimeNs].join();
  } catch {
    // Reading the file reports the problem.
    return undefined;
  }
}

const folders = new Map<string, Folder>();

/** @param changed called when the entry may have changed at `path` */
export function followEntry(path: string, changed: () => void): FollowedEntry {
  const [parent, name] = [dirname(path), basename(path)];
  const folder = folders.get(parent) ?? new Folder(parent);
  folders.set(parent, folder);
  // Not `changed` itself: it may be given more than once.
  const tell = () => changed();
  const followers = folder.entries.get(name) ?? new Set();
  folder.entries.set(name, followers.add(tell));
  folder.listen();
  return {
    isWatched: () => folder.isWatched(),
    listen: () => folder.listen(),
    renew: () => folder.renew(),
    stop: () => {
      followers.delete(tell);
      if (followers.size === 0) folder.entries.delete(name);
      if (folder.entries.size > 0) return;
      folder.close();
      folders.delete(parent);
    },
  };
}
