/**
 * Draws one branch of a weighted union per connection.
 *
 * Branches of weight 0 are never drawn, unless all are 0: then each is equally likely.
 */
import { RandomStream } from './random-stream.ts';
import { usableWeights, WeightedDraw } from './weighted-draw.ts';

export class BranchPicker {
  readonly #draw: WeightedDraw;
  readonly #random: RandomStream;

  constructor(weights: readonly number[], random: () => number) {
    this.#draw = new WeightedDraw(usableWeights(weights));
    this.#random = new RandomStream(random);
  }

  /** @returns the index of a branch, or -1 when there are none */
  draw(): number {
    return this.#draw.draw(this.#random);
  }
}
