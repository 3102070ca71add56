/** How the idle connections of a destination are divided among its endpoints. */
import { usableWeights } from '../balancer/weighted-draw.ts';
import type { Branch, Endpoint } from './route.ts';

/** How many of `share` idle connections each endpoint may have, by its chance to be drawn: rounded up, and 0 for a weight of 0. */
export function quotas(branches: readonly Branch[], share: number): Map<string, number> {
  const exact = new Map<string, number>();
  if (share === 0) return exact;
  const ofBranches = chances(branches);
  branches.forEach((branch, i) => {
    const ofEndpoints = chances(branch.endpoints);
    branch.endpoints.forEach((endpoint, k) => {
      const key = quotaKey(branch, endpoint);
      exact.set(key, (exact.get(key) ?? 0) + share * ofBranches[i] * ofEndpoints[k]);
    });
  });
  for (const [key, n] of exact) exact.set(key, Math.ceil(n - rounding));
  return exact;
}

export const quotaKey = ({ id }: Branch, { slot }: Endpoint): string => `${id} ${slot}`;

/** Sums of shares may come out a little over a whole number. */
const rounding = 1e-9;

function chances(weighted: readonly { readonly weight: number }[]): Float64Array {
  const weights = usableWeights(weighted.map(one => one.weight));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map(weight => weight / sum);
}
