/**
 * The path that a bare name means in a split, so that `a=90 b=10` never sends traffic to an unintended place.
 *
 *   the rule now           | a name stands for
 *   -----------------------+------------------------------------------------------------------------------------------
 *   /srv/a                 | the sibling, /srv/<name>
 *   /srv/a & /srv/b        | the sibling, because all have the same parent
 *   /dc1/a & /dc2/b        | one of the present destinations, by its last part
 *   /a                     | /<name>, but only where one of the names is a present destination: `/svc => /cluster` with a
 *                          | and b would rather have meant /cluster/a; the same below /#, where namers are
 *   anything else          | nothing: alternatives would be lost, the end of /$/inet/127.1/80 is an argument
 */
import type { NameTree } from '../dtab/name-tree.ts';
import { parseTree } from '../dtab/parse.ts';
import { type Path, samePath } from '../dtab/path.ts';
import { showPath } from '../dtab/show.ts';
import { LinkerdTcpError } from '../errors.ts';

/**
 * @param dst the rule now
 * @throws LinkerdTcpError SPLIT_IMPOSSIBLE where one of them may mean several things
 */
export function placesOf(names: readonly string[], dst: string, namespace: string): ReadonlyMap<string, Path> {
  if (names.length === 0) return new Map();
  const unclear = (name: string, why: string): never => {
    const reason = `cannot tell which path ${showPath([name]).slice(1)} refers to: the rule is now ${dst}, ${why}; give full paths, like /cluster/a=90`;
    throw new LinkerdTcpError('SPLIT_IMPOSSIBLE', { namespace, reason });
  };
  const [first] = names;
  const present = plainPaths(dst) ?? unclear(first, 'more than paths with weights');
  if (present.some(path => path.length === 0 || path[0] === '$')) unclear(first, 'where the last part is no name');
  const [parent, ...others] = present.map(path => path.slice(0, -1));
  if (others.some(other => !samePath(other, parent)))
    return new Map(
      names.map(name => [
        name,
        onlyOne(present.filter(path => path.at(-1) === name)) ?? unclear(name, 'destinations with different parents'),
      ]),
    );
  const isAmongTops = parent.length === 0 || (parent.length === 1 && /^[#%]$/.test(parent[0]));
  if (isAmongTops && !names.some(name => present.some(path => path.at(-1) === name)))
    unclear(first, 'which is none of your names');
  return new Map(names.map(name => [name, [...parent, name]]));
}

/** The destinations of a path, or of a union of paths; undefined for any other rule. */
function plainPaths(dst: string): readonly Path[] | undefined {
  const tree = readTree(dst);
  if (tree?.type === 'leaf') return [tree.value];
  if (tree?.type !== 'union') return undefined;
  const paths = tree.branches.flatMap(branch => (branch.tree.type === 'leaf' ? [branch.tree.value] : []));
  return paths.length === tree.branches.length ? paths : undefined;
}

function readTree(dst: string): NameTree<Path> | undefined {
  try {
    return parseTree(dst);
  } catch {
    // The server stores a rule that this parser does not understand, so bare names mean nothing in it.
    return undefined;
  }
}

const onlyOne = ([first, ...more]: readonly Path[]): Path | undefined =>
  more.every(path => samePath(path, first)) ? first : undefined;
