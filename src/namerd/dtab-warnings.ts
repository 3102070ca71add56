/**
 * What is questionable about a dtab that is correct: rules that never apply, rules that lead back to themselves, namers that
 * do not exist. Only what is certain is said, whatever the names will be.
 */

import type { Dentry, Dtab, Prefix } from '../dtab/dtab.ts';
import { simplify } from '../dtab/evaluate.ts';
import type { NameTree } from '../dtab/name-tree.ts';
import type { Path } from '../dtab/path.ts';
import { showDentry, showPath } from '../dtab/show.ts';
import { builtinClasses } from '../naming/builtin/builtin.ts';

export interface DtabWarning {
  readonly kind: 'shadowed' | 'loop' | 'unknown-namer';
  /** Index of the rule, from 0. */
  readonly dentry: number;
  readonly message: string;
}

/** @param namerPrefixes of the namers there are: `['#', 'io.l5d.fs']` */
export function dtabWarnings(dtab: Dtab, namerPrefixes: readonly Path[]): readonly DtabWarning[] {
  return [...shadowed(dtab), ...loops(dtab), ...unknownNamers(dtab, namerPrefixes)].sort((a, b) => a.dentry - b.dentry);
}

/** A rule is never asked where one behind it takes all of its names and never says Neg. */
function shadowed(dtab: Dtab): readonly DtabWarning[] {
  return dtab.flatMap((dentry, i): DtabWarning[] => {
    const by = dtab.findLast(
      (later, j) => j > i && covers(later.prefix, dentry.prefix) && isFinal(simplify(later.dst)),
    );
    const message = by && `never applies: ${showDentry(by)} comes later and takes every name it could`;
    return message === undefined ? [] : [{ kind: 'shadowed', dentry: i, message }];
  });
}

/** Whether every path that `narrow` matches is matched by `wide`. */
function covers(wide: Prefix, narrow: Prefix): boolean {
  return wide.length <= narrow.length && wide.every((label, i) => label === null || label === narrow[i]);
}

/** Whether what stands behind it is never tried. */
function isFinal(tree: NameTree<Path>): boolean {
  switch (tree.type) {
    case 'fail':
    case 'empty':
      return true;
    case 'leaf':
      return tree.value[0] === '$' && ['nil', 'fail'].includes(tree.value[1]);
    case 'alt':
      return tree.trees.some(isFinal);
    default:
      return false;
  }
}

/** Rules that, once one of them applies, always lead to the next, and back. */
function loops(dtab: Dtab): readonly DtabWarning[] {
  const next = dtab.map(({ dst }) => targets(dst).flatMap(path => always(dtab, path)));
  return dtab.flatMap((_, start): DtabWarning[] => {
    const trail = wayBack(next, start);
    // One warning for a round: at the first of its rules.
    if (trail === undefined || trail.some(i => i < start)) return [];
    const round = trail.map(i => showDentry(dtab[i])).join(' → ');
    return [{ kind: 'loop', dentry: start, message: `leads back to itself: ${round}` }];
  });
}

/** The shortest way from `start` to itself. */
function wayBack(next: readonly (readonly number[])[], start: number): readonly number[] | undefined {
  const cameFrom = new Map<number, number>();
  const queue = [start];
  for (const at of queue)
    for (const to of next[at]) {
      if (to === start) {
        const trail = [at];
        while (trail[0] !== start) trail.unshift(cameFrom.get(trail[0])!);
        return trail;
      }
      if (cameFrom.has(to)) continue;
      cameFrom.set(to, at);
      queue.push(to);
    }
  return undefined;
}

/** The rules that apply to `path` whatever follows it. */
function always(dtab: Dtab, path: Path): readonly number[] {
  return dtab.flatMap((dentry, i) => (covers(dentry.prefix, path) ? [i] : []));
}

function unknownNamers(dtab: Dtab, namerPrefixes: readonly Path[]): readonly DtabWarning[] {
  return dtab.flatMap(({ dst }, i) =>
    targets(dst).flatMap((path): DtabWarning[] => {
      const missing = missingNamer(path, namerPrefixes);
      if (missing === undefined || dtab.some(dentry => mayApply(dentry, path))) return [];
      return [{ kind: 'unknown-namer', dentry: i, message: `${showPath(path)}: ${missing}` }];
    }),
  );
}

function missingNamer(path: Path, namerPrefixes: readonly Path[]): string | undefined {
  if (path[0] === '#' && !namerPrefixes.some(prefix => fits(prefix, path)))
    return `no namer of this namerd has that prefix; there are ${namerPrefixes.map(showPath).join(' ') || 'none'}`;
  if (path[0] === '$' && path.length > 1 && !builtinClasses().includes(path[1])) return 'no such namer is built in';
  return undefined;
}

const mayApply = ({ prefix }: Dentry, path: Path): boolean => fits(prefix, path);

/** Whether `path`, with whatever follows it, may start with `prefix`. */
function fits(prefix: Prefix, path: Path): boolean {
  return prefix.every((label, i) => label === null || i >= path.length || label === path[i]);
}

function targets(tree: NameTree<Path>): readonly Path[] {
  if (tree.type === 'leaf') return [tree.value];
  if (tree.type === 'alt') return tree.trees.flatMap(targets);
  return tree.type === 'union' ? tree.branches.flatMap(branch => targets(branch.tree)) : [];
}
