/**
 * What is questionable about a dtab that is correct: rules that never apply, rules that lead back to themselves, namers that
 * do not exist. Only what is certain is said, whatever the names will be; in time that grows with the dtab, not its square.
 */

import type { Dtab, Prefix } from '../../dtab/dtab.ts';
import { simplify } from '../../dtab/evaluate.ts';
import { leavesOf, type NameTree } from '../../dtab/name-tree.ts';
import type { Path } from '../../dtab/path.ts';
import { PrefixIndex, type SamePrefix } from '../../dtab/prefix-index.ts';
import { showDentry, showPath } from '../../dtab/show.ts';
import { builtinClasses } from '../../naming/builtin/builtin.ts';

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
  const finals = new PrefixIndex();
  for (const [i, { prefix, dst }] of dtab.entries()) if (isFinal(simplify(dst))) finals.add(prefix, i);
  return dtab.flatMap(({ prefix }, i): DtabWarning[] => {
    const last = finals.covering(prefix).reduce((latest, { rules }) => Math.max(latest, rules.at(-1)!), -1);
    if (last <= i) return [];
    const message = `never applies: ${showDentry(dtab[last])} comes later and takes every name it could`;
    return [{ kind: 'shadowed', dentry: i, message }];
  });
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

/** Rules that, once one of them applies, always lead to the next, and back. Rounds that cross are told one at a time. */
function loops(dtab: Dtab): readonly DtabWarning[] {
  const next = nextInLoop(dtab);
  const walkOf = new Map<number, number>();
  return dtab.flatMap((_, start): DtabWarning[] => {
    let at: number | undefined = start;
    for (; at !== undefined && !walkOf.has(at); at = next(at)) walkOf.set(at, start);
    if (at === undefined || walkOf.get(at) !== start) return [];
    const round = roundFrom(at, next);
    const shown = round.map(i => showDentry(dtab[i])).join(' → ');
    return [{ kind: 'loop', dentry: round[0], message: `leads back to itself: ${shown}` }];
  });
}

/** Which rule follows on one that leads to a loop, and does so itself; undefined for those that come to an end. */
function nextInLoop(dtab: Dtab): (rule: number) => number | undefined {
  const index = new PrefixIndex();
  const own = dtab.map(({ prefix }, i) => index.add(prefix, i));
  const following = dtab.map(({ dst }) => new Set(leavesOf(dst).flatMap(path => index.covering(path))));
  const leadingTo = new Map<SamePrefix, number[]>();
  for (const [i, groups] of following.entries())
    for (const group of groups) {
      const rules = leadingTo.get(group) ?? [];
      leadingTo.set(group, rules);
      rules.push(i);
    }
  // What leads nowhere is taken out, then what only led there, and so on; the rest leads to loops.
  const left = new Map([...leadingTo.keys()].map(group => [group, new Set(group.rules)]));
  const ends = dtab.flatMap((_, i) => (following[i].size === 0 ? [i] : []));
  for (const rule of ends) {
    const siblings = left.get(own[rule]);
    siblings?.delete(rule);
    if (siblings?.size !== 0) continue;
    for (const before of leadingTo.get(own[rule])!) {
      following[before].delete(own[rule]);
      if (following[before].size === 0) ends.push(before);
    }
  }
  return rule => {
    if (following[rule].has(own[rule])) return rule;
    const [group] = following[rule];
    return group && left.get(group)!.values().next().value;
  };
}

/** From the first rule of the round that `rule` is in. */
function roundFrom(rule: number, next: (rule: number) => number | undefined): readonly number[] {
  const round = [rule];
  for (let at = next(rule)!; at !== rule; at = next(at)!) round.push(at);
  const first = round.indexOf(Math.min(...round));
  return [...round.slice(first), ...round.slice(0, first)];
}

function unknownNamers(dtab: Dtab, namerPrefixes: readonly Path[]): readonly DtabWarning[] {
  const rules = new PrefixIndex();
  for (const [i, { prefix }] of dtab.entries()) rules.add(prefix, i);
  return dtab.flatMap(({ dst }, i) =>
    leavesOf(dst).flatMap((path): DtabWarning[] => {
      const missing = missingNamer(path, namerPrefixes);
      if (missing === undefined || rules.mayMatch(path)) return [];
      return [{ kind: 'unknown-namer', dentry: i, message: `${showPath(path)}: ${missing}` }];
    }),
  );
}

function missingNamer(path: Path, namerPrefixes: readonly Path[]): string | undefined {
  if (path[0] === '#' && !namerPrefixes.some(prefix => fits(prefix, path)))
    return `no namer has that prefix; there are ${namerPrefixes.map(showPath).join(' ') || 'none'}`;
  if (path[0] === '$' && path.length > 1 && !builtinClasses().includes(path[1])) return 'no such namer is built in';
  return undefined;
}

/** Whether `path`, with whatever follows it, may start with `prefix`. */
function fits(prefix: Prefix, path: Path): boolean {
  return prefix.every((label, i) => label === null || i >= path.length || label === path[i]);
}
