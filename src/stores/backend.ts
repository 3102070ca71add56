/** The contract between a remote store and the protocol of its backend (etcd/, zookeeper/, consul/, kubernetes/). */
import type { Observable } from 'rxjs';
import type { Dtab } from '../dtab/dtab.ts';
import type { KeyState, Snapshot } from './replica-cache.ts';
import type { Version } from './store.ts';

/**
 * A watch tells a snapshot, no older than its beginning; then keyStates in the order of their revisions, or further snapshots. These
 * are no older than the last `asked` before them.
 */
export type Report =
  | { readonly type: 'snapshotRequested' }
  /** `unconfirmed` says why there may be something newer. */
  | { readonly type: 'snapshot'; readonly snapshot: Snapshot; readonly unconfirmed?: Error }
  | { readonly type: 'changed'; readonly keyState: KeyState };

/** A keyState about a namespace that is there. */
export interface Written extends KeyState {
  readonly stored: NonNullable<KeyState['stored']>;
}

/**
 * The protocol of a backend. Its errors are LinkerdTcpErrors where they mean something of their own (STORE_EXISTS,
 * STORE_MISSING, STORE_CONFLICT, STORE_FORBIDDEN); any other is told as STORE_UNAVAILABLE with its message.
 */
export interface Backend {
  /** Errs when the backend cannot be reached or is silent for too long; what was known then stays in use. */
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
