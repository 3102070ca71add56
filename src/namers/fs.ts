/**
 * Namer `io.l5d.fs`: a directory with one file of addresses per name, and subdirectories, followed live.
 *
 * `/users/…` is file `users`, `/eu/users/…` is file `users` in directory `eu`. A file that exists is a name, also while it is
 * empty or bad; an entry that is missing, is a directory, or leads outside is Neg. Host names are looked up again and again.
 */

import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { distinctUntilChanged, finalize, type Observable, of, switchMap } from 'rxjs';
import { z } from 'zod';
import { dirPath } from '../config/file-fields.ts';
import { leaf, type NameTree, neg } from '../dtab/name-tree.ts';
import { labelOf, type Path, textOf } from '../dtab/path.ts';
import { type Activity, failed, ok } from '../live/activity.ts';
import { type FileContent, watchFile } from '../live/watch-file.ts';
import { type Addr, failedAddr, negAddr, weightKey } from '../naming/addr.ts';
import { addrOfHosts } from '../naming/addr-of-hosts.ts';
import type { Dns } from '../naming/dns.ts';
import { defineNamer } from '../naming/kinds.ts';
import type { Name } from '../naming/name.ts';
import { shareLast } from '../naming/watched.ts';
import { HostsSyntaxError, parseHosts } from './hosts-file.ts';

/** As in Linkerd 1.x. */
const maxBytes = 500_000;

export const fsNamer = defineNamer({
  kind: 'io.l5d.fs',
  config: z.strictObject({
    rootDir: dirPath('content')
      .refine(isFolder, { error: issue => `is not an existing directory: ${resolve(String(issue.input))}` })
      .meta({ description: 'directory with one file per name; each line is `host port` or `host port * weight`' }),
  }),
  create: ({ rootDir }, { prefix, dns }) => {
    const watches = new Map<string, Observable<FileContent>>();
    const watch = (file: string): Observable<FileContent> => {
      const known =
        watches.get(file) ??
        watchFile(file, { maxBytes }).pipe(
          finalize(() => watches.delete(file)),
          shareLast(),
        );
      watches.set(file, known);
      return known;
    };

    const lookup = (consumed: Path, rest: Path): Observable<Activity<NameTree<Name>>> => {
      const [label, ...residual] = rest;
      if (label === undefined || !isEntryName(label)) return of(ok(neg));
      const names = [...consumed, label];
      const file = join(rootDir, ...names.map(textOf));
      const content = watch(file);
      const addr = content.pipe(switchMap(found => addrOf(file, found, dns)));
      const bound: Name = { type: 'bound', bound: { id: [...prefix, ...names], residual, addr } };
      return content.pipe(
        distinctUntilChanged((a, b) => a.type === b.type && a.type !== 'unknown'),
        switchMap((found): Observable<Activity<NameTree<Name>>> => {
          if (found.type === 'directory') return lookup(names, residual);
          if (found.type === 'missing') return of(ok(neg));
          return of(found.type === 'unknown' ? failed(unreadable(file, found.error)) : ok(leaf(bound)));
        }),
      );
    };
    return {
      lookup: path => lookup([], path),
      list: () => namesIn(rootDir, prefix),
    };
  },
});

/** More are not listed, and deeper directories are not looked into: a root may hold anything. */
const maxListed = 10_000;
const maxDepth = 10;

/** The files of a directory and of those in it, as names below `prefix`. */
async function namesIn(directory: string, prefix: Path): Promise<readonly Path[]> {
  const found: Path[] = [];
  const pending = [{ directory, prefix }];
  for (const { directory: at, prefix: below } of pending) {
    const entries = await readdir(at, { withFileTypes: true }).catch(error => {
      // A directory inside may be gone again; the root is the operator's.
      if (at === directory) throw error;
      return [];
    });
    for (const entry of entries) {
      if (entry.name.startsWith('.') || found.length >= maxListed) continue;
      const name = [...below, labelOf(entry.name)];
      if (!entry.isDirectory()) found.push(name);
      else if (name.length - prefix.length < maxDepth) pending.push({ directory: join(at, entry.name), prefix: name });
    }
  }
  return found;
}

function addrOf(file: string, content: FileContent, dns: Dns): Observable<Addr> {
  if (content.type === 'missing' || content.type === 'directory') return of(negAddr);
  if (content.type !== 'text') return of(failedAddr(unreadable(file, content.error)));
  try {
    const hosts = parseHosts(content.text).map(({ host, port, weight }) => ({
      host,
      port,
      meta: weight === undefined ? {} : { [weightKey]: weight },
    }));
    return addrOfHosts(hosts, dns.resolve);
  } catch (error) {
    if (!(error instanceof HostsSyntaxError)) throw error;
    return of(failedAddr(new Error(`${file}:${error.line}: ${error.message}`)));
  }
}

const unreadable = (file: string, { message }: Error): Error => new Error(`${file} cannot be read: ${message}`);

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** A name inside one directory: none that leads elsewhere, none that two labels could spell. */
function isEntryName(label: string): boolean {
  return label !== '.' && label !== '..' && !/[/\0]/.test(label) && labelOf(textOf(label)) === label;
}
