/**
 * Binding: follows a name through the dtab and the namers, live, down to names that have addresses.
 *
 * A bound tree is simplified and has no Alt: of alternatives the first that is not Neg is the one, decided on trees alone (a
 * leaf without addresses does not fall through). An alternative that is pending or failed decides too. Of a Union the branches
 * that are known make the tree, the others are left out for the time being. Source: Finagle `Namer.bind`, Linkerd
 * `ConfiguredNamersInterpreter`, restated.
 */
import { distinctUntilChanged, Observable, of } from 'rxjs';
import { type Dtab, lookup } from '../dtab/dtab.ts';
import { mapTree, type NameTree, sameTree } from '../dtab/name-tree.ts';
import { type Path, startsWith } from '../dtab/path.ts';
import { type Activity, ok, sameActivity } from '../live/activity.ts';
import { firstNotNeg, live } from '../live/live.ts';
import { startBinding } from './binder.ts';
import { type Bound, type MountedNamer, type Name, type Namer, sameBound, sameName } from './name.ts';

export interface Binding {
  readonly dtab: Dtab;
  /** In the order of the config: the last one is asked first. */
  readonly namers: readonly MountedNamer[];
  /** Answers what follows `/$`, when no namer did. */
  readonly builtin: Namer;
  /** Lookups in a row, 100 by default. */
  readonly maxDepth?: number;
  /** Told of each path that is looked up in the dtab. @returns called when the path is no longer on the way */
  readonly asked?: (path: Path) => () => void;
}

type Live<T> = Observable<Activity<NameTree<T>>>;

/** The live meaning of a path, or of a tree of them. Cold: each observer has watches of its own. Never completes. */
export function bindTree(binding: Binding, name: Path | NameTree<Path>): Live<Bound> {
  const tree: NameTree<Path> = isPath(name) ? { type: 'leaf', value: name } : name;
  return new Observable<Activity<NameTree<Bound>>>(out =>
    startBinding(
      {
        tree: pathNames(tree),
        lookup: path => lookupName(binding, path),
        maxDepth: binding.maxDepth ?? 100,
      },
      state => out.next(state),
    ),
  ).pipe(distinctUntilChanged((a, b) => sameActivity(a, b, (x, y) => sameTree(x, y, sameBound))));
}

function isPath(name: Path | NameTree<Path>): name is Path {
  return Array.isArray(name);
}

/** One step: what the dtab says, or what the namers say where the dtab has no rule. */
function lookupName(binding: Binding, path: Path): Live<Name> {
  const rewritten = lookup(binding.dtab, path);
  const found = rewritten.type === 'neg' ? lookupNamers(binding, path) : of(ok(pathNames(rewritten)));
  const { asked } = binding;
  if (asked === undefined) return found;
  return new Observable(out => {
    out.add(asked(path));
    // What a rule says is said once, and stays on the way.
    out.add(found.subscribe({ next: state => out.next(state), error: error => out.error(error) }));
  });
}

/** What the namers say: the last one configured first, the next one where that says Neg, the built-in one at the end. */
export function lookupNamers({ namers, builtin }: Pick<Binding, 'namers' | 'builtin'>, path: Path): Live<Name> {
  return firstNotNeg(
    [{ prefix: ['$'], namer: builtin }, ...namers]
      .filter(({ prefix }) => startsWith(path, prefix))
      .reverse()
      .map(({ prefix, namer }) => live(() => namer.lookup(path.slice(prefix.length)))),
  ).pipe(distinctUntilChanged((a, b) => sameActivity(a, b, (x, y) => sameTree(x, y, sameName))));
}

function pathNames(tree: NameTree<Path>): NameTree<Name> {
  return mapTree(tree, path => ({ type: 'path', path }));
}
