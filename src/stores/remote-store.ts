/**
 * A store whose source of truth is a backend elsewhere: one watch of all of it, shared by all observers and open only while there
 * are any; writes with a timeout, visible here before they are answered.
 *
 * A failure of the watch leaves everything as it was, marked `unconfirmed`; the watch begins again with backoff, and without it
 * after a write that succeeds.
 */
import { distinctUntilChanged, filter, map, Observable, type Observer, Subject, Subscription, startWith } from 'rxjs';
import type { Dtab } from '../dtab/dtab.ts';
import { showDtab } from '../dtab/show.ts';
import { LinkerdTcpError, reasonOf } from '../errors.ts';
import { type Activity, sameActivity } from '../live/activity.ts';
import { type Retries, retryWithBackoff } from '../live/last-good.ts';
import { type Backend, type Report, uncertainHint, type Written } from './backend.ts';
import type { StoreContext } from './kind.ts';
import { newNamespaceProblem } from './namespace.ts';
import { type KeyState, ReplicaCache } from './replica-cache.ts';
import type { DtabStore, StoreHealth, Version, VersionedDtab } from './store.ts';
import { UnreadableLog } from './unreadable-log.ts';
import { WriteHealth } from './write-health.ts';

export interface RemoteStoreOptions extends Pick<StoreContext, 'log' | 'random'> {
  /** Its name in messages, e.g. `io.l5d.etcd (http://127.0.0.1:2379)`. */
  readonly store: string;
  readonly backend: Backend;
  readonly writeTimeoutMs?: number;
  /** The longest waits before the watch begins again: after the first failure, and ever. */
  readonly retries?: Pick<Retries, 'baseMs' | 'maxMs'>;
}

const defaultRetries = { baseMs: 250, maxMs: 10_000 };
/** Less than namerd's clients wait for an answer. */
const defaultWriteTimeoutMs = 5000;

export class RemoteStore implements DtabStore {
  readonly #options: RemoteStoreOptions;
  readonly #cache = new ReplicaCache();
  /** The namespace that may have changed; null means all. */
  readonly #changes = new Subject<string | null>();
  /** Ends the wait before the watch begins again. */
  readonly #wake = new Subject<void>();
  readonly #writes: WriteHealth;
  readonly #unreadable = new UnreadableLog();
  #watch: Subscription | undefined;
  #observers = 0;
  #failure: string | undefined;
  #isClosed = false;

  constructor(options: RemoteStoreOptions) {
    this.#options = options;
    this.#writes = new WriteHealth(options.store, options.log);
  }

  /** Watches upstream at this moment: one, or none. */
  get watches(): number {
    return this.#watch === undefined ? 0 : 1;
  }

