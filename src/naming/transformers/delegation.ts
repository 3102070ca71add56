/** Changes the leaves of a delegation tree and nothing else. */
import type { Delegation } from '../delegation.ts';

export type DelegationLeaf = Extract<Delegation, { type: 'leaf' }>;

export function replaceLeaves(tree: Delegation, change: (leaf: DelegationLeaf) => Delegation): Delegation {
  const inside = (child: Delegation) => replaceLeaves(child, change);
  switch (tree.type) {
    case 'leaf':
      return change(tree);
    case 'delegate':
      return { ...tree, delegate: inside(tree.delegate) };
    case 'alt':
      return { ...tree, alt: tree.alt.map(inside) };
    case 'union':
      return { ...tree, union: tree.union.map(({ weight, tree: child }) => ({ weight, tree: inside(child) })) };
    case 'transformation':
      return { ...tree, tree: inside(tree.tree) };
    default:
      return tree;
  }
}
