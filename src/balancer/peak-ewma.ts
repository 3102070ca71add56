/**
 * Peak EWMA: of two draws, the endpoint with the lower expected latency × (load + 1) / weight.
 *
 * As in p2c.ts one connection more or less decides nothing; then latency does if it clearly differs, else the first
 * draw stands, so that among equally fast endpoints the shares follow the weights.
 * An endpoint of unknown latency is tried at once while idle, and avoided while its first answer is awaited.
 */
import type { Endpoint } from './candidates.ts';
import type { EndpointTable } from './endpoint-table.ts';
import { expectedLatency, setDecayTime } from './latency.ts';
import { TwoChoices } from './two-choices.ts';

/** Latency assumed in ms of an endpoint that has work and has not yet answered: worse than any real one. */
const silence = 1e9;

/** Latencies within this factor count as equal: estimates also differ by when they were made. */
const clearlySlower = 1.5;

export class PeakEwmaPicker extends TwoChoices {
  constructor(endpoints: readonly Endpoint[], table: EndpointTable, random: () => number, decayTimeMs: number) {
    super(endpoints, table, random);
    for (const { slot } of endpoints) setDecayTime(table, slot, decayTimeMs);
  }

  protected override compare(a: number, b: number, now: number): number {
    const { table, slots, weights } = this.candidates;
    const loadOfA = table.load(slots[a]);
    const loadOfB = table.load(slots[b]);
    const latencyOfA = this.#latency(slots[a], loadOfA, now);
    const latencyOfB = this.#latency(slots[b], loadOfB, now);
    const unitOfA = latencyOfA * weights[b];
    const unitOfB = latencyOfB * weights[a];
    const isBetterA = unitOfA * (loadOfA + 1) <= unitOfB * loadOfB;
    const isBetterB = unitOfB * (loadOfB + 1) <= unitOfA * loadOfA;
    // Both hold only for two endpoints without any latency to go by.
    if (isBetterA !== isBetterB) return isBetterA ? -1 : 1;
    if (latencyOfA > latencyOfB * clearlySlower) return 1;
    return latencyOfB > latencyOfA * clearlySlower ? -1 : 0;
  }

  #latency(slot: number, load: number, now: number): number {
    const expected = expectedLatency(this.candidates.table, slot, now);
    return expected === 0 && load > 0 ? silence : expected;
  }
}
