/**
 * Draws one branch of a weighted union per connection.
 *
 * Branches of weight 0 are never drawn, unless all are 0: then each is equally likely.
 */
import { RandomStream } from './random-stream.ts';
import { usableWeights, WeightedDraw } from './weighted-draw.ts';

export class BranchPicker {
  readonly #weights: Float64Array;
  readonly #draw: WeightedDraw;
  readonly #random: RandomStream;

  constructor(weights: readonly number[], random: () => number) {
    this.#weights = usableWeights(weights);
    this.#draw = new WeightedDraw(this.#weights);
    this.#random = new RandomStream(random);
  }

  /** @returns the index of a branch, or -1 when there are none */
  draw(): number {
    return this.#draw.draw(this.#random);
  }

  /** Draws among the branches that `isOut` does not rule out. @returns -1 when there are none, or only such of weight 0 */
  drawOther(isOut: (branch: number) => boolean): number {
    let sum = 0;
    for (let i = 0; i < this.#weights.length; i++) if (!isOut(i)) sum += this.#weights[i];
    let x = this.#random.next() * sum;
    let last = -1;
    for (let i = 0; i < this.#weights.length; i++) {
      if (this.#weights[i] === 0 || isOut(i)) continue;
      last = i;
      x -= this.#weights[i];
      if (x < 0) return i;
    }
    return last;
  }
}
