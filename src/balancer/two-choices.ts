/**
 * Draws two distinct endpoints in proportion to their weights and takes the better one; what "better" is, a kind of
 * picker says.
 *
 * Weighted draws, not uniform ones: with uniform draws an endpoint can never have more than twice the average share,
 * however heavy it is, once there are many (it is in one draw of n/2).
 * An endpoint whose penalty is over and that is drawn gets its probe at once.
 */
import {
  anyone,
  Candidates,
  due,
  type Endpoint,
  eligible,
  healthy,
  noEndpoint,
  type Strictness,
  untried,
} from './candidates.ts';
import type { EndpointTable } from './endpoint-table.ts';
import { RandomStream } from './random-stream.ts';
import { WeightedDraw } from './weighted-draw.ts';

/** Draws per choice before a scan over all (Linkerd's maxEffort). */
const maxEffort = 5;

export abstract class TwoChoices {
  protected readonly candidates: Candidates;
  readonly #draw: WeightedDraw;
  readonly #random: RandomStream;

  constructor(endpoints: readonly Endpoint[], table: EndpointTable, random: () => number) {
    this.candidates = new Candidates(endpoints, table);
    this.#draw = new WeightedDraw(this.candidates.weights);
    this.#random = new RandomStream(random);
  }

  /** Negative when candidate `a` is better, positive when `b` is, 0 when the draw shall decide. */
  protected abstract compare(a: number, b: number, now: number): number;

  get claimed(): boolean {
    return this.candidates.claimed;
  }

  pick(now: number, tried: Int32Array, triedCount: number): number {
    const { candidates } = this;
    candidates.claimed = false;
    if (candidates.count === 0) return noEndpoint;
    let first = -1;
    for (let effort = 0; first < 0; effort++) {
      if (effort === maxEffort) return this.#scanAll(now, tried, triedCount);
      const candidate = this.#draw.draw(this.#random);
      const verdict = candidates.eligibility(candidate, healthy, now, tried, triedCount);
      if (verdict === due && candidates.claim(candidate, now)) return candidates.origin[candidate];
      if (verdict === eligible) first = candidate;
    }
    for (let effort = 0; effort < maxEffort; effort++) {
      const second = this.#draw.drawOther(first, this.#random);
      if (second < 0) break;
      const verdict = candidates.eligibility(second, healthy, now, tried, triedCount);
      if (verdict === due && candidates.claim(second, now)) return candidates.origin[second];
      if (verdict === eligible) return candidates.origin[this.compare(first, second, now) > 0 ? second : first];
    }
    return candidates.origin[first];
  }

  #scanAll(now: number, tried: Int32Array, triedCount: number): number {
    let best = this.#scan(healthy, now, tried, triedCount);
    if (best < 0) best = this.#scan(untried, now, tried, triedCount);
    if (best < 0) best = this.#scan(anyone, now, tried, triedCount);
    return this.candidates.origin[best];
  }

  /** The best of all; equals draw lots by weight, so that a scan shares as fairly as the draws do. -1 when all are barred. */
  #scan(strictness: Strictness, now: number, tried: Int32Array, triedCount: number): number {
    const { candidates } = this;
    let best = -1;
    let weightOfEquals = 0;
    for (let candidate = 0; candidate < candidates.count; candidate++) {
      const verdict = candidates.eligibility(candidate, strictness, now, tried, triedCount);
      if (verdict === due && candidates.claim(candidate, now)) return candidate;
      if (verdict !== eligible) continue;
      const weight = candidates.weights[candidate];
      const order = best < 0 ? 1 : this.compare(best, candidate, now);
      if (order < 0) continue;
      weightOfEquals = order > 0 ? weight : weightOfEquals + weight;
      if (order > 0 || this.#random.next() * weightOfEquals < weight) best = candidate;
    }
    return best;
  }
}
