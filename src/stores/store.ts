/**
 * Where namerd keeps routing policy: one dtab per namespace, each with a version that changes at every write.
 *
 * Invariants every store keeps (test/stores/contract.ts):
 *   - a write resolves when it is durable, as far as its kind promises that, and visible to this store's own `list` and `observe`;
 *   - of two updates with the same version one fails with STORE_CONFLICT;
 *   - what is observed keeps its last good value through failures of the backend (`unconfirmed` says why), and recovers by itself;
 *   - watches upstream only while somebody looks, one for all who look; equal values are told once.
 *
 * Writes reject with a LinkerdTcpError: STORE_EXISTS, STORE_MISSING, STORE_CONFLICT, STORE_FORBIDDEN, STORE_NAMESPACE_INVALID,
 * STORE_UNAVAILABLE.
 */
import type { Observable } from 'rxjs';
import type { Dtab } from '../dtab/dtab.ts';
import type { Activity } from '../live/activity.ts';

/** Opaque bytes: only the store that made one can compare it. */
export type Version = Uint8Array;

export interface VersionedDtab {
  readonly dtab: Dtab;
  readonly version: Version;
}

/** A dtab as it was, the newest first. */
export interface PastDtab extends VersionedDtab {
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface DtabStore {
  /** Namespaces, sorted. */
  list(): Observable<Activity<readonly string[]>>;
  /** Null while there is no such namespace. */
  observe(namespace: string): Observable<Activity<VersionedDtab | null>>;
  /** Writes resolve with the new version. */
  create(namespace: string, dtab: Dtab): Promise<Version>;
  /** Only if that version is the present one. */
  update(namespace: string, dtab: Dtab, version: Version): Promise<Version>;
  /** Whatever there is. */
  put(namespace: string, dtab: Dtab): Promise<Version>;
  /** @param version if given, only if that is the present one */
  delete(namespace: string, version?: Version): Promise<void>;
  /** Earlier versions, as far as they are kept; undefined where the store keeps none. */
  history?(namespace: string): Promise<readonly PastDtab[]>;
  close(): Promise<void>;
}
