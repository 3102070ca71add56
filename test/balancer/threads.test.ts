/** Two threads on one table. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { EndpointTable } from '../../src/balancer/endpoint-table.ts';
import { recordFailure, standing } from '../../src/balancer/health.ts';
import { clock, contested, endpointCount, overlaps, policy, probes } from './hammer.ts';

test('threads that pick, connect and probe on one table lose no count and never probe at the same time', async t => {
  const memory = new SharedArrayBuffer(EndpointTable.bytesFor(endpointCount + 1));
  const shared = new SharedArrayBuffer(5 * Int32Array.BYTES_PER_ELEMENT);
  new Int32Array(shared)[clock] = policy.penaltyMs + 16;
  const table = new EndpointTable(memory);
  recordFailure(table, contested, 0, policy, () => 0);
  const workers = [1, 2].map(
    seed => new Worker(new URL('./hammer.ts', import.meta.url), { workerData: { memory, shared, seed } }),
  );
  t.after(() => Promise.all(workers.map(worker => worker.terminate())));
  const codes = await Promise.all(workers.map(worker => once(worker, 'exit')));
  assert.deepEqual(codes.flat(), [0, 0]);
  for (let slot = 0; slot <= endpointCount; slot++) {
    assert.equal(table.open(slot), 0);
    assert.equal(table.connecting(slot), 0);
  }
  const cells = new Int32Array(shared);
  assert.equal(cells[overlaps], 0);
  assert.ok(cells[probes] > 100);
  assert.equal(table.consecutiveEjections(contested), cells[probes] + 1);
  assert.notEqual(standing(table, contested, 0), 'available');
});
