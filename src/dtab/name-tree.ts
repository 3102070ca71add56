/**
 * Name trees: the meaning of a name. Alternatives are tried in order; unions split connections by weight.
 *
 * Source: Finagle `NameTree` (Linkerd 1.x), restated.
 */
export type NameTree<T> =
  | { readonly type: 'leaf'; readonly value: T }
  | { readonly type: 'alt'; readonly trees: readonly NameTree<T>[] }
  | { readonly type: 'union'; readonly branches: readonly Weighted<T>[] }
  | { readonly type: 'neg' }
  | { readonly type: 'empty' }
  | { readonly type: 'fail' };

export interface Weighted<T> {
  /** Finite, not negative. The share of a branch is its weight divided by the sum of all weights. */
  readonly weight: number;
  readonly tree: NameTree<T>;
}

export const neg: NameTree<never> = { type: 'neg' };
export const empty: NameTree<never> = { type: 'empty' };
export const fail: NameTree<never> = { type: 'fail' };

export const leaf = <T>(value: T): NameTree<T> => ({ type: 'leaf', value });
export const alt = <T>(...trees: readonly NameTree<T>[]): NameTree<T> => ({ type: 'alt', trees });
export const union = <T>(...branches: readonly Weighted<T>[]): NameTree<T> => ({ type: 'union', branches });

export function mapTree<T, U>(tree: NameTree<T>, change: (value: T) => U): NameTree<U> {
  return flatMapTree(tree, value => leaf(change(value)));
}

/** Replaces every leaf with a tree. */
export function flatMapTree<T, U>(tree: NameTree<T>, change: (value: T) => NameTree<U>): NameTree<U> {
  switch (tree.type) {
    case 'leaf':
      return change(tree.value);
    case 'alt':
      return { type: 'alt', trees: tree.trees.map(child => flatMapTree(child, change)) };
    case 'union':
      return {
        type: 'union',
        branches: tree.branches.map(branch => ({ weight: branch.weight, tree: flatMapTree(branch.tree, change) })),
      };
    default:
      return tree;
  }
}

/** The values of all leaves, in their order. */
export function leavesOf<T>(tree: NameTree<T>): readonly T[] {
  if (tree.type === 'leaf') return [tree.value];
  if (tree.type === 'alt') return tree.trees.flatMap(leavesOf);
  return tree.type === 'union' ? tree.branches.flatMap(branch => leavesOf(branch.tree)) : [];
}

/** Number of nodes. */
export function sizeOf(tree: NameTree<unknown>): number {
  if (tree.type === 'alt') return tree.trees.reduce((sum, child) => sum + sizeOf(child), 1);
  return tree.type === 'union' ? tree.branches.reduce((sum, branch) => sum + sizeOf(branch.tree), 1) : 1;
}

/** Same shape, same weights, and leaves that are equal by `same`. */
export function sameTree<T>(a: NameTree<T>, b: NameTree<T>, same: (a: T, b: T) => boolean): boolean {
  if (a.type === 'leaf') return b.type === 'leaf' && same(a.value, b.value);
  if (a.type === 'alt')
    return (
      b.type === 'alt' &&
      a.trees.length === b.trees.length &&
      a.trees.every((child, i) => sameTree(child, b.trees[i], same))
    );
  if (a.type === 'union')
    return (
      b.type === 'union' &&
      a.branches.length === b.branches.length &&
      a.branches.every((x, i) => x.weight === b.branches[i].weight && sameTree(x.tree, b.branches[i].tree, same))
    );
  return a.type === b.type;
}
