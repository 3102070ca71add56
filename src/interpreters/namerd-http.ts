/**
 * Binds names through a namerd's HTTP API.
 *
 * With a namerd that streams: one watch for the tree of each name, one for the addresses of each bound id in it, shared between
 * trees. A tree line that changes no name is not passed on, and does not disturb the address watches (two-level stability).
 * Weighted unions stay unions, so that the proxy draws a branch per connection.
 *
 * With a server that has no `bind` (404, 405 or 501): polls `resolve` and makes a tree of one leaf, whose id is the path itself.
 * It asks for `bind` again from time to time, and after every failed poll: a missing page is also what a front end says whose
 * namerd is away. Nothing replaces the last good tree until the new way has given an answer.
 */
import {
  BehaviorSubject,
  catchError,
  distinctUntilChanged,
  EMPTY,
  map,
  type Observable,
  startWith,
  switchMap,
  tap,
} from 'rxjs';
import type { NamerdClient } from '../clients/namerd/cluster.ts';
import { Heartbeats } from '../clients/namerd/heartbeats.ts';
import { poll } from '../clients/namerd/poll.ts';
import { TroubleLog } from '../clients/namerd/trouble-log.ts';
import { type RequestObserver, type WatchOptions, type WatchStatus, watch } from '../clients/namerd/watch.ts';
import type { Dtab } from '../dtab/dtab.ts';
import { leaf, type NameTree } from '../dtab/name-tree.ts';
import type { Path } from '../dtab/path.ts';
import { showDtab, showPath } from '../dtab/show.ts';
import { LinkerdTcpError, reasonOf } from '../errors.ts';
import { type Activity, ok, pending } from '../live/activity.ts';
import type { BackoffLimits } from '../live/backoff.ts';
import type { Clock } from '../live/clock.ts';
import { markLastGood } from '../live/last-good.ts';
import { SharedByKey } from '../live/shared-by-key.ts';
import type { Log } from '../log.ts';
import { type Addr, sameAddr } from '../naming/addr.ts';
import type { Delegation } from '../naming/delegation.ts';
import type { Interpreter } from '../naming/interpreter.ts';
import { decodeAddr } from '../naming/json/addr.ts';
import { decodeBoundTree } from '../naming/json/bound-tree.ts';
import { decodeDelegation } from '../naming/json/delegation.ts';
import type { Bound } from '../naming/name.ts';
import { sameBounds } from '../naming/same.ts';

export interface NamerdHttpOptions {
  readonly client: NamerdClient;
  readonly namespace: string;
  readonly periodMs: number;
  readonly backoff: BackoffLimits;
  readonly watchIdleTimeoutMs: number;
  readonly heartbeats?: Heartbeats;
  readonly maxDocumentBytes: number;
  /** How often a server without `bind` is asked whether it has it now. */
  readonly probeMs: number;
  /** How long a watch outlives its last observer. */
  readonly lingerMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly observer: RequestObserver;
}

export class NamerdHttpInterpreter implements Interpreter {
  readonly #options: NamerdHttpOptions;
  readonly #trouble: TroubleLog;
  readonly #running = new Set<WatchStatus>();
  readonly #trees: SharedByKey<Activity<NameTree<Bound>>>;
  readonly #addrs: SharedByKey<Addr>;
  readonly #polls: SharedByKey<Activity<Addr>>;
  readonly #way = new BehaviorSubject<'watch' | 'poll'>('watch');
  readonly #heartbeats: Heartbeats;
  #saidMissing = false;

  constructor(options: NamerdHttpOptions) {
    this.#options = options;
    this.#trouble = new TroubleLog(options.log, () => options.client.url(''));
    this.#heartbeats = options.heartbeats ?? new Heartbeats();
    this.#trees = new SharedByKey(options.lingerMs);
    this.#addrs = new SharedByKey(options.lingerMs);
    this.#polls = new SharedByKey(options.lingerMs);
  }

  bind(dtab: Dtab, path: Path): Observable<Activity<NameTree<Bound>>> {
    const query = queryOf(dtab, path);
    return this.#trees.get(query, () =>
      this.#way.pipe(
        distinctUntilChanged(),
        switchMap(way => (way === 'watch' ? this.#watchTree(query) : this.#pollTree(query, path))),
        startWith(pending),
        markLastGood(),
        distinctUntilChanged(sameBounds),
      ),
    );
  }

  async delegate(dtab: Dtab, path: Path): Promise<Delegation> {
    const target = this.#target('delegate', queryOf(dtab, path));
    const document = await this.#options.client.get(target);
    return this.#decoded(target, () => decodeDelegation(document));
  }

