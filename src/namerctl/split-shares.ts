/** Which part of the traffic goes where: `/cluster/a=90 /cluster/b=10`. */
import { leaf, type NameTree } from '../dtab/name-tree.ts';
import { parsePath } from '../dtab/parse.ts';
import type { Path } from '../dtab/path.ts';
import { showPath } from '../dtab/show.ts';
import { LinkerdTcpError, reasonOf } from '../errors.ts';

export interface Share {
  readonly path: Path;
  readonly weight: number;
}

/** @throws LinkerdTcpError USAGE_INVALID */
export function parseShares(words: readonly string[]): readonly Share[] {
  const shares = words.map(parseShare);
  const shown = shares.map(({ path }) => showPath(path));
  const twice = shown.find((path, i) => shown.indexOf(path) !== i);
  if (twice !== undefined) return wrong(`${twice} is given twice`);
  if (shares.every(({ weight }) => weight === 0)) return wrong('every weight is 0');
  return shares;
}

function parseShare(word: string): Share {
  // A path has no `=`.
  const [, path, weight] = /^(.*)=(\d+\.?\d*|\.\d+)%?$/s.exec(word) ?? [];
  if (path === undefined) return wrong(`${word}: expected a path and its weight, like /cluster/a=90`);
  const number = Number(weight);
  if (!Number.isFinite(number)) return wrong(`${word}: the weight is too large`);
  try {
    return { path: parsePath(path), weight: number };
  } catch (error) {
    return wrong(`${word}: ${reasonOf(error)}`);
  }
}

function wrong(reason: string): never {
  throw new LinkerdTcpError('USAGE_INVALID', { reason });
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

/** Each weight as a part of their sum, with four digits. */
export function percentsOf(weights: readonly number[]): readonly string[] {
  // Divided first: the sum of large weights may be infinite.
  const largest = Math.max(...weights, Number.MIN_VALUE);
  const sum = weights.reduce((total, weight) => total + weight / largest, 0);
  return weights.map(weight => `${Number(((100 * (weight / largest)) / (sum || 1)).toPrecision(4))}%`);
}
