/**
 * The members of an etcd cluster, used one at a time: the next one's turn comes when a call has failed by the member's fault.
 *
 * A write goes to another member only if it has certainly had no effect. A watch stays with one member to its end.
 */
import {
  defer,
  from,
  lastValueFrom,
  type Observable,
  of,
  raceWith,
  retry,
  Subject,
  switchMap,
  tap,
  throwError,
} from 'rxjs';
import { monotonicNow } from '../../io/clock.ts';
import type { TlsSource } from '../http/connector.ts';
import { outcomeOf } from '../outcome.ts';
import { EtcdConnection, type Member, type Metadata, type Methods } from './connection.ts';
import { isAuthOff, isForbidden, isMembersFault, isTokensFault, loginFailure } from './failure.ts';
import type {
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
  WatchCreateRequest,
  WatchResponse,
} from './messages.ts';

export interface EtcdLogin {
  readonly username: string;
  /** Asked again for every new token. */
  readonly password: () => string;
}

export interface EtcdClusterOptions {
  readonly members: readonly Member[];
  /** Asked at each new connection. */
  readonly tls?: TlsSource | undefined;
  readonly login?: EtcdLogin | undefined;
  /** For each request. */
  readonly timeoutMs: number;
  /** Uniform in [0, 1): chooses the first member. */
  readonly random?: () => number;
}

/** One member, for as long as it works. */
export interface EtcdSession {
  range(request: RangeRequest): Observable<RangeResponse>;
  /** Errs also when its member has lost the leader. */
  watch(request: WatchCreateRequest): Observable<WatchResponse>;
}

export class EtcdCluster {
  readonly #options: EtcdClusterOptions;
  readonly #closed = new Subject<never>();
  #isClosed = false;
  #turn: number;
  #current: EtcdConnection | undefined;
  /** Empty where none is needed. */
  #token: Promise<string> | undefined;

  constructor(options: EtcdClusterOptions) {
    this.#options = options;
    // So that namerds which start together do not all use the first member.
    this.#turn = Math.floor((options.random ?? Math.random)() * options.members.length);
  }

  /** @param use whatever errs in it ends the use of that member */
  follow<T>(use: (session: EtcdSession) => Observable<T>): Observable<T> {
    return defer(() => {
      const connection = this.#connection();
      const session: EtcdSession = {
        range: request => this.#call(connection, 'Range', request, this.#deadline()),
        watch: request => this.#call(connection, 'Watch', { createRequest: request }),
      };
      return use(session).pipe(tap({ error: () => this.#leave(connection) }));
    });
  }

  async txn(request: TxnRequest): Promise<TxnResponse> {
    const deadline = this.#deadline();
    // Once more than there are members: the first connection may be given up by others before its turn.
    for (let left = this.#options.members.length; ; left--) {
      const connection = this.#connection();
      try {
        return await lastValueFrom(this.#call(connection, 'Txn', request, deadline).pipe(raceWith(this.#closed)));
      } catch (error) {
        if (!isMembersFault(error)) throw error;
        this.#leave(connection);
        if (left === 0 || outcomeOf(error) !== 'none' || monotonicNow() >= deadline) throw error;
      }
    }
  }

  /** Writes under way fail; watches are their observers' to end. */
  close(): void {
    this.#isClosed = true;
    this.#closed.error(new Error('it is closed'));
    this.#current?.retire();
  }

  #deadline(): number {
    return monotonicNow() + this.#options.timeoutMs;
  }

  #connection(): EtcdConnection {
    if (this.#isClosed) throw new Error('it is closed');
    const { members, tls } = this.#options;
    if (this.#current === undefined || this.#current.isRetired)
      this.#current = new EtcdConnection(members[this.#turn % members.length]!, tls?.());
    return this.#current;
  }

  #leave(connection: EtcdConnection): void {
    if (this.#current === connection) {
      this.#current = undefined;
      this.#turn++;
    }
    connection.retire();
  }

  /**
   * A token that is no longer valid is replaced once. So is the empty one when a permission is missing: authentication may have been
   * enabled since, and a connection with a client certificate then counts as the user whom the certificate names.
   *
   * @param deadline for the login alone where there is none for the call
   */
  #call<M extends keyof Methods>(
    connection: EtcdConnection,
    method: M,
    request: Methods[M]['request'],
    deadline?: number,
  ): Observable<Methods[M]['response']> {
    let used: Promise<string>;
    let sent = '';
    return defer(() => {
      used = this.#token ??= this.#login(connection, deadline ?? this.#deadline());
      return from(used);
    }).pipe(
      switchMap(token => {
        sent = token;
        const metadata: Metadata = { ...(token !== '' && { token }), ...(method === 'Watch' && { hasleader: 'true' }) };
        return connection.call(method, request, metadata, deadline);
      }),
      retry({
        count: 1,
        delay: error => {
          const isStale = isTokensFault(error) || (sent === '' && isForbidden(error));
          if (this.#options.login === undefined || !isStale) return throwError(() => error);
          if (this.#token === used) this.#token = undefined;
          return of(undefined);
        },
      }),
    );
  }

  /** A login that fails is tried again by the next call. */
  #login(connection: EtcdConnection, deadline: number): Promise<string> {
    const token = this.#authenticate(connection, deadline);
    token.catch(() => {
      if (this.#token === token) this.#token = undefined;
    });
    return token;
  }

  async #authenticate(connection: EtcdConnection, deadline: number): Promise<string> {
    const { login } = this.#options;
    if (login === undefined) return '';
    try {
      const request = { name: login.username, password: login.password() };
      const call = connection.call('Authenticate', request, {}, deadline);
      return (await lastValueFrom(call.pipe(raceWith(this.#closed)))).token;
    } catch (error) {
      if (isAuthOff(error)) return '';
      throw loginFailure(error);
    }
  }
}
