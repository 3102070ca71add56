/** Chooses endpoints: built by the control plane, replaced whole; the hot path only picks. */
import type { Endpoint } from './candidates.ts';
import type { EndpointTable } from './endpoint-table.ts';
import { defaultDecayTimeMs } from './latency.ts';
import { P2cPicker } from './p2c.ts';
import { PeakEwmaPicker } from './peak-ewma.ts';
import { RoundRobinPicker } from './round-robin.ts';

export { type Endpoint, noEndpoint } from './candidates.ts';

/** Chooses an endpoint for one connection. Never awaits, never allocates. */
export interface Picker {
  /**
   * Never leaves a connection without an endpoint while there is one: prefers endpoints that are available and not tried, then
   * those not tried, then any.
   *
   * When the picked endpoint was `due`, its probe has been claimed for this connection ({@link claimed}), which then has
   * to report with recordConnect, recordFailure or releaseProbe.
   *
   * @param tried the slots this connection has failed on, in `tried[0..triedCount)`
   * @returns an index into the endpoints the picker was made from, or `noEndpoint` when there are none
   */
  pick(now: number, tried: Int32Array, triedCount: number): number;
  /** Whether the last pick claimed a probe. An endpoint in a probe may also be picked without, for want of others. */
  readonly claimed: boolean;
}

/** Linkerd's `loadBalancer.kind`. */
export const balancerKinds = ['p2c', 'ewma', 'roundRobin'] as const;
export type BalancerKind = (typeof balancerKinds)[number];

export function createPicker(
  kind: BalancerKind,
  endpoints: readonly Endpoint[],
  table: EndpointTable,
  options: { random: () => number; decayTimeMs?: number },
): Picker {
  const { random, decayTimeMs = defaultDecayTimeMs } = options;
  switch (kind) {
    case 'p2c':
      return new P2cPicker(endpoints, table, random);
    case 'ewma':
      return new PeakEwmaPicker(endpoints, table, random, decayTimeMs);
    case 'roundRobin':
      return new RoundRobinPicker(endpoints, table, random);
  }
}
