/**
 * Smooth weighted round robin: every endpoint gets its weight's share of any run of picks, spread as evenly as can be.
 *
 * Each turn an endpoint's credit grows by its weight; the highest credit is picked and pays the sum of the weights.
 * A barred endpoint neither earns nor pays, so it does not catch up when it returns. A probe takes the turn of the
 * endpoint whose turn it was. With unequal weights a pick looks at every endpoint, with equal ones only at the next.
 * Source: nginx, ngx_http_upstream_round_robin.
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

/** Threads start at a random turn below this, lest they all pick the same endpoint in step. */
const startTurns = 64;
const none = new Int32Array(0);

export class RoundRobinPicker {
  readonly #candidates: Candidates;
  readonly #credits: Float64Array;
  readonly #uniform: boolean;
  /** Whose turn it is when all weights are equal; else where equal credits are decided from. */
  #next: number;

  constructor(endpoints: readonly Endpoint[], table: EndpointTable, random: () => number) {
    const candidates = new Candidates(endpoints, table);
    this.#candidates = candidates;
    this.#credits = new Float64Array(candidates.count);
    this.#uniform = candidates.weights.every(weight => weight === candidates.weights[0]);
    this.#next = Math.floor(random() * candidates.count);
    if (this.#uniform) return;
    for (let turn = Math.floor(random() * startTurns); turn > 0; turn--) this.#byCredit(anyone, 0, none, 0);
  }

  get claimed(): boolean {
    return this.#candidates.claimed;
  }

  pick(now: number, tried: Int32Array, triedCount: number): number {
    this.#candidates.claimed = false;
    if (this.#candidates.count === 0) return noEndpoint;
    let picked = this.#turn(healthy, now, tried, triedCount);
    if (picked < 0) picked = this.#turn(untried, now, tried, triedCount);
    if (picked < 0) picked = this.#turn(anyone, now, tried, triedCount);
    return this.#candidates.origin[picked];
  }

  #turn(strictness: Strictness, now: number, tried: Int32Array, triedCount: number): number {
    return this.#uniform
      ? this.#inOrder(strictness, now, tried, triedCount)
      : this.#byCredit(strictness, now, tried, triedCount);
  }

  #inOrder(strictness: Strictness, now: number, tried: Int32Array, triedCount: number): number {
    const candidates = this.#candidates;
    for (let step = 0, candidate = this.#next; step < candidates.count; step++) {
      const after = candidate + 1 === candidates.count ? 0 : candidate + 1;
      const verdict = candidates.eligibility(candidate, strictness, now, tried, triedCount);
      if (verdict === eligible || (verdict === due && candidates.claim(candidate, now))) {
        this.#next = after;
        return candidate;
      }
      candidate = after;
    }
    return -1;
  }

  #byCredit(strictness: Strictness, now: number, tried: Int32Array, triedCount: number): number {
    const candidates = this.#candidates;
    const credits = this.#credits;
    let best = -1;
    let probing = -1;
    let paid = 0;
    for (let step = 0, candidate = this.#next; step < candidates.count; step++) {
      const verdict = candidates.eligibility(candidate, strictness, now, tried, triedCount);
      if (verdict === due && probing < 0 && candidates.claim(candidate, now)) probing = candidate;
      if (verdict === eligible) {
        const weight = candidates.weights[candidate];
        credits[candidate] += weight;
        paid += weight;
        if (best < 0 || credits[candidate] > credits[best]) best = candidate;
      }
      candidate = candidate + 1 === candidates.count ? 0 : candidate + 1;
    }
    if (best >= 0) credits[best] -= paid;
    return probing >= 0 ? probing : best;
  }
}
