/** Delegation tables: ordered rewriting rules. The last matching rule wins. */
import { simplify } from './evaluate.ts';
import { mapTree, type NameTree, neg, sameTree } from './name-tree.ts';
import { type Path, samePath } from './path.ts';
import { type Prefix, PrefixIndex } from './prefix-index.ts';

export type { Prefix } from './prefix-index.ts';

export interface Dentry {
  readonly prefix: Prefix;
  readonly dst: NameTree<Path>;
}

export type Dtab = readonly Dentry[];

/** Label by label, byte by byte: `/s` matches `/s/x`, not `/s#/x`; the empty prefix matches everything. */
export function matches(prefix: Prefix, path: Path): boolean {
  // A plain loop: every lookup runs this once per rule.
  for (let i = 0; i < prefix.length; i++) {
    if (i >= path.length) return false;
    const label = prefix[i];
    if (label !== null && label !== path[i]) return false;
  }
  return true;
}

/** Replaces the prefix of a path that `dentry` matches with its destination; the rest of the path is appended. */
export function rewrite({ prefix, dst }: Dentry, path: Path): NameTree<Path> {
  const rest = path.slice(prefix.length);
  return rest.length === 0 ? dst : mapTree(dst, to => [...to, ...rest]);
}

/** The rules that match `path`, the winning rule first. Only the order of the rules counts, not how specific a prefix is. */
export function matching(dtab: Dtab, path: Path): readonly Dentry[] {
  const index = indexOf(dtab);
  if (index === undefined) return dtab.filter(({ prefix }) => matches(prefix, path)).reverse();
  const rules = index.covering(path).flatMap(group => group.rules);
  return rules.sort((a, b) => b - a).map(rule => dtab[rule]);
}

/** Building an index takes longer than scanning a table this many times. */
const lookupsPerIndex = 20;
/** Shorter tables are scanned. */
const shortest = 50;
const indexes = new WeakMap<Dtab, { lookups: number; index?: PrefixIndex }>();

/** An index for large tables, built after several lookups: binding one name may take thousands of them. */
function indexOf(dtab: Dtab): PrefixIndex | undefined {
  if (dtab.length < shortest) return undefined;
  const known = indexes.get(dtab) ?? { lookups: 0 };
  indexes.set(dtab, known);
  if (known.index === undefined && ++known.lookups > lookupsPerIndex) {
    known.index = new PrefixIndex();
    for (const [i, { prefix }] of dtab.entries()) known.index.add(prefix, i);
  }
  return known.index;
}

/** One rewriting step: Neg if no rule matches, an Alt if several do. */
export function lookup(dtab: Dtab, path: Path): NameTree<Path> {
  const trees = matching(dtab, path).map(dentry => rewrite(dentry, path));
  if (trees.length > 1) return { type: 'alt', trees };
  return trees.length === 1 ? trees[0] : neg;
}

/** `b` comes last, so its rules win over those of `a`. */
export function concat(a: Dtab, b: Dtab): Dtab {
  if (b.length === 0) return a;
  return a.length === 0 ? b : [...a, ...b];
}

/** The same rules with simplified destinations, without those whose destination is Neg. */
export function simplified(dtab: Dtab): Dtab {
  return dtab.map(({ prefix, dst }) => ({ prefix, dst: simplify(dst) })).filter(({ dst }) => dst.type !== 'neg');
}

/** `dtab` without its first rules if they equal `first`; otherwise unchanged. */
export function stripPrefix(dtab: Dtab, first: Dtab): Dtab {
  const starts = first.length <= dtab.length && first.every((dentry, i) => sameDentry(dentry, dtab[i]));
  return starts ? dtab.slice(first.length) : dtab;
}

export function sameDentry(a: Dentry, b: Dentry): boolean {
  return (
    a.prefix.length === b.prefix.length &&
    a.prefix.every((label, i) => label === b.prefix[i]) &&
    sameTree(a.dst, b.dst, samePath)
  );
}

export function sameDtab(a: Dtab, b: Dtab): boolean {
  return a.length === b.length && a.every((dentry, i) => sameDentry(dentry, b[i]));
}
