/**
 * Notifications of a folder, shared by all who follow an entry of it.
 *
 * The system tells each watch of a folder about every change in it: with a watch for each of a thousand files, one change would
 * wake a thousand. An entry that nobody follows may be a link on the way to one that is followed (Kubernetes' `..data`): it
 * wakes all.
 */
import { type FSWatcher, statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

export interface FollowedEntry {
  /** Watches the folder, if it is not watched: there may have been no such folder, or no more watches. */
  listen(): void;
  /** Makes sure that the folder that is watched is the one on the path. */
  renew(): void;
  /** Tells nothing more; the last one ends the watch. */
  stop(): void;
}

class Folder {
  readonly #path: string;
  readonly entries = new Map<string, Set<() => void>>();
  #watcher: FSWatcher | undefined;
  /** Of what is watched. */
  #identity: string | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  listen(): void {
    if (this.#watcher !== undefined) return;
    try {
      // Before the watch begins: a folder that is replaced in between is found to be another one later.
      this.#identity = identityOf(this.#path);
      const watcher = watch(this.#path, { persistent: false }, (_event, name) => this.#changed(name));
      this.#watcher = watcher;
      watcher.on('error', () => {
        if (this.#watcher === watcher) this.close();
      });
    } catch {
      // Whoever follows also looks from time to time, and asks for a watch again then.
      this.#watcher = undefined;
    }
  }

  renew(): void {
    if (this.#identity === identityOf(this.#path)) return;
    this.close();
    this.listen();
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #changed(name: string | null): void {
    const one = name === null ? undefined : this.entries.get(name);
    for (const changed of one ?? [...this.entries.values()].flatMap(all => [...all])) changed();
  }
}

/** Numbers of files are used again, by the next folder perhaps; undefined where there is none, or none that can be reached. */
function identityOf(folder: string): string | undefined {
  try {
    const { dev, ino, birthtimeNs } = statSync(folder, { bigint: true });
    return [dev, ino, birthtimeNs].join();
  } catch {
    // What is wrong with the way there is told by whoever reads the file.
    return undefined;
  }
}

const folders = new Map<string, Folder>();

/** @param changed called for what may be a change of the entry at `path` */
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
