/** Transformers that put another name in place of what was bound: `io.l5d.const` always, `io.l5d.replace` where there was something. */
import { map, of } from 'rxjs';
import { z } from 'zod';
import { simplify } from '../../dtab/evaluate.ts';
import { flatMapTree, mapTree, type NameTree } from '../../dtab/name-tree.ts';
import { parsePath } from '../../dtab/parse.ts';
import type { Path } from '../../dtab/path.ts';
import { showPath } from '../../dtab/show.ts';
import { ok } from '../../live/activity.ts';
import type { Delegation } from '../delegation.ts';
import { type Bind, defineTransformer, pathText } from '../kinds.ts';
import type { Bound } from '../name.ts';
import { replaceLeaves } from './delegation.ts';

const config = z.strictObject({
  path: pathText().meta({ description: 'the name that is bound instead, e.g. `/$/inet/127.0.0.1/4140`' }),
});

export const constTransformer = defineTransformer({
  kind: 'io.l5d.const',
  config,
  create: ({ path: text }, context) => {
    const path = parsePath(text);
    const prefix = [...context.prefix, ...path];
    return {
      prefix,
      transform: (_tree, bind) => bindAs(prefix, bind, path),
      delegate: async ({ path: asked, dentry }, explain) => ({
        type: 'delegate',
        path: asked,
        dentry,
        delegate: explainedAs(prefix, await explain(path)),
      }),
    };
  },
});

export const replaceTransformer = defineTransformer({
  kind: 'io.l5d.replace',
  config,
  create: ({ path: text }, context) => {
    const path = parsePath(text);
    const prefix = [...context.prefix, ...path];
    return {
      prefix,
      transform: (tree, bind) =>
        hasLeaf(tree)
          ? bindAs(prefix, bind, path).pipe(
              map(found => (found.state === 'ok' ? ok(simplify(flatMapTree(tree, () => found.value))) : found)),
            )
          : of(ok(tree)),
      delegate: async (tree, explain) => {
        const replacement = explainedAs(prefix, await explain(path));
        return replaceLeaves(tree, leaf => ({
          type: 'transformation',
          path: leaf.path,
          dentry: leaf.dentry,
          name: showPath(prefix),
          bound: leaf.bound,
          tree: replacement,
        }));
      },
    };
  },
});

const under = (prefix: Path, bound: Bound): Bound => ({ ...bound, id: [...prefix, ...bound.id] });

function bindAs(prefix: Path, bind: Bind, path: Path): ReturnType<Bind> {
  return bind(path).pipe(
    map(found => (found.state === 'ok' ? ok(mapTree(found.value, bound => under(prefix, bound))) : found)),
  );
}

function explainedAs(prefix: Path, tree: Delegation): Delegation {
  return replaceLeaves(tree, leaf => ({ ...leaf, bound: under(prefix, leaf.bound) }));
}

function hasLeaf(tree: NameTree<Bound>): boolean {
  if (tree.type === 'alt') return tree.trees.some(hasLeaf);
  return tree.type === 'union' ? tree.branches.some(branch => hasLeaf(branch.tree)) : tree.type === 'leaf';
}
