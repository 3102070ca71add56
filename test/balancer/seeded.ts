/** Randomness that repeats, and endpoints to try it on. */
import { EndpointTable } from '../../src/balancer/endpoint-table.ts';
import { type BalancerKind, createPicker, type Picker } from '../../src/balancer/picker.ts';

/** Mulberry32: small, and even enough for shares in per cents. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const untriedSlots = new Int32Array(0);

export function tableOf(count: number): EndpointTable {
  return new EndpointTable(new SharedArrayBuffer(EndpointTable.bytesFor(count)));
}

/** A picker over slots 0, 1, … of these weights. */
export function pickerOf(
  kind: BalancerKind,
  weights: readonly number[],
  options: { table?: EndpointTable; seed?: number; decayTimeMs?: number } = {},
): { picker: Picker; table: EndpointTable; random: () => number } {
  const table = options.table ?? tableOf(weights.length);
  const random = seededRandom(options.seed ?? 1);
  const endpoints = weights.map((weight, slot) => ({ slot, weight }));
  const { decayTimeMs } = options;
  return { picker: createPicker(kind, endpoints, table, { random, decayTimeMs }), table, random };
}
