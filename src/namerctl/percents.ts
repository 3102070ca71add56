/** Weights as shares. */

/** Each weight as a part of their sum, with four digits. */
export function percentsOf(weights: readonly number[]): readonly string[] {
  // Divided first: the sum of large weights may be infinite.
  const largest = weights.reduce((most, weight) => Math.max(most, weight), Number.MIN_VALUE);
  const sum = weights.reduce((total, weight) => total + weight / largest, 0);
  return weights.map(weight => `${Number(((100 * (weight / largest)) / (sum || 1)).toPrecision(4))}%`);
}
