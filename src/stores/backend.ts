/** The contract between a remote store and the protocol of its backend (etcd/, zookeeper/, consul/, kubernetes/). */
import type { Observable } from 'rxjs';
import type { Dtab } from '../dtab/dtab.ts';
import type { KeyState, Snapshot } from './replica-cache.ts';
import type { Version } from './store.ts';

/**
 * A watch emits a snapshot that is no older than the watch; then key states in the order of their revisions, or further
 * snapshots, each no older than the last `snapshotRequested` before it.
 */
export type Report =
  | { readonly type: 'snapshotRequested' }
  /** `unconfirmed` says why there may be something newer. */
  | { readonly type: 'snapshot'; readonly snapshot: Snapshot; readonly unconfirmed?: Error }
  | { readonly type: 'changed'; readonly keyState: KeyState };

/** The state of a namespace that exists. */
export interface Written extends KeyState {
  readonly stored: NonNullable<KeyState['stored']>;
}

/**
 * The protocol of a backend. Its errors are LinkerdTcpErrors where they have a row of their own (STORE_EXISTS, STORE_MISSING,
 * STORE_CONFLICT, STORE_FORBIDDEN, STORE_TOO_LARGE, STORE_REJECTED); any other becomes STORE_UNAVAILABLE with its message.
 */
export interface Backend {
  /** Length of the longest text that the backend stores, in UTF-8; absent where only the backend knows. */
  readonly maxTextBytes?: number;
  /** Fails when the backend cannot be reached or is silent for too long; the last known state then stays in use. */
  watch(): Observable<Report>;
  /** Why this backend cannot have such a namespace; undefined when it can. */
  namespaceProblem(namespace: string): string | undefined;
  create(namespace: string, dtab: Dtab): Promise<Written>;
  /** @param version undefined for whichever is current, but there must be one */
  update(namespace: string, dtab: Dtab, version: Version | undefined): Promise<Written>;
  put(namespace: string, dtab: Dtab): Promise<Written>;
  delete(namespace: string, version?: Version): Promise<KeyState>;
  close(): Promise<void>;
}

/** The next step after a write whose outcome is unknown. */
export const uncertainHint = 'the write may still take effect: read the namespace before you try again';
