/**
 * Draws indices in proportion to weights, in constant time: Vose's alias method.
 *
 * Equal weights (all-zero ones too) draw uniformly. Among others a weight of 0, or one that is no finite positive
 * number, is never drawn.
 * Source: M. D. Vose, "A Linear Algorithm for Generating Random Numbers with a Given Distribution", 1991.
 */

import type { RandomStream } from './random-stream.ts';

/** Weights with anything that is no finite positive number as 0; all-zero weights become all ones. */
export function usableWeights(weights: readonly number[]): Float64Array {
  const usable = Float64Array.from(weights, weight => (weight > 0 && weight < Infinity ? weight : 0));
  return usable.some(weight => weight > 0) ? usable : usable.fill(1);
}

/** A second draw that meets the first again is repeated this often before the exact search. */
const redraws = 2;

export class WeightedDraw {
  readonly #count: number;
  readonly #uniform: boolean;
  /** Chance that a draw which landed on i stays there; else it goes to alias[i]. */
  readonly #stay: Float64Array;
  readonly #alias: Int32Array;
  /** Sum of the scaled weights up to and including i; an average weight is 1. */
  readonly #cumulative: Float64Array;

  /** @param weights as {@link usableWeights} makes them */
  constructor(weights: Float64Array) {
    const count = weights.length;
    this.#count = count;
    this.#uniform = weights.every(weight => weight === weights[0]);
    this.#stay = new Float64Array(count).fill(1);
    this.#alias = new Int32Array(count);
    this.#cumulative = new Float64Array(count);
    if (!this.#uniform) this.#build(weights);
  }

  /** An index, or -1 when there are no weights. */
  draw(random: RandomStream): number {
    const x = random.next() * this.#count;
    const i = Math.floor(x);
    if (this.#count === 0) return -1;
    if (this.#uniform) return i;
    return x - i < this.#stay[i] ? i : this.#alias[i];
  }

  /** An index that is not `first`, in proportion to the other weights; -1 when no other can be drawn. */
  drawOther(first: number, random: RandomStream): number {
    if (this.#count < 2) return -1;
    if (this.#uniform) {
      const i = Math.floor(random.next() * (this.#count - 1));
      return i < first ? i : i + 1;
    }
    if (this.#count === 2) return this.#weightOf(1 - first) > 0 ? 1 - first : -1;
    for (let attempt = 0; attempt < redraws; attempt++) {
      const i = this.draw(random);
      if (i !== first) return i;
    }
    return this.#searchOther(first, random);
  }

  /** The same distribution by binary search in the cumulative weights with the first one's stretch cut out. */
  #searchOther(first: number, random: RandomStream): number {
    const cumulative = this.#cumulative;
    const cut = this.#weightOf(first);
    const others = cumulative[this.#count - 1] - cut;
    if (!(others > 0)) return -1;
    let x = random.next() * others;
    if (x >= cumulative[first] - cut) x += cut;
    let low = 0;
    let high = this.#count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (cumulative[middle] > x) high = middle;
      else low = middle + 1;
    }
    // Rounding at the edges of the cut may land on the first itself, or on a weight of 0 at the very end.
    return low === first || this.#weightOf(low) === 0 ? -1 : low;
  }

  #weightOf(i: number): number {
    return i === 0 ? this.#cumulative[0] : this.#cumulative[i] - this.#cumulative[i - 1];
  }

  #build(weights: Float64Array): void {
    const count = this.#count;
    const heaviest = weights.reduce((best, weight, i) => (weight > weights[best] ? i : best), 0);
    // Dividing by the heaviest first keeps the sum finite whatever the weights are.
    const shares = weights.map(weight => weight / weights[heaviest]);
    const average = shares.reduce((sum, share) => sum + share, 0) / count;
    const scaled = shares.map(share => share / average);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      sum += scaled[i];
      this.#cumulative[i] = sum;
    }
    const light: number[] = [];
    const heavy: number[] = [];
    for (let i = 0; i < count; i++) (scaled[i] < 1 ? light : heavy).push(i);
    while (light.length > 0 && heavy.length > 0) {
      const i = light.pop() as number;
      const j = heavy[heavy.length - 1];
      this.#stay[i] = scaled[i];
      this.#alias[i] = j;
      scaled[j] -= 1 - scaled[i];
      if (scaled[j] < 1) light.push(heavy.pop() as number);
    }
    // The rest are 1 except for rounding, and keep their stay of 1. A weight of 0 must not gain from the rounding.
    for (const i of light) {
      if (weights[i] > 0) continue;
      this.#stay[i] = 0;
      this.#alias[i] = heaviest;
    }
  }
}
