/**
 * A store that keeps every namespace in memory and is its own source of truth: reads never wait and never fail.
 *
 * A {@link Journal} makes each write durable before it becomes visible. Writes run one at a time, in the order of their
 * requests: the check of the version and the write are one step. A write that has waited too long for its turn is dropped
 * unwritten; one that the journal does not finish in time may still take effect, and its error says so.
 */
import { distinctUntilChanged, filter, map, Observable, Subject, startWith } from 'rxjs';
import type { Dtab } from '../dtab/dtab.ts';
import { LinkerdTcpError } from '../errors.ts';
import { type Activity, ok } from '../live/activity.ts';
import type { Log } from '../log.ts';
import { uncertainHint } from './backend.ts';
import { namespaceProblem, newNamespaceProblem } from './namespace.ts';
import type {
  Authorship,
  DtabStore,
  HistoryPage,
  HistoryQuery,
  StoredVersion,
  StoreHealth,
  Version,
  VersionedDtab,
} from './store.ts';
import { WriteHealth } from './write-health.ts';

/** Each rejects with a LinkerdTcpError when it fails. */
export interface Journal {
  /** Resolves with what is stored from now on, once it is durable. */
  write(namespace: string, dtab: Dtab, authorship: Authorship): Promise<VersionedDtab>;
  delete(namespace: string, authorship: Authorship): Promise<void>;
  readonly history?: JournalHistory;
  close(): Promise<void>;
}

export interface JournalHistory {
  page(namespace: string, query: HistoryQuery): Promise<HistoryPage>;
  version(namespace: string, which: number | Version): Promise<StoredVersion | undefined>;
}

export interface EmbeddedStoreOptions {
  readonly log: Log;
  readonly writeTimeoutMs?: number;
}

/** Less than namerd's clients wait for an answer. */
const defaultWriteTimeoutMs = 5000;

export class EmbeddedStore implements DtabStore {
  /** Absent where the journal keeps none. */
  readonly history?: NonNullable<DtabStore['history']>;
  readonly version?: NonNullable<DtabStore['version']>;

  readonly #store: string;
  readonly #journal: Journal;
  readonly #writeTimeoutMs: number;
  readonly #writes: WriteHealth;
  readonly #dtabs: Map<string, VersionedDtab>;
  /** Replaced whole when a namespace is created or deleted, and only then. */
  #namespaces: readonly string[];
  readonly #changes = new Subject<string>();
  /** Settles with the write that was requested last. */
  #lastWrite: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  /** @param store its name in messages */
  constructor(
    store: string,
    journal: Journal,
    dtabs: Iterable<readonly [string, VersionedDtab]>,
    { log, writeTimeoutMs = defaultWriteTimeoutMs }: EmbeddedStoreOptions,
  ) {
    this.#store = store;
    this.#journal = journal;
    this.#writeTimeoutMs = writeTimeoutMs;
    this.#writes = new WriteHealth(store, log);
    this.#dtabs = new Map(dtabs);
    this.#namespaces = [...this.#dtabs.keys()].toSorted();
    const { history } = journal;
    if (history === undefined) return;
    this.history = async (namespace, query = {}) => {
      this.#checkOpen(`read the history of namespace ${namespace}`);
      return history.page(namespace, query);
    };
    this.version = async (namespace, which) => {
      this.#checkOpen(`read the history of namespace ${namespace}`);
      return history.version(namespace, which);
    };
  }

  get health(): StoreHealth {
    return { unreadable: new Map(), writeFailure: this.#writes.failure };
  }

  list(): Observable<Activity<readonly string[]>> {
    return this.#follow(this.#changes, () => this.#namespaces);
  }

  observe(namespace: string): Observable<Activity<VersionedDtab | null>> {
    const changes = this.#changes.pipe(filter(changed => changed === namespace));
    return this.#follow(changes, () => this.#dtabs.get(namespace) ?? null);
  }

  create(namespace: string, dtab: Dtab, authorship: Authorship = {}): Promise<Version> {
    return this.#inTurn(namespace, () => {
      if (this.#dtabs.has(namespace)) throw new LinkerdTcpError('STORE_EXISTS', { namespace, store: this.#store });
      return this.#write(namespace, dtab, authorship);
    });
  }