  get health(): StoreHealth {
    return { unreadable: this.#cache.unreadable, writeFailure: this.#writes.failure };
  }

  list(): Observable<Activity<readonly string[]>> {
    return this.#follow(this.#changes, () => this.#cache.list());
  }

  observe(namespace: string): Observable<Activity<VersionedDtab | null>> {
    const changes = this.#changes.pipe(filter(changed => changed === null || changed === namespace));
    return this.#follow(changes, () => this.#cache.observe(namespace));
  }

  async create(namespace: string, dtab: Dtab): Promise<Version> {
    this.#checkNew(namespace);
    return this.#write(namespace, dtab, backend => backend.create(namespace, dtab));
  }

  async update(namespace: string, dtab: Dtab, version: Version | undefined): Promise<Version> {
    return this.#write(namespace, dtab, backend => backend.update(namespace, dtab, version));
  }

  async put(namespace: string, dtab: Dtab): Promise<Version> {
    if (!this.#cache.has(namespace)) this.#checkNew(namespace);
    return this.#write(namespace, dtab, backend => backend.put(namespace, dtab));
  }

  async delete(namespace: string, version?: Version): Promise<void> {
    this.#written(await this.#attempt(namespace, backend => backend.delete(namespace, version)));
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
    const attempt = new Observable<() => void>(out => {
      this.#cache.snapshotRequested();
      const observer: Observer<Report> = {
        next: report => {
          if (report.type === 'snapshotRequested') this.#cache.snapshotRequested();
          else out.next(() => this.#reported(report));
        },
        error: error => out.error(this.#watchFailure(error)),
        complete: () => out.error(this.#watchFailure('the watch has ended')),
      };
      return backend.watch().subscribe(observer);
    });
    const watch = new Subscription();
    this.#watch = watch;
    const failure = (error: Error) => () => this.#failed(error);
    const retried = attempt.pipe(retryWithBackoff(failure, { ...retries, random, wake: this.#wake }));
    watch.add(retried.subscribe(take => take()));
  }

  #end(): void {
    this.#watch?.unsubscribe();
    this.#watch = undefined;
    this.#failure = undefined;
    this.#cache.clear();
    this.#unreadable.clear();
  }

  #reported(report: Exclude<Report, { type: 'snapshotRequested' }>): void {
    if (report.type === 'changed') this.#cache.takeWatched(report.keyState);
    else this.#cache.takeSnapshot(report.snapshot);
    if (report.type === 'snapshot' && report.unconfirmed !== undefined)
      return this.#failed(this.#watchFailure(report.unconfirmed));
    if (this.#failure !== undefined) this.#options.log.info(`${this.#options.store}: the watch recovered`);
    this.#failure = undefined;
    this.#changed(report.type === 'changed' ? report.keyState.namespace : null);
  }

  #failed(error: Error): void {
    if (this.#failure !== error.message) this.#options.log.warn(error.message);
    this.#failure = error.message;
    this.#cache.fail(error);
    this.#changed(null);
  }

  #changed(namespace: string | null): void {
    const { log, store } = this.#options;
    this.#unreadable.compare(this.#cache, log, store);
    this.#changes.next(namespace);
  }

  async #write(namespace: string, dtab: Dtab, run: (backend: Backend) => Promise<Written>): Promise<Version> {
    const { store, backend } = this.#options;
    const { maxTextBytes = Number.POSITIVE_INFINITY } = backend;
    const bytes = Buffer.byteLength(showDtab(dtab));
    if (bytes > maxTextBytes) {
      const reason = `its dtab has ${bytes} bytes, and the limit is ${maxTextBytes}`;
      throw new LinkerdTcpError('STORE_TOO_LARGE', { store, namespace, reason });
    }
    const keyState = await this.#attempt(namespace, run);
    this.#written(keyState);
    return keyState.stored.version;
  }

  /** The backend works: a watch that waits before it begins again need not wait any longer. */
  #written(keyState: KeyState): void {
    if (this.#watch === undefined) return;
    this.#cache.takeWritten(keyState);
    if (this.#failure !== undefined) {
      this.#cache.retry();
      this.#wake.next();
      this.#changed(null);
    } else this.#changed(keyState.namespace);
  }

  async #attempt<S>(namespace: string, run: (backend: Backend) => Promise<S>): Promise<S> {
    const { store, backend, writeTimeoutMs = defaultWriteTimeoutMs } = this.#options;
    const action = `write namespace ${namespace}`;
    if (this.#isClosed) throw this.#explained('the store is closed', action, 'namerd is stopping; ask another one');
    const reason = backend.namespaceProblem(namespace);
    if (reason !== undefined) throw new LinkerdTcpError('STORE_NAMESPACE_INVALID', { namespace, store, reason });
    return this.#writes.observe(namespace, async () => {
      const late = Promise.withResolvers<never>();
      const timer = setTimeout(() => {
        late.reject(this.#explained(`no answer within ${writeTimeoutMs} ms`, action, uncertainHint));
      }, writeTimeoutMs);
      try {
        return await Promise.race([run(backend), late.promise]);
      } catch (error) {
        throw this.#explained(error, action, 'reads go on; try again once writes work');
      } finally {
        clearTimeout(timer);
      }
    });
  }

  #checkNew(namespace: string): void {
    const { store, backend } = this.#options;
    const reason = backend.namespaceProblem(namespace) ?? newNamespaceProblem(namespace);
    if (reason !== undefined) throw new LinkerdTcpError('STORE_NAMESPACE_INVALID', { namespace, store, reason });
  }

  #watchFailure(error: unknown): LinkerdTcpError {
    return this.#explained(error, 'watch its namespaces', 'retrying');
  }

  #explained(error: unknown, action: string, hint: string): LinkerdTcpError {
    if (error instanceof LinkerdTcpError) return error;
    const details = { store: this.#options.store, action, reason: reasonOf(error), hint };
    return new LinkerdTcpError('STORE_UNAVAILABLE', details, { cause: error });
  }
}
