/** The objects that all parts of one worker share: its driver, its memory, its randomness. */
import type { EndpointTable } from '../balancer/endpoint-table.ts';
import type { SecureDriver } from '../io/tls/secure-driver.ts';
import type { Cells } from '../metrics/cells.ts';
import type { BulkProof } from './bulk.ts';
import type { RouteId } from './messages.ts';
import type { Owners } from './owners.ts';
import type { RecordSink } from './record.ts';
import type { TimerHeap } from './timer-heap.ts';

/** Row of a session in the worker's table. */
export type Session = number;

/** Ids in a worker's {@link TimerHeap}. */
export const housekeepingDeadline = 0;
export const recordsDeadline = 1;
export const shortageDeadline = 2;
export const gateDeadline = 3;
export const firstSessionDeadline = 4;

export interface WorkerContext {
  readonly driver: SecureDriver;
  readonly endpoints: EndpointTable;
  readonly cells: Cells;
  /** Counts shared by all workers; see `SharedCount`. */
  readonly counts: Int32Array;
  /** See the deadline ids below. */
  readonly deadlines: TimerHeap;
  readonly owners: Owners;
  readonly random: () => number;
  readonly bulk: BulkProof;
  /** Receives the records of ended sessions; null while no access log needs them. */
  recorder: RecordSink | null;
  readonly notice: (level: 'info' | 'warn' | 'error', text: string) => void;
  /** For what clients and endpoints can cause at any rate: see {@link LimitedNotices}. `key` tells one subject from another. */
  readonly limitedNotice: (key: string, level: 'info' | 'warn', text: () => string) => void;
  /** The last error of an endpoint, for the admin API; with a limit. */
  readonly endpointError: (route: RouteId, slot: number, reason: string) => void;
  /** The machine lacks descriptors, ports or memory for what `text` says cannot be done. */
  readonly shortage: (text: string, errno: number) => void;
}
