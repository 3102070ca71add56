/**
 * A store whose truth is elsewhere: one watch of all of it, shared by whoever looks at a namespace or at the list, and only while
 * somebody does; writes with a bound on their time, seen here before they are answered.
 *
 * A backend (etcd/, zookeeper/, …) knows the protocol; what is the same for all of them is here. Failures of the watch
 * leave everything as it was, marked `unconfirmed`; it begins anew with backoff, for ever.
 */
import { distinctUntilChanged, filter, map, Observable, type Observer, Subject, Subscription, startWith } from 'rxjs';
import type { Dtab } from '../dtab/dtab.ts';
import { parseDtab } from '../dtab/parse.ts';
import { LinkerdTcpError, reasonOf } from '../errors.ts';
import { type Activity, sameActivity } from '../live/activity.ts';
import { type Retries, retryWithBackoff } from '../live/last-good.ts';
import type { StoreContext } from './kind.ts';
import { type Fact, Mirror, type Snapshot } from './mirror.ts';
import type { DtabStore, Version, VersionedDtab } from './store.ts';

/**
 * A watch tells a snapshot, no older than its beginning; then facts in the order of their revisions, or further snapshots. These
 * are no older than the last `asked` before them.
 */
export type Report =
  | { readonly type: 'asked' }
  /** `unconfirmed` says why there may be something newer. */
  | { readonly type: 'snapshot'; readonly snapshot: Snapshot; readonly unconfirmed?: Error }
  | { readonly type: 'fact'; readonly fact: Fact };

/** A fact about a namespace that is there. */
export interface Written extends Fact {
  readonly stored: NonNullable<Fact['stored']>;
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
  delete(namespace: string, version?: Version): Promise<Fact>;
  close(): Promise<void>;
}

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
  readonly #mirror = new Mirror();
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
    return this.#follow(this.#changes, () => this.#mirror.list());
  }

  observe(namespace: string): Observable<Activity<VersionedDtab | null>> {
    const changes = this.#changes.pipe(filter(changed => changed === null || changed === namespace));
    return this.#follow(changes, () => this.#mirror.observe(namespace));
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
    const mirror = this.#mirror;
    const attempt = new Observable<() => void>(out => {
      mirror.asked();
      const take = (report: Exclude<Report, { type: 'asked' }>) => {
        if (report.type === 'fact') mirror.takeWatched(report.fact);
        else mirror.takeSnapshot(report.snapshot);
        if (report.type === 'snapshot' && report.unconfirmed !== undefined)
          return this.#failed(this.#told(report.unconfirmed, 'be watched', 'it is tried again'));
        this.#recovered();
        this.#changes.next(report.type === 'fact' ? report.fact.namespace : null);
      };
      const observer: Observer<Report> = {
        next: report => {
          if (report.type === 'asked') mirror.asked();
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
    this.#mirror.clear();
  }

  #failed(error: Error): void {
    if (this.#failure !== error.message) this.#options.log.warn(error.message);
    this.#failure = error.message;
    this.#mirror.fail(error);
    this.#changes.next(null);
  }

  #recovered(): void {
    if (this.#failure !== undefined) this.#options.log.info(`${this.#options.store} is watched again`);
    this.#failure = undefined;
  }

  async #write(namespace: string, run: (backend: Backend) => Promise<Written>): Promise<Version> {
    const fact = await this.#attempt(namespace, run);
    this.#taken(fact);
    return fact.stored.version;
  }

  #taken(fact: Fact): void {
    if (this.#watch === undefined) return;
    this.#mirror.takeWritten(fact);
    this.#changes.next(fact.namespace);
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

/** What is stored as text: a dtab, or why it is none. */
export function readStoredDtab(store: string, namespace: string, text: string): Dtab | LinkerdTcpError {
  try {
    return parseDtab(text);
  } catch (error) {
    return new LinkerdTcpError('STORE_UNREADABLE', { store, namespace, reason: reasonOf(error) }, { cause: error });
  }
}
