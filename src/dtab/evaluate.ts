/** Simplifies and evaluates name trees. Source: Finagle `NameTree.simplify` and `NameTree.eval`, restated. */
import { empty, fail, type NameTree, neg, type Weighted } from './name-tree.ts';

/**
 * The smallest equivalent tree. Weights are never changed, only dropped with a Union of one branch. Idempotent.
 */
export function simplify<T>(tree: NameTree<T>): NameTree<T> {
  switch (tree.type) {
    case 'alt':
      return simplifyAlt(tree.trees);
    case 'union':
      return simplifyUnion(tree.branches);
    default:
      return tree;
  }
}

function simplifyAlt<T>(trees: readonly NameTree<T>[]): NameTree<T> {
  const kept: NameTree<T>[] = [];
  for (const child of trees) {
    const simple = simplify(child);
    if (simple.type !== 'neg') kept.push(simple);
    // Alternatives after a Fail are never tried.
    if (simple.type === 'fail') break;
  }
  if (kept.length > 1) return { type: 'alt', trees: kept };
  return kept.length === 1 ? kept[0] : neg;
}

function simplifyUnion<T>(branches: readonly Weighted<T>[]): NameTree<T> {
  // A Union of one equals its branch, even a failing one. Among several, failing branches are removed.
  if (branches.length === 1) return simplify(branches[0].tree);
  const kept = branches
    .map(({ weight, tree }) => ({ weight, tree: simplify(tree) }))
    .filter(({ tree }) => tree.type !== 'neg' && tree.type !== 'fail');
  if (kept.length > 1) return { type: 'union', branches: kept };
  return kept.length === 1 ? kept[0].tree : neg;
}

/**
 * The distinct leaves of a tree, without weights. `undefined` for Neg and Fail, as opposed to no leaves for Empty.
 *
 * @param key identifies equal leaves; by default a leaf equals only itself.
 */
export function evaluate<T>(tree: NameTree<T>, key: (value: T) => unknown = value => value): readonly T[] | undefined {
  const reduced = reduce(tree, key);
  return reduced.type === 'leaf' ? [...reduced.value.values()] : reduced.type === 'empty' ? [] : undefined;
}

function reduce<T>(tree: NameTree<T>, key: (value: T) => unknown): NameTree<Map<unknown, T>> {
  switch (tree.type) {
    case 'leaf':
      return { type: 'leaf', value: new Map([[key(tree.value), tree.value]]) };
    case 'alt':
      for (const child of tree.trees) {
        const reduced = reduce(child, key);
        if (reduced.type !== 'neg') return reduced;
      }
      return neg;
    case 'union': {
      if (tree.branches.length === 1) return reduce(tree.branches[0].tree, key);
      const kept = tree.branches
        .map(branch => reduce(branch.tree, key))
        .filter(({ type }) => type !== 'neg' && type !== 'fail');
      if (kept.length === 0) return neg;
      const all = new Map(kept.flatMap(child => (child.type === 'leaf' ? [...child.value] : [])));
      return all.size === 0 ? empty : { type: 'leaf', value: all };
    }
    case 'neg':
      return neg;
    case 'empty':
      return empty;
    case 'fail':
      return fail;
  }
}