  /** The watches that are running now. */
  status(): readonly Readonly<WatchStatus>[] {
    return Array.from(this.#running, status => ({ ...status }));
  }

  /** Ends all watches and closes all connections. */
  close(): Promise<void> {
    for (const shared of [this.#trees, this.#addrs, this.#polls]) shared.close();
    return this.#options.client.close();
  }

  #watchTree(query: string): Observable<Activity<NameTree<Bound>>> {
    const target = this.#target('bind', `${query}&watch=1`);
    const decode = (json: unknown) => decodeBoundTree(json, (id, snapshot) => this.#addrOf(id, snapshot));
    return this.#watch(target, decode, isWithoutBind).pipe(
      this.#trouble.follow(target),
      catchError(error => {
        this.#sayMissing(error);
        this.#way.next('poll');
        return EMPTY;
      }),
    );
  }

  /** `snapshot` is the addresses as the tree line had them: what is known until the watch has answered. */
  #addrOf(id: Path, snapshot: Addr): Observable<Addr> {
    const target = this.#target('addr', `?path=${encodeURIComponent(showPath(id))}&watch=1`);
    return this.#addrs.get(target, () =>
      this.#watch(target, goodAddr).pipe(
        this.#trouble.follow(target),
        map(addrOfActivity),
        startWith(snapshot.state === 'bound' ? snapshot : (pending as Addr)),
        markLastGood(),
        distinctUntilChanged(sameAddr),
      ),
    );
  }

  #watch<T>(
    target: string,
    decode: (json: unknown) => T,
    isFinal?: WatchOptions<T>['isFinal'],
  ): Observable<Activity<T>> {
    const { client, clock, backoff, watchIdleTimeoutMs, maxDocumentBytes, observer } = this.#options;
    return watch(target, {
      decode: document => this.#decoded(target, () => decode(document)),
      idleTimeoutMs: watchIdleTimeoutMs,
      heartbeats: this.#heartbeats,
      running: this.#running,
      client,
      clock,
      backoff,
      maxDocumentBytes,
      observer,
      isFinal,
    });
  }

  #pollTree(query: string, path: Path): Observable<Activity<NameTree<Bound>>> {
    const polls = this.#polls.get(query, () => this.#poll(query));
    const addr = polls.pipe(
      map(addrOfActivity),
      startWith(pending as Addr),
      markLastGood(),
      distinctUntilChanged(sameAddr),
    );
    const tree = ok(leaf<Bound>({ id: path, residual: [], addr }));
    return polls.pipe(map(answer => (answer.state === 'ok' ? tree : answer)));
  }

  #poll(query: string): Observable<Activity<Addr>> {
    const { client, clock, periodMs, probeMs, observer } = this.#options;
    const target = this.#target('resolve', query);
    let probedAt = clock.now();
    let mayHaveChanged = false;
    const ask = async (signal: AbortSignal): Promise<Addr> => {
      if (mayHaveChanged || clock.now() - probedAt >= probeMs) {
        probedAt = clock.now();
        if (await this.#hasBind(query, signal)) this.#way.next('watch');
      }
      const document = await client.get(target, signal);
      return this.#decoded(target, () => goodAddr(document));
    };
    return poll(ask, { url: client.url(target), periodMs, clock, observer, running: this.#running }).pipe(
      tap(answer => {
        mayHaveChanged = answer.state === 'failed';
      }),
      this.#trouble.follow(target),
    );
  }

  /** Rejects where neither yes nor no is known. */
  async #hasBind(query: string, signal: AbortSignal): Promise<boolean> {
    const enough = new AbortController();
    try {
      const target = this.#target('bind', `${query}&watch=1`);
      await this.#options.client.open(target, AbortSignal.any([signal, enough.signal]));
      return true;
    } catch (error) {
      if (isWithoutBind(error)) return false;
      throw error;
    } finally {
      enough.abort();
    }
  }

  #sayMissing(error: Error): void {
    if (this.#saidMissing) return;
    this.#saidMissing = true;
    this.#options.log.warn(
      `${error.message}: this server has no streaming bind, or there is no namerd below that address (check the path of baseUrl); ` +
        `polling resolve every ${this.#options.periodMs / 1000} s instead`,
    );
  }

  #target(endpoint: string, query: string): string {
    return `/api/1/${endpoint}/${this.#options.namespace}${query}`;
  }

  #decoded<T>(target: string, decode: () => T): T {
    try {
      return decode();
    } catch (error) {
      const url = this.#options.client.url(target);
      throw new LinkerdTcpError('NAMERD_ANSWER', { url, reason: reasonOf(error) }, { cause: error });
    }
  }
}

const queryOf = (dtab: Dtab, path: Path): string =>
  `?path=${encodeURIComponent(showPath(path))}${dtab.length === 0 ? '' : `&dtab=${encodeURIComponent(showDtab(dtab))}`}`;

const addrOfActivity = (activity: Activity<Addr>): Addr => (activity.state === 'ok' ? activity.value : activity);

/** A failure that namerd reports of a namer is one like its own: what was known before it stays. */
const goodAddr = (json: unknown): Addr => {
  const addr = decodeAddr(json);
  if (addr.state === 'failed') throw addr.error;
  return addr;
};

/** The server does not know the endpoint; one that knows it answers unknown names with a tree. */
const isWithoutBind = (error: unknown): error is LinkerdTcpError =>
  error instanceof LinkerdTcpError &&
  error.code === 'NAMERD_STATUS' &&
  [404, 405, 501].includes(Number(error.details['status']));