  update(namespace: string, dtab: Dtab, version: Version | undefined, authorship: Authorship = {}): Promise<Version> {
    return this.#inTurn(namespace, () => {
      this.#checkCurrent(namespace, version);
      return this.#write(namespace, dtab, authorship);
    });
  }

  put(namespace: string, dtab: Dtab, authorship: Authorship = {}): Promise<Version> {
    return this.#inTurn(namespace, () => this.#write(namespace, dtab, authorship));
  }

  delete(namespace: string, version?: Version, authorship: Authorship = {}): Promise<void> {
    return this.#inTurn(namespace, async () => {
      this.#checkCurrent(namespace, version);
      await this.#journal.delete(namespace, authorship);
      this.#dtabs.delete(namespace);
      this.#namespaces = this.#namespaces.filter(name => name !== namespace);
      this.#changes.next(namespace);
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#changes.complete();
    await this.#journal.close();
  }

  /** Reads when notified of a change, not before: an observer that writes is never followed by an older value. */
  #follow<T>(changes: Observable<string>, read: () => T): Observable<Activity<T>> {
    return new Observable(out => {
      if (this.#isClosed) return out.complete();
      return changes
        .pipe(
          startWith(undefined),
          map(read),
          distinctUntilChanged(),
          map(value => ok(value)),
        )
        .subscribe(out);
    });
  }

  async #inTurn<T>(namespace: string, write: () => Promise<T>): Promise<T> {
    const action = `write namespace ${namespace}`;
    this.#checkOpen(action);
    const reason = namespaceProblem(namespace);
    if (reason !== undefined) throw this.#invalid(namespace, reason);
    return this.#writes.observe(namespace, () => this.#beforeTimeout(action, write));
  }

  async #beforeTimeout<T>(action: string, write: () => Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    let state: 'waiting' | 'writing' | 'late' = 'waiting';
    const timer = setTimeout(() => {
      const isUnwritten = state === 'waiting';
      state = 'late';
      const hint = isUnwritten ? 'nothing was written; try again once the disk answers' : uncertainHint;
      late.reject(this.#unavailable(action, `no answer within ${this.#writeTimeoutMs} ms`, hint));
    }, this.#writeTimeoutMs);
    const turn = this.#lastWrite.then(() => {
      if (state === 'late') return late.promise;
      state = 'writing';
      this.#checkOpen(action);
      return write();
    });
    this.#lastWrite = turn.catch(() => undefined);
    try {
      return await Promise.race([turn, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #write(namespace: string, dtab: Dtab, authorship: Authorship): Promise<Version> {
    const isNew = !this.#dtabs.has(namespace);
    const reason = isNew ? newNamespaceProblem(namespace) : undefined;
    if (reason !== undefined) throw this.#invalid(namespace, reason);
    const written = await this.#journal.write(namespace, dtab, authorship);
    if (isNew) this.#namespaces = [...this.#namespaces, namespace].toSorted();
    this.#dtabs.set(namespace, written);
    this.#changes.next(namespace);
    return written.version;
  }

  #checkCurrent(namespace: string, version: Version | undefined): void {
    const current = this.#dtabs.get(namespace);
    if (current === undefined) throw new LinkerdTcpError('STORE_MISSING', { namespace, store: this.#store });
    if (version !== undefined && Buffer.compare(current.version, version) !== 0)
      throw new LinkerdTcpError('STORE_CONFLICT', { namespace, store: this.#store });
  }

  #checkOpen(action: string): void {
    if (this.#isClosed) throw this.#unavailable(action, 'the store is closed', 'namerd is stopping; ask another one');
  }

  #invalid(namespace: string, reason: string): LinkerdTcpError {
    return new LinkerdTcpError('STORE_NAMESPACE_INVALID', { namespace, store: this.#store, reason });
  }

  #unavailable(action: string, reason: string, hint: string): LinkerdTcpError {
    return new LinkerdTcpError('STORE_UNAVAILABLE', { action, store: this.#store, reason, hint });
  }
}

/** The version after `n - 1` others: 8 bytes, the most significant first. */
export function countedVersion(n: number): Version {
  const version = new Uint8Array(8);
  new DataView(version.buffer).setBigUint64(0, BigInt(n));
  return version;
}

/** The `n` of {@link countedVersion}; undefined for bytes that it never returns. */
export function countOf(version: Version): number | undefined {
  if (version.length !== 8) return undefined;
  const n = new DataView(version.buffer, version.byteOffset).getBigUint64(0);
  return n > 0n && n <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(n) : undefined;
}
