/**
 * A store whose truth is elsewhere: one watch of all of it, shared by whoever looks at a namespace or at the list, and only while
 * somebody does; writes with a bound on their time, seen here before they are answered.
 *
 * A backend (etcd/, zookeeper/, …) knows the protocol; what is the same for all of them is here. Failures of the watch
 * leave everything as it was, marked `unconfirmed`; it begins anew with backoff, for ever.
 */
import { distinctUntilChanged, filter, map, Observable, type Observer, Subject, Subscription, startWith } from 'rxjs';
import type { Dtab } from '../dtab/dtab.ts';
import { LinkerdTcpError, reasonOf } from '../errors.ts';
import { type Activity, sameActivity } from '../live/activity.ts';
import { type Retries, retryWithBackoff } from '../live/last-good.ts';
import type { Backend, Report, Written } from './backend.ts';
import type { StoreContext } from './kind.ts';
import { type KeyState, ReplicaCache } from './replica-cache.ts';
import type { DtabStore, Version, VersionedDtab } from './store.ts';

export interface RemoteStoreOptions extends Pick<StoreContext, 'log' | 'random'> {
  /** What messages call it, e.g. `io.l5d.etcd (http://127.0.0.1:2379)`. */
  readonly store: string;
  readonly backend: Backend;
  readonly writeTimeoutMs?: number;
  /** The longest waits before the watch begins anew: after the first failure, and ever. */
  readonly retries?: Pick<Retries, 'baseMs' | 'maxMs'>;
}

const defaultRetries = { baseMs: 250, maxMs: 10_000 };
/** Less than namerd's clients wait for an answer. */
const defaultWriteTimeoutMs = 5000;

export class RemoteStore implements DtabStore {
  readonly #options: RemoteStoreOptions;
  readonly #cache = new ReplicaCache();
  /** What may have changed: a namespace, or null for all of it. */
  readonly #changes = new Subject<string | null>();
  #watch: Subscription | undefined;
  #observers = 0;
  #failure: string | undefined;
  #isClosed = false;

  constructor(options: RemoteStoreOptions) {
    this.#options = options;
  }

  /** Watches upstream at this moment: one, or none. */
  get watches(): number {
    return this.#watch === undefined ? 0 : 1;
  }

  list(): Observable<Activity<readonly string[]>> {
    return this.#follow(this.#changes, () => this.#cache.list());
  }

  observe(namespace: string): Observable<Activity<VersionedDtab | null>> {
    const changes = this.#changes.pipe(filter(changed => changed === null || changed === namespace));
    return this.#follow(changes, () => this.#cache.observe(namespace));
  }

  async create(namespace: string, dtab: Dtab): Promise<Version> {
    return this.#write(namespace, backend => backend.create(namespace, dtab));
  }

  async update(namespace: string, dtab: Dtab, version: Version | undefined): Promise<Version> {
    return this.#write(namespace, backend => backend.update(namespace, dtab, version));
  }

  async put(namespace: string, dtab: Dtab): Promise<Version> {
    return this.#write(namespace, backend => backend.put(namespace, dtab));
  }

  async delete(namespace: string, version?: Version): Promise<void> {
    this.#taken(await this.#attempt(namespace, backend => backend.delete(namespace, version)));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#changes.complete();
    this.#end();
    await this.#options.backend.close();
  }

  #follow<T>(changes: Observable<unknown>, read: () => Activity<T>): Observable<Activity<T>> {
    return new Observable(out => {
      if (this.#isClosed) return out.complete();
      this.#observers++;
      out.add(() => {
        this.#observers--;
        if (this.#observers === 0) this.#end();
      });
      if (this.#watch === undefined) this.#begin();
      out.add(
        changes
          .pipe(
            startWith(undefined),
            map(read),
            distinctUntilChanged((a, b) => sameActivity(a, b, (x, y) => x === y)),
          )
          .subscribe(out),
      );
    });
  }

  #begin(): void {
    const { backend, random, retries = defaultRetries } = this.#options;
    const cache = this.#cache;
    const attempt = new Observable<() => void>(out => {
      cache.snapshotRequested();
      const take = (report: Exclude<Report, { type: 'snapshotRequested' }>) => {
        if (report.type === 'changed') cache.takeWatched(report.keyState);
        else cache.takeSnapshot(report.snapshot);
        if (report.type === 'snapshot' && report.unconfirmed !== undefined)
          return this.#failed(this.#told(report.unconfirmed, 'be watched', 'it is tried again'));
        this.#recovered();
        this.#changes.next(report.type === 'changed' ? report.keyState.namespace : null);
      };
      const observer: Observer<Report> = {
        next: report => {
          if (report.type === 'snapshotRequested') cache.snapshotRequested();
          else out.next(() => take(report));
        },
        error: error => out.error(this.#told(error, 'be watched', 'it is tried again')),
        complete: () => out.error(this.#told('the watch has ended', 'be watched', 'it is tried again')),
      };
      return backend.watch().subscribe(observer);
    });
    const watch = new Subscription();
    this.#watch = watch;
    const failure = (error: Error) => () => this.#failed(error);
    watch.add(attempt.pipe(retryWithBackoff(failure, { ...retries, random })).subscribe(take => take()));
  }

  #end(): void {
    this.#watch?.unsubscribe();
    this.#watch = undefined;
    this.#failure = undefined;
    this.#cache.clear();
  }

  #failed(error: Error): void {
    if (this.#failure !== error.message) this.#options.log.warn(error.message);
    this.#failure = error.message;
    this.#cache.fail(error);
    this.#changes.next(null);
  }

  #recovered(): void {
    if (this.#failure !== undefined) this.#options.log.info(`${this.#options.store} is watched again`);
    this.#failure = undefined;
  }

  async #write(namespace: string, run: (backend: Backend) => Promise<Written>): Promise<Version> {
    const keyState = await this.#attempt(namespace, run);
    this.#taken(keyState);
    return keyState.stored.version;
  }

  #taken(keyState: KeyState): void {
    if (this.#watch === undefined) return;
    this.#cache.takeWritten(keyState);
    this.#changes.next(keyState.namespace);
  }

  async #attempt<F>(namespace: string, run: (backend: Backend) => Promise<F>): Promise<F> {
    const { store, backend, writeTimeoutMs = defaultWriteTimeoutMs } = this.#options;
    const action = `write namespace ${namespace}`;
    if (this.#isClosed) throw this.#told('it is closed', action, 'namerd is stopping; ask another one');
    const reason = backend.namespaceProblem(namespace);
    if (reason !== undefined) throw new LinkerdTcpError('STORE_NAMESPACE_INVALID', { namespace, store, reason });
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const hint = 'it may still take effect: read the namespace before you try again';
      late.reject(this.#told(`it has not answered in ${writeTimeoutMs} ms`, action, hint));
    }, writeTimeoutMs);
    try {
      return await Promise.race([run(backend), late.promise]);
    } catch (error) {
      throw this.#told(error, action, 'try again once it works; reads go on');
    } finally {
      clearTimeout(timer);
    }
  }

  #told(error: unknown, action: string, hint: string): LinkerdTcpError {
    if (error instanceof LinkerdTcpError) return error;
    const details = { store: this.#options.store, action, reason: reasonOf(error), hint };
    return new LinkerdTcpError('STORE_UNAVAILABLE', details, { cause: error });
  }
}
