/** A thread that picks, connects, fails and probes as fast as it can, at the same time as another one. */
import { isMainThread, workerData } from 'node:worker_threads';
import { EndpointTable } from '../../src/balancer/endpoint-table.ts';
import { claimProbe, type FailFastPolicy, recordConnect, recordFailure } from '../../src/balancer/health.ts';
import { pickerOf, untriedSlots } from './seeded.ts';

export const endpointCount = 4;
/** The slot that both threads only probe. */
export const contested = endpointCount;
export const policy: FailFastPolicy = { maxConsecutiveFailures: 1, penaltyMs: 80, maxPenaltyMs: 80, jitter: 0 };
const rounds = 100_000;

/** Cells of the memory that the threads share besides the table. */
const ready = 0;
const probing = 1;
export const overlaps = 2;
export const probes = 3;
export const clock = 4;

function hammer(memory: SharedArrayBuffer, cells: Int32Array, seed: number): void {
  const table = new EndpointTable(memory);
  const { picker, random } = pickerOf('p2c', [1, 1, 4, 1], { table, seed });
  Atomics.add(cells, ready, 1);
  Atomics.notify(cells, ready);
  while (Atomics.load(cells, ready) < 2) Atomics.wait(cells, ready, 1);
  for (let round = 0; round < rounds; round++) {
    const now = Atomics.load(cells, clock);
    const slot = picker.pick(now, untriedSlots, 0);
    table.addConnecting(slot, 1);
    if (random() < 0.3) {
      recordFailure(table, slot, now, policy, random);
      table.addConnecting(slot, -1);
    } else {
      recordConnect(table, slot, now, 1);
      table.addOpen(slot, 1);
      table.addConnecting(slot, -1);
      table.addOpen(slot, -1);
    }
    if (claimProbe(table, contested, now)) {
      if (Atomics.add(cells, probing, 1) !== 0) Atomics.add(cells, overlaps, 1);
      Atomics.add(cells, probes, 1);
      Atomics.sub(cells, probing, 1);
      recordFailure(table, contested, now, policy, random);
      // Only who probed moves the clock, so that no lease runs out under a thread that is held up.
      Atomics.add(cells, clock, policy.penaltyMs + 16);
    }
  }
}

if (!isMainThread && workerData?.memory) {
  hammer(workerData.memory, new Int32Array(workerData.shared), workerData.seed);
}
