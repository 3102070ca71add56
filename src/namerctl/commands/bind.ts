/** `bind`: what a name is bound to just now: the tree of concrete names, with their addresses. */
import { of } from 'rxjs';
import type { NameTree } from '../../dtab/name-tree.ts';
import { LinkerdTcpError } from '../../errors.ts';
import { decodeBoundTree } from '../../naming/json/bound-tree.ts';
import { askName, nameFlags, pathArgument, understood } from '../asked-name.ts';
import { drawBound } from '../bound-drawing.ts';
import type { CommandSpec } from '../command-spec.ts';
import { exitCodes } from '../exit-codes.ts';
import { jsonLine } from '../layout.ts';

export const bind: CommandSpec = {
  name: 'bind',
  summary: 'show what a name is bound to, with weights and addresses',
  about: 'The tree that a proxy receives. The exit code is 1 if the name is bound to nothing.',
  args: [pathArgument],
  flags: nameFlags,
  examples: [
    ['bind /svc/web', 'in the namespace default'],
    ['bind /svc/web -n staging --json', 'the tree as namerd sends it'],
  ],
  isOfDtab: false,
  async run(session, [word], flags) {
    const { namespace, path, json } = await askName(session, 'bind', word, flags);
    const tree = understood(session, 'bind', () => decodeBoundTree(json, (_id, snapshot) => of(snapshot)));
    if (session.isJson) {
      session.print(jsonLine(json));
      return hasLeaf(tree) ? undefined : exitCodes.refused.code;
    }
    if (!hasLeaf(tree))
      throw new LinkerdTcpError('NAME_UNBOUND', { namespace, path, reason: 'it is bound to nothing' });
    session.print(drawBound(path, tree));
    return undefined;
  },
};

function hasLeaf(tree: NameTree<unknown>): boolean {
  if (tree.type === 'alt') return tree.trees.some(hasLeaf);
  return tree.type === 'union' ? tree.branches.some(branch => hasLeaf(branch.tree)) : tree.type === 'leaf';
}
