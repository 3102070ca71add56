/**
 * Where namerd keeps routing policy: one dtab per namespace, each with a version that changes at every write.
 *
 * Invariants of every store (test/stores/contract.ts):
 *   - a write resolves once it is as durable as its kind promises, and visible to this store's own `list` and `observe`;
 *   - of two updates with the same version one fails with STORE_CONFLICT;
 *   - an observed value stays the last good one while the backend fails (`unconfirmed` says why), and recovers by itself. Of a
 *     namespace whose stored text is not a dtab it is the last readable dtab with the current version, so that an update with
 *     that version repairs it;
 *   - a backend is watched only while there are observers, once for all of them; equal values are emitted once.
 *
 * Writes reject with a LinkerdTcpError: STORE_EXISTS, STORE_MISSING, STORE_CONFLICT, STORE_FORBIDDEN, STORE_NAMESPACE_INVALID,
 * STORE_TOO_LARGE, STORE_REJECTED, STORE_UNAVAILABLE.
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

/** What a store that keeps a history notes about a write. */
export interface Authorship {
  /** Name of the token or client that asked for the write. */
  readonly writtenBy?: string;
  /** Number of the version that this write restores. */
  readonly restoredFrom?: number;
}

/** One write to a namespace: of a dtab, or its deletion. */
export interface StoredVersion extends Authorship {
  /** 1, 2, … in each namespace, deletions included. Starts at 1 again only after the store has dropped the whole history. */
  readonly number: number;
  readonly version: Version;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly isDeletion: boolean;
  /** Length of the dtab's text in UTF-8; 0 for a deletion. */
  readonly bytes: number;
  /** In the dtab language, where it was asked for; empty for a deletion. */
  readonly text?: string;
}

export interface HistoryQuery {
  /** At most this many versions: 50 unless given, and never more than 1000. */
  readonly limit?: number;
  /** Only versions with a lower number. */
  readonly before?: number;
  /** Whether to return the texts, too: then a page has about a mebibyte of text at most, but always one version. */
  readonly withText?: boolean;
}

export interface HistoryPage {
  /** Newest first. Without `before` the first one is the current state of the namespace, which may be its deletion. */
  readonly versions: readonly StoredVersion[];
  /** The `before` of the next page; absent at the end. */
  readonly next?: number;
}

export interface StoreHealth {
  /** Namespaces whose stored value is not a dtab or may not be read, and why. */
  readonly unreadable: ReadonlyMap<string, Error>;
  /** Why writes fail; undefined while none is known to fail. */
  readonly writeFailure: string | undefined;
}

export interface DtabStore {
  /** Namespaces, sorted. */
  list(): Observable<Activity<readonly string[]>>;
  /** Null while there is no such namespace. */
  observe(namespace: string): Observable<Activity<VersionedDtab | null>>;
  /** Writes resolve with the new version. */
  create(namespace: string, dtab: Dtab, authorship?: Authorship): Promise<Version>;
  /** @param version must be the current one; undefined for whichever is current, but there must be one */
  update(namespace: string, dtab: Dtab, version: Version | undefined, authorship?: Authorship): Promise<Version>;
  /** Creates or replaces. */
  put(namespace: string, dtab: Dtab, authorship?: Authorship): Promise<Version>;
  /** @param version must be the current one; undefined for whichever is current, but there must be one */
  delete(namespace: string, version?: Version, authorship?: Authorship): Promise<void>;
  /** All versions that are kept, in pages; absent where the store keeps none. Empty for a namespace that never existed. */
  history?(namespace: string, query?: HistoryQuery): Promise<HistoryPage>;
  /** One version with its text, by its number or its opaque version; there exactly where `history` is. */
  version?(namespace: string, which: number | Version): Promise<StoredVersion | undefined>;
  /** What fails at present, beside what observers see; absent where nothing can. */
  readonly health?: StoreHealth;
  close(): Promise<void>;
}
