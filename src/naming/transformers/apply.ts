/** Puts transformers, in the order of the config, behind an interpreter or a namer. */
import { distinctUntilChanged, map, of } from 'rxjs';
import { leaf, mapTree, type NameTree } from '../../dtab/name-tree.ts';
import { ok } from '../../live/activity.ts';
import { flatMapOk } from '../../live/live.ts';
import type { Interpreter } from '../interpreter.ts';
import type { Bind, Transformer } from '../kinds.ts';
import type { Bound, Name, Namer } from '../name.ts';
import { sameBounds } from '../same.ts';

export function transformInterpreter(interpreter: Interpreter, transformers: readonly Transformer[]): Interpreter {
  if (transformers.length === 0) return interpreter;
  return {
    bind: (dtab, path) =>
      transformers
        .reduce(
          (bound, transformer) =>
            bound.pipe(flatMapOk(tree => transformer.transform(tree, to => interpreter.bind(dtab, to)))),
          interpreter.bind(dtab, path),
        )
        .pipe(distinctUntilChanged(sameBounds)),
    delegate: async (dtab, path) => {
      let tree = await interpreter.delegate(dtab, path);
      for (const transformer of transformers)
        tree = await transformer.delegate(tree, to => interpreter.delegate(dtab, to));
      return tree;
    },
    ...(interpreter.state && { state: () => interpreter.state!() }),
    close: () => interpreter.close?.(),
  };
}

/** Names that still go through the dtab pass untouched. @param bind binds without the transformers of any namer */
export function transformNamer(namer: Namer, transformers: readonly Transformer[], bind: Bind): Namer {
  return transformers.reduce(
    (before, transformer) => ({
      lookup: path =>
        before.lookup(path).pipe(
          flatMapOk(tree => {
            const bounds = boundsOnly(tree);
            if (bounds === undefined) return of(ok(tree));
            return transformer
              .transform(bounds, bind)
              .pipe(map(found => (found.state === 'ok' ? ok(mapTree(found.value, asName)) : found)));
          }),
        ),
    }),
    namer,
  );
}

const asName = (bound: Bound): Name => ({ type: 'bound', bound });

/** The same tree when all its names are bound. */
function boundsOnly(tree: NameTree<Name>): NameTree<Bound> | undefined {
  switch (tree.type) {
    case 'leaf':
      return tree.value.type === 'bound' ? leaf(tree.value.bound) : undefined;
    case 'alt': {
      const trees = tree.trees.map(boundsOnly);
      return trees.every(child => child !== undefined) ? { type: 'alt', trees } : undefined;
    }
    case 'union': {
      const branches = tree.branches.flatMap(({ weight, tree: child }) => {
        const bounds = boundsOnly(child);
        return bounds === undefined ? [] : [{ weight, tree: bounds }];
      });
      return branches.length === tree.branches.length ? { type: 'union', branches } : undefined;
    }
    default:
      return tree;
  }
}
