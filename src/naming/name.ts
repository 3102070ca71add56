/** What binding works with: names already bound to a live address, and the namers that bind them. */
import type { Observable } from 'rxjs';
import type { NameTree } from '../dtab/name-tree.ts';
import { type Path, samePath } from '../dtab/path.ts';
import type { Activity } from '../live/activity.ts';
import type { Addr } from './addr.ts';

/**
 * A concrete name. Two bounds are equal when their `id` and `residual` are: a change of addresses flows through `addr` only,
 * never through the tree (two-level stability).
 */
export interface Bound {
  /** Re-binds to itself: `/#/io.l5d.fs/users`, `/$/inet/127.0.0.1/8080`. */
  readonly id: Path;
  readonly residual: Path;
  readonly addr: Observable<Addr>;
}

export function sameBound(a: Bound, b: Bound): boolean {
  return samePath(a.id, b.id) && samePath(a.residual, b.residual);
}

/** What a namer answers: a bound name, or a path that goes through the dtab again. */
export type Name = { readonly type: 'bound'; readonly bound: Bound } | { readonly type: 'path'; readonly path: Path };

export function sameName(a: Name, b: Name): boolean {
  if (a.type === 'bound') return b.type === 'bound' && sameBound(a.bound, b.bound);
  return b.type === 'path' && samePath(a.path, b.path);
}

/** What is made of a configuration and runs until it is closed. */
export interface Running {
  /** What it knows about its sources, as JSON for `/namer_state.json`. */
  state?(): unknown;
  /** Gives up connections, watches and files. Called once, when nothing is observed any more. */
  close?(): void | Promise<void>;
}

export interface Namer extends Running {
  /** Looks up what follows the namer's prefix. */
  lookup(path: Path): Observable<Activity<NameTree<Name>>>;
  /** The bound ids there are just now; undefined where a namer cannot list them. */
  list?(): Promise<readonly Path[]>;
}

export interface MountedNamer {
  /** E.g. `['#', 'io.l5d.fs']`; bound ids start with it. */
  readonly prefix: Path;
  readonly namer: Namer;
}
