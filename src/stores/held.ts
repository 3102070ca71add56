/**
 * A store that holds every namespace in memory and is its own source of truth: reads never fail, writes are seen at once.
 *
 * A {@link Journal} makes each write last before anyone sees it. Checks and write are one synchronous step, so writes that
 * race for one version are in order without a lock.
 */
import { distinctUntilChanged, filter, map, Observable, Subject, startWith } from 'rxjs';
import type { Dtab } from '../dtab/dtab.ts';
import { LinkerdTcpError } from '../errors.ts';
import { type Activity, ok } from '../live/activity.ts';
import { namespaceProblem } from './namespace.ts';
import type { DtabStore, PastDtab, Version, VersionedDtab } from './store.ts';

/** Each throws a LinkerdTcpError where it fails, and then nothing has changed. */
export interface Journal {
  write(namespace: string, dtab: Dtab): VersionedDtab;
  delete(namespace: string): void;
  history?(namespace: string): readonly PastDtab[];
  close(): void;
}

export class HeldStore implements DtabStore {
  /** Absent where the journal keeps none. */
  readonly history?: (namespace: string) => Promise<readonly PastDtab[]>;

  readonly #store: string;
  readonly #journal: Journal;
  readonly #held: Map<string, VersionedDtab>;
  /** Replaced whole when a namespace comes or goes, and only then. */
  #namespaces: readonly string[];
  readonly #changes = new Subject<string>();
  #isClosed = false;

  /** @param store what messages call it */
  constructor(store: string, journal: Journal, held: Iterable<readonly [string, VersionedDtab]>) {
    this.#store = store;
    this.#journal = journal;
    this.#held = new Map(held);
    this.#namespaces = [...this.#held.keys()].toSorted();
    if (journal.history !== undefined)
      this.history = async namespace => {
        this.#checkOpen(`read the history of namespace ${namespace}`);
        return journal.history!(namespace);
      };
  }

  list(): Observable<Activity<readonly string[]>> {
    return this.#follow(this.#changes, () => this.#namespaces);
  }

  observe(namespace: string): Observable<Activity<VersionedDtab | null>> {
    const changes = this.#changes.pipe(filter(changed => changed === namespace));
    return this.#follow(changes, () => this.#held.get(namespace) ?? null);
  }

  async create(namespace: string, dtab: Dtab): Promise<Version> {
    this.#checkWrite(namespace);
    if (this.#held.has(namespace)) throw new LinkerdTcpError('STORE_EXISTS', { namespace, store: this.#store });
    return this.#write(namespace, dtab);
  }

  async update(namespace: string, dtab: Dtab, version: Version): Promise<Version> {
    this.#checkWrite(namespace);
    this.#checkVersion(namespace, this.#present(namespace), version);
    return this.#write(namespace, dtab);
  }

  async put(namespace: string, dtab: Dtab): Promise<Version> {
    this.#checkWrite(namespace);
    return this.#write(namespace, dtab);
  }

  async delete(namespace: string, version?: Version): Promise<void> {
    this.#checkWrite(namespace);
    const present = this.#present(namespace);
    if (version !== undefined) this.#checkVersion(namespace, present, version);
    this.#journal.delete(namespace);
    this.#held.delete(namespace);
    this.#namespaces = this.#namespaces.filter(name => name !== namespace);
    this.#changes.next(namespace);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#changes.complete();
    this.#journal.close();
  }

  /** Reads when told of a change, not before: who writes from inside an observer is never followed by an older value. */
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

  #write(namespace: string, dtab: Dtab): Version {
    const written = this.#journal.write(namespace, dtab);
    if (!this.#held.has(namespace)) this.#namespaces = [...this.#namespaces, namespace].toSorted();
    this.#held.set(namespace, written);
    this.#changes.next(namespace);
    return written.version;
  }

  #present(namespace: string): VersionedDtab {
    const present = this.#held.get(namespace);
    if (present === undefined) throw new LinkerdTcpError('STORE_MISSING', { namespace, store: this.#store });
    return present;
  }

  #checkVersion(namespace: string, present: VersionedDtab, version: Version): void {
    if (Buffer.compare(present.version, version) !== 0)
      throw new LinkerdTcpError('STORE_CONFLICT', { namespace, store: this.#store });
  }

  #checkWrite(namespace: string): void {
    this.#checkOpen(`write namespace ${namespace}`);
    const reason = namespaceProblem(namespace);
    if (reason !== undefined)
      throw new LinkerdTcpError('STORE_NAMESPACE_INVALID', { namespace, store: this.#store, reason });
  }

  #checkOpen(action: string): void {
    if (!this.#isClosed) return;
    const details = { action, store: this.#store, reason: 'it is closed', hint: 'namerd is stopping; ask another one' };
    throw new LinkerdTcpError('STORE_UNAVAILABLE', details);
  }
}

/** The version after `n - 1` others: 8 bytes, the most significant first. */
export function countedVersion(n: number): Version {
  const version = new Uint8Array(8);
  new DataView(version.buffer).setBigUint64(0, BigInt(n));
  return version;
}
