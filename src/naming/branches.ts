/** A bound tree and the addresses of its leaves, flattened to what a proxy balances over: weighted branches of endpoints. */
import { simplify } from '../dtab/evaluate.ts';
import type { NameTree } from '../dtab/name-tree.ts';
import type { Path } from '../dtab/path.ts';
import { type Address, type Meta, weightKey } from './addr.ts';
import type { Bound } from './name.ts';

export interface Branch {
  /** Share of the connections: over all branches these sum to 1. */
  readonly weight: number;
  /** Empty, as is `residual`, for the share of an explicit `$`. */
  readonly id: Path;
  readonly residual: Path;
  readonly addresses: readonly Endpoint[];
}

export interface Endpoint {
  readonly ip: string;
  readonly port: number;
  /** Relative to the other endpoints of its branch. */
  readonly weight: number;
  readonly meta: Meta;
}

/**
 * Nested unions multiply their shares. A leaf for which `endpointsOf` answers `undefined` is left out and its share goes to its
 * siblings; a leaf without endpoints, and an Empty, keep theirs. A name that occurs twice is one branch.
 */
export function branchesOf(
  tree: NameTree<Bound>,
  endpointsOf: (bound: Bound) => readonly Endpoint[] | undefined,
): readonly Branch[] {
  const branches = new Map<string, Branch>();
  const add = (branch: Branch) => {
    const key = nameKey(branch);
    branches.set(key, { ...branch, weight: branch.weight + (branches.get(key)?.weight ?? 0) });
  };

  const visit = (at: NameTree<Bound>, weight: number): void => {
    switch (at.type) {
      case 'leaf':
        add({ weight, id: at.value.id, residual: at.value.residual, addresses: endpointsOf(at.value) ?? [] });
        break;
      case 'empty':
        add({ weight, id: [], residual: [], addresses: [] });
        break;
      case 'alt':
        visit(at.trees[0], weight);
        break;
      case 'union': {
        const shares = sharesOf(at.branches.map(branch => branch.weight));
        for (const [i, branch] of at.branches.entries()) visit(branch.tree, weight * shares[i]);
        break;
      }
      default:
    }
  };
  visit(simplify(without(tree, bound => endpointsOf(bound) === undefined)), 1);
  return [...branches.values()];
}

/** Weights that sum to 1; equal ones where all are zero. */
function sharesOf(weights: readonly number[]): readonly number[] {
  const largest = weights.reduce((most, weight) => Math.max(most, weight), 0);
  if (!(largest > 0)) return weights.map(() => 1 / weights.length);
  // By way of the largest: the sum of weights may be too large for a number.
  const sum = weights.reduce((total, weight) => total + weight / largest, 0);
  return weights.map(weight => weight / largest / sum);
}

/** Unknown leaves of a Union become Neg, which `simplify` takes out. */
function without(tree: NameTree<Bound>, isLeftOut: (bound: Bound) => boolean): NameTree<Bound> {
  if (tree.type === 'leaf') return isLeftOut(tree.value) ? { type: 'neg' } : tree;
  if (tree.type === 'alt') return { type: 'alt', trees: tree.trees.map(child => without(child, isLeftOut)) };
  if (tree.type !== 'union') return tree;
  const branches = tree.branches.map(({ weight, tree: child }) => ({ weight, tree: without(child, isLeftOut) }));
  return { type: 'union', branches };
}

/** Names are the same when their keys are. */
export function nameKey({ id, residual }: Pick<Bound, 'id' | 'residual'>): string {
  return JSON.stringify([id, residual]);
}

/**
 * One endpoint for each ip and port, the last one given, in an order that does not depend on the order given.
 *
 * @param refused called with each weight that is not a finite number >= 0; the endpoint then weighs 1
 */
export function endpointsOf(addresses: readonly Address[], refused: (weight: unknown) => void): readonly Endpoint[] {
  const endpoints = new Map<string, Endpoint>();
  for (const { ip, port, meta } of addresses)
    endpoints.set(`${ip} ${port}`, { ip, port, meta, weight: weightOf(meta[weightKey], refused) });
  return [...endpoints.values()].sort((a, b) => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : a.port - b.port));
}

function weightOf(given: unknown, refused: (weight: unknown) => void): number {
  if (given === undefined) return 1;
  const weight = typeof given === 'string' && given.trim() !== '' ? Number(given) : given;
  if (typeof weight === 'number' && Number.isFinite(weight) && weight >= 0) return weight;
  refused(given);
  return 1;
}
