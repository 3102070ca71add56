/**
 * The endpoints one picker chooses from, and which of them may be chosen for this connection.
 *
 * An endpoint of weight 0 takes no new connection, whatever happens to the others (HAProxy's meaning of 0: drained);
 * only when all weights are 0 do they all count as 1. A weight that is not a finite positive number counts as 0.
 */
import type { EndpointSlot, EndpointTable } from './endpoint-table.ts';
import { claimProbe, isAvailable, standing } from './health.ts';
import { usableWeights } from './weighted-draw.ts';

export interface Endpoint {
  readonly slot: EndpointSlot;
  readonly weight: number;
}

/** `pick` returns this for an empty set. */
export const noEndpoint = -1;

/** Whether a candidate may be picked: a `due` one only by the session that claims its probe. */
export type Eligibility = 0 | 1 | 2;
export const barred = 0;
export const eligible = 1;
export const due = 2;

/**
 * How much a search insists on. Nothing eligible: a connection is better sent to an endpoint in its penalty than
 * refused; all tried: better tried again.
 */
export type Strictness = 0 | 1 | 2;
export const anyone = 0;
export const untried = 1;
export const healthy = 2;

export class Candidates {
  readonly count: number;
  readonly table: EndpointTable;
  /** By candidate; `origin` is the index in the endpoints the picker was made from. */
  readonly slots: Int32Array;
  readonly weights: Float64Array;
  readonly origin: Int32Array;
  /** Whether {@link claim} has won a probe since this was last reset. */
  claimed = false;

  constructor(endpoints: readonly Endpoint[], table: EndpointTable) {
    const weights = usableWeights(endpoints.map(endpoint => endpoint.weight));
    const origin = endpoints.map((_, i) => i).filter(i => weights[i] > 0);
    this.count = origin.length;
    this.table = table;
    this.origin = Int32Array.from(origin);
    this.slots = this.origin.map(i => endpoints[i].slot);
    this.weights = Float64Array.from(origin, i => weights[i]);
  }

  eligibility(
    candidate: number,
    strictness: Strictness,
    now: number,
    tried: Int32Array,
    triedCount: number,
  ): Eligibility {
    if (strictness === anyone) return eligible;
    const slot = this.slots[candidate];
    for (let i = 0; i < triedCount; i++) if (tried[i] === slot) return barred;
    if (strictness === untried || isAvailable(this.table, slot)) return eligible;
    return standing(this.table, slot, now) === 'due' ? due : barred;
  }

  /** Takes the probe of a due candidate, which must then be picked. */
  claim(candidate: number, now: number): boolean {
    this.claimed = claimProbe(this.table, this.slots[candidate], now);
    return this.claimed;
  }
}
