/** Which part of the traffic goes where: `/cluster/a=90 /cluster/b=10`, or `a=90 b=10` beside the present destinations. */
import { leaf, type NameTree } from '../dtab/name-tree.ts';
import { parsePath } from '../dtab/parse.ts';
import { type Path, samePath } from '../dtab/path.ts';
import { showPath } from '../dtab/show.ts';
import { LinkerdTcpError, reasonOf } from '../errors.ts';
import { placesOf } from './bare-names.ts';
import { percentsOf } from './percents.ts';

/** As it was given, with one label instead of a path where it is a bare name. */
export interface AskedShare {
  readonly target: { readonly path: Path } | { readonly name: string };
  readonly weight: number;
}

export interface Share {
  readonly path: Path;
  readonly weight: number;
}

/** @throws LinkerdTcpError USAGE_INVALID */
export function parseShares(words: readonly string[]): readonly AskedShare[] {
  const shares = words.map(parseShare);
  const weights = shares.map(({ weight }) => weight);
  if (weights.every(weight => weight === 0)) return wrong('every weight is 0');
  // 33% three times is what people write.
  const percents = weights.reduce((total, weight) => total + weight, 0);
  if (words.some(word => word.endsWith('%')) && Math.abs(percents - 100) > 1)
    return wrong(
      `the shares are ${Number(percents.toPrecision(4))}% together; weights without % are parts of their sum`,
    );
  if (shares.length === 1 && weights[0] !== 100)
    return wrong(`${words[0]}: a single share gets all traffic; write 100 for that, or say where the rest goes`);
  return shares;
}

function parseShare(word: string): AskedShare {
  // Neither paths nor names have a `=`.
  const [, target, weight] = /^(.*)=(\d+\.?\d*|\.\d+)%?$/s.exec(word) ?? [];
  if (target === undefined)
    return wrong(
      `${word}: expected a path and its weight, like /cluster/a=90, or a name beside the present one, like a=90`,
    );
  const number = Number(weight);
  if (!Number.isFinite(number)) return wrong(`${word}: the weight is too large`);
  return { target: parseTarget(word, target), weight: number };
}

function parseTarget(word: string, text: string): AskedShare['target'] {
  const isPath = /^\s*\//.test(text);
  let path: Path;
  try {
    path = parsePath(isPath ? text : `/${text}`);
  } catch (error) {
    return wrong(`${word}: ${isPath ? reasonOf(error) : `${JSON.stringify(text)} is neither a path nor a name`}`);
  }
  if (isPath) return { path };
  if (path.length === 0) return wrong(`${word}: there is no name`);
  if (path.length !== 1) return wrong(`${word}: a bare name has one part; a path begins with a slash, like /${word}`);
  return { name: path[0] };
}

function wrong(reason: string): never {
  throw new LinkerdTcpError('USAGE_INVALID', { reason });
}

/**
 * @param dst what the dentry says now
 * @throws LinkerdTcpError USAGE_INVALID where two of them are the same path, SPLIT_IMPOSSIBLE where a bare name may mean several things
 */
export function placeShares(asked: readonly AskedShare[], dst: string, namespace: string): readonly Share[] {
  const places = placesOf(
    asked.flatMap(({ target }) => ('name' in target ? target.name : [])),
    dst,
    namespace,
  );
  const shares = asked.map(({ target, weight }) => ({
    path: 'path' in target ? target.path : places.get(target.name)!,
    weight,
  }));
  const twice = shares.find(({ path }, i) => shares.findIndex(other => samePath(other.path, path)) !== i);
  return twice === undefined ? shares : wrong(`${showPath(twice.path)} is given twice`);
}

/** One that gets everything needs no weight. */
export function treeOf(shares: readonly Share[]): NameTree<Path> {
  if (shares.length === 1) return leaf(shares[0].path);
  return { type: 'union', branches: shares.map(({ path, weight }) => ({ weight, tree: leaf(path) })) };
}

/** `90% /cluster/a, 10% /cluster/b` */
export function showShares(shares: readonly Share[]): string {
  const percents = percentsOf(shares.map(({ weight }) => weight));
  return shares.map(({ path }, i) => `${percents[i]} ${showPath(path)}`).join(', ');
}
