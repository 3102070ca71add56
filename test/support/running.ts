/** The surroundings of live routes and listeners, with a data plane that only records. */
import { BehaviorSubject } from 'rxjs';
import { EndpointTable } from '../../src/balancer/endpoint-table.ts';
import { SlotAllocator } from '../../src/balancer/slots.ts';
import type { RouteSettings } from '../../src/control/live-route.ts';
import { SharedCounts } from '../../src/control/shared-counts.ts';
import { leaf, type NameTree } from '../../src/dtab/name-tree.ts';
import { type Activity, ok, pending } from '../../src/live/activity.ts';
import { Registry } from '../../src/metrics/registry.ts';
import { boundAddr } from '../../src/naming/addr.ts';
import type { Interpreter } from '../../src/naming/interpreter.ts';
import type { Bound } from '../../src/naming/name.ts';
import { fakePlane } from './fake-plane.ts';
import { recordedLog } from './naming.ts';
import { defaultPolicy } from './specs.ts';

export function surroundings({
  endpoints = 64,
  cells = 1 << 16,
  refusal = undefined as (() => Error) | undefined,
} = {}) {
  const fake = fakePlane(refusal);
  const registry = new Registry({ pages: 2, capacity: cells });
  const counts = new SharedCounts();
  const log = recordedLog();
  const table = new EndpointTable(new SharedArrayBuffer(EndpointTable.bytesFor(endpoints)));
  const slots = new SlotAllocator(endpoints);
  const around = { plane: fake.plane, registry, counts, log, table, slots, now: () => 1000 };
  return { fake, registry, counts, log, table, around, values: new Int32Array(counts.memory) };
}

/** An interpreter whose answer the test gives, and the settings of a route that follows it. */
export function naming(key = 'a', onNegative: 'keep' | 'fail' = 'keep') {
  const activity = new BehaviorSubject<Activity<NameTree<Bound>>>(pending);
  const interpreter: Interpreter = {
    bind: () => activity,
    delegate: () => Promise.reject(new Error('cannot')),
  };
  const settings: RouteSettings = {
    router: 'edge',
    dst: ['svc', 'web'],
    interpreter,
    stateKey: 'web',
    namingKey: key,
    dtab: [],
    onNegative,
    client: defaultPolicy,
    problem: undefined,
  };
  const bound = (...ports: number[]): NameTree<Bound> =>
    leaf({
      id: ['b'],
      residual: [],
      addr: new BehaviorSubject(boundAddr(ports.map(port => ({ ip: '10.0.0.1', port, meta: {} })))),
    });
  return {
    settings,
    /** Answers, and waits until who follows has heard of it. */
    says: async (next: Activity<NameTree<Bound>>) => {
      activity.next(next);
      await new Promise(setImmediate);
    },
    means: async (...ports: number[]) => {
      activity.next(ok(bound(...ports)));
      await new Promise(setImmediate);
    },
  };
}
