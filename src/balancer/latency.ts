/**
 * Peak EWMA of connection latency: follows a slower sample at once, a faster one only gradually.
 *
 * Between samples the estimate decays towards zero, so an endpoint that was slow is tried again after some decay times.
 * Source: Finagle's PeakEwma; the floor is linkerd2-proxy's for TCP.
 */
import {
  decayTimeNumber,
  type EndpointSlot,
  type EndpointTable,
  latencyNumber,
  numberShift,
  observedAtNumber,
} from './endpoint-table.ts';

export const defaultDecayTimeMs = 10_000;

/** Differences below this are the scheduler's noise, not the endpoint's. It also keeps 0 free to mean "unknown". */
const latencyFloorMs = 1;

/** Sets how fast the endpoint's estimate is forgotten. Every thread sets the same value from the same config. */
export function setDecayTime(table: EndpointTable, slot: EndpointSlot, decayTimeMs: number): void {
  table.numbers[(slot << numberShift) + decayTimeNumber] = decayTimeMs;
}

export function observeLatency(table: EndpointTable, slot: EndpointSlot, now: number, latencyMs: number): void {
  const numbers = table.numbers;
  const row = slot << numberShift;
  const sample = Math.max(latencyMs, latencyFloorMs);
  const known = numbers[row + latencyNumber];
  if (sample >= known) numbers[row + latencyNumber] = sample;
  else numbers[row + latencyNumber] = sample + (known - sample) * remaining(numbers, row, now);
  numbers[row + observedAtNumber] = now;
}

/** The latency expected of the endpoint in ms, as far as it is remembered at `now`; 0 while unknown. */
export function expectedLatency(table: EndpointTable, slot: EndpointSlot, now: number): number {
  const numbers = table.numbers;
  const row = slot << numberShift;
  const known = numbers[row + latencyNumber];
  return known === 0 ? 0 : known * remaining(numbers, row, now);
}

/** The share of an estimate that is left at `now`. Another thread's clock may be ahead: its samples are simply new. */
function remaining(numbers: Float64Array, row: number, now: number): number {
  const age = now - numbers[row + observedAtNumber];
  return age > 0 ? Math.exp(-age / (numbers[row + decayTimeNumber] || defaultDecayTimeMs)) : 1;
}
