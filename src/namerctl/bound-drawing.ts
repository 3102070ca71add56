/** A bound tree as a drawing: what a name is bound to, with addresses. */
import type { NameTree } from '../dtab/name-tree.ts';
import { showPath } from '../dtab/show.ts';
import type { Bound } from '../naming/name.ts';
import { addressText, snapshotOf } from './address-text.ts';
import { percentsOf } from './percents.ts';
import { drawTree, type Twig } from './tree-drawing.ts';

/** @param name above the tree */
export const drawBound = (name: string, tree: NameTree<Bound>): string =>
  drawTree({ text: name, twigs: [twigOf(tree, '')] });

function twigOf(tree: NameTree<Bound>, share: string): Twig {
  const text = (words: string) => share + words;
  switch (tree.type) {
    case 'leaf': {
      const { id, residual, addr } = tree.value;
      const rest = residual.length === 0 ? '' : ` + ${showPath(residual)}`;
      return { text: text(`${showPath(id)}${rest}  ${addressText(snapshotOf(addr))}`), twigs: [] };
    }
    case 'alt':
      return { text: text('the first of'), twigs: tree.trees.map(child => twigOf(child, '')) };
    case 'union': {
      const percents = percentsOf(tree.branches.map(({ weight }) => weight));
      return {
        text: text('divided among'),
        twigs: tree.branches.map((branch, i) => twigOf(branch.tree, `${percents[i]}  `)),
      };
    }
    case 'neg':
      return { text: text('~ (nothing)'), twigs: [] };
    case 'fail':
      return { text: text('! (fail)'), twigs: [] };
    case 'empty':
      return { text: text('$ (empty)'), twigs: [] };
  }
}
