/** The right side of a rule as shares of traffic, which is what an operator has typed and thinks in. */
import type { NameTree } from '../dtab/name-tree.ts';
import { parseTree } from '../dtab/parse.ts';
import type { Path } from '../dtab/path.ts';
import { showPath } from '../dtab/show.ts';
import { percentsOf } from './percents.ts';
import type { Share } from './split-shares.ts';

/** `90% /a, 10% /b`; a rule that is more than paths with weights as it is. */
export function shareText(dst: string): string {
  const shares = sharesIn(dst);
  if (shares === undefined || shares.size < 2) return dst;
  return [...shares].map(([path, share]) => `${share} ${path}`).join(', ');
}

/** Shares of the paths of a rule; undefined for a rule that is more than that. */
export function sharesIn(dst: string): ReadonlyMap<string, string> | undefined {
  const branches = branchesOf(dst);
  if (branches === undefined) return undefined;
  const percents = percentsOf(branches.map(({ weight }) => weight));
  return new Map(branches.map(({ path }, i) => [showPath(path), percents[i]]));
}

function branchesOf(dst: string): readonly Share[] | undefined {
  const tree = treeIn(dst);
  if (tree?.type === 'leaf') return [{ path: tree.value, weight: 1 }];
  if (tree?.type !== 'union') return undefined;
  const shares = tree.branches.flatMap(({ weight, tree: branch }) =>
    branch.type === 'leaf' ? [{ path: branch.value, weight }] : [],
  );
  return shares.length === tree.branches.length ? shares : undefined;
}

function treeIn(dst: string): NameTree<Path> | undefined {
  try {
    return parseTree(dst);
  } catch {
    return undefined;
  }
}
