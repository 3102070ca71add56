/**
 * One watch: a stream of JSON documents that is opened again whenever it ends, until the subscriber leaves.
 *
 *   state       | headers 200 | a byte            | end, error, timeout  | silence        | timer
 *   ------------+-------------+-------------------+----------------------+----------------+-------------
 *   connecting  | → open      | -                 | report, → waiting    | -              | -
 *   open        | -           | emit whole docs   | report, → waiting    | see below      | -
 *   waiting     | -           | -                 | -                    | -              | → connecting
 *
 * Silence of a server that sends heartbeats is a failure (report, → waiting); of another one it is not (→ connecting).
 *
 * Failures are emitted between documents, not raised: the subscriber keeps its last value. A document that says nothing
 * understandable is one of them; its stream continues. Only a status that `isFinal` names
 * ends the Observable. A stream that lived shorter than the backoff's base does not reset the backoff, whatever it said.
 */
import type { Readable } from 'node:stream';
import { Observable, type Subscriber } from 'rxjs';
import { LinkerdTcpError, networkReason, reasonOf } from '../../errors.ts';
import { type Activity, failed, ok } from '../../live/activity.ts';
import { type BackoffLimits, backoffMs } from '../../live/backoff.ts';
import type { Clock } from '../../live/clock.ts';
import { JsonDocuments } from '../http/json-documents.ts';
import type { NamerdClient } from './cluster.ts';
import { Heartbeats } from './heartbeats.ts';

export interface WatchStatus {
  url: string;
  state: 'connecting' | 'open' | 'waiting';
  /** Times are of the clock in use; absent until it happens. */
  lastDocumentAt?: number;
  /** Any byte, heartbeats included: until then the last value is known to be current. */
  lastByteAt?: number;
  /** Since the last document. */
  lastError?: Error;
  /** How long the present wait is. */
  backoffMs?: number;
}

/** Told how requests end: each one that is answered or fails, each later document of a watch (then without a latency). */
export interface RequestObserver {
  requestDone(outcome: { readonly ok: boolean; readonly latencyMs?: number }): void;
  /** Another server of several is used from now on. */
  moved?(): void;
}

export interface WatchOptions<T> {
  /** Decodes a document. If it throws, the document fails and the stream continues. */
  readonly decode: (document: unknown) => T;
  readonly client: NamerdClient;
  readonly clock: Clock;
  readonly backoff: BackoffLimits;
  /**
   * A stream without a byte for this long is opened again (up to a tenth later, so that not all are at once), of a server that
   * sends no heartbeats: its silence says nothing.
   */
  readonly idleTimeoutMs: number;
  /** The server's heartbeats; share one among the watches of a server. */
  readonly heartbeats?: Heartbeats;
  readonly maxDocumentBytes: number;
  readonly observer: RequestObserver;
  /** The watches that are running now; each adds and removes itself. */
  readonly running: Set<WatchStatus>;
  /** Whether this error means that trying again is no use. */
  readonly isFinal?: (error: LinkerdTcpError) => boolean;
}

export function watch<T>(target: string, options: WatchOptions<T>): Observable<Activity<T>> {
  return new Observable(subscriber => {
    const running = new Watch(target, options, subscriber);
    running.connect();
    return () => running.stop();
  });
}

class Watch<T> {
  readonly #target: string;
  readonly #options: WatchOptions<T>;
  readonly #subscriber: Subscriber<Activity<T>>;
  readonly #status: WatchStatus;
  readonly #heartbeats: Heartbeats;
  #retry = 0;
  #connection = new AbortController();
  #cancelTimer = () => {};

  constructor(target: string, options: WatchOptions<T>, subscriber: Subscriber<Activity<T>>) {
    this.#target = target;
    this.#options = options;
    this.#subscriber = subscriber;
    this.#heartbeats = options.heartbeats ?? new Heartbeats();
    this.#status = { url: options.client.url(target), state: 'connecting' };
    options.running.add(this.#status);
  }

  connect(): void {
    const { client, clock } = this.#options;
    this.#status.state = 'connecting';
    this.#status.url = client.url(this.#target);
    this.#status.backoffMs = undefined;
    const connection = new AbortController();
    this.#connection = connection;
    const startedAt = clock.now();
    client.open(this.#target, connection.signal).then(
      body => {
        if (!connection.signal.aborted) this.#follow(body, connection, startedAt);
      },
      error => {
        if (connection.signal.aborted) return;
        this.#note(error, startedAt);
        if (this.#options.isFinal?.(error)) {
          this.#subscriber.error(error);
          return;
        }
        this.#subscriber.next(failed(error));
        this.#wait();
      },
    );
  }

  stop(): void {
    this.#cancelTimer();
    this.#connection.abort();
    this.#options.running.delete(this.#status);
  }

  #follow(body: Readable, connection: AbortController, startedAt: number): void {
    const { clock, observer, maxDocumentBytes } = this.#options;
    const documents = new JsonDocuments(maxDocumentBytes);
    const openedAt = clock.now();
    let heardAt = openedAt;
    let isFirst = true;
    this.#status.state = 'open';

    const over = (error?: Error) => {
      if (connection.signal.aborted) return;
      connection.abort();
      this.#cancelTimer();
      if (error) {
        this.#note(error, startedAt);
        this.#subscriber.next(failed(error));
      }
      if (clock.now() - openedAt >= this.#options.backoff.baseMs) this.#retry = 0;
      this.#wait();
    };
    const silent = () => {
      const { boundMs } = this.#heartbeats;
      if (boundMs !== undefined) {
        this.#options.client.suspect?.(body);
        const reason = `no heartbeat for ${boundMs / 1000} s`;
        over(new LinkerdTcpError('NAMERD_UNREACHABLE', { url: this.#status.url, reason }));
        return;
      }
      connection.abort();
      this.#retry = 0;
      this.connect();
    };
    this.#expectBytes(silent);
    const emit = (document: unknown) => {
      if (connection.signal.aborted) return;
      const answer = this.#understood(document);
      this.#status.lastDocumentAt = clock.now();
      this.#status.lastError = answer.state === 'failed' ? answer.error : undefined;
      const latencyMs = isFirst ? clock.now() - startedAt : undefined;
      observer.requestDone({ ok: answer.state === 'ok', latencyMs });
      isFirst = false;
      this.#subscriber.next(answer);
    };
    const checked = (step: () => void, then?: () => void) => {
      try {
        step();
        then?.();
      } catch (error) {
        over(this.#unexpected(networkReason(error)));
      }
    };

    body.on('data', (chunk: Buffer) => {
      if (connection.signal.aborted) return;
      this.#heartbeats.heard(chunk, clock.now() - heardAt);
      heardAt = clock.now();
      this.#status.lastByteAt = heardAt;
      this.#expectBytes(silent);
      checked(() => documents.push(chunk, emit));
    });
    body.on('end', () =>
      checked(
        () => documents.end(),
        () => over(isFirst ? this.#unexpected('the stream ended before the first document') : undefined),
      ),
    );
    body.on('error', error =>
      over(new LinkerdTcpError('NAMERD_UNREACHABLE', { url: this.#status.url, reason: networkReason(error) })),
    );
  }

  #understood(document: unknown): Activity<T> {
    try {
      return ok(this.#options.decode(document));
    } catch (error) {
      return failed(error instanceof Error ? error : new Error(reasonOf(error)));
    }
  }

  #expectBytes(silent: () => void): void {
    const { clock, idleTimeoutMs } = this.#options;
    const bound = Math.min(this.#heartbeats.boundMs ?? idleTimeoutMs, idleTimeoutMs);
    this.#cancelTimer();
    this.#cancelTimer = clock.after(bound * (1 + clock.random() / 10), silent);
  }

  #wait(): void {
    const { clock, backoff, client } = this.#options;
    // The subscriber may have left on hearing of the failure.
    if (this.#subscriber.closed) return;
    // Each server that a request may go to is tried once before the waits grow.
    const round = Math.floor(this.#retry++ / (client.choices ?? 1));
    const delay = backoffMs(round, backoff, clock.random);
    this.#status.state = 'waiting';
    this.#status.backoffMs = delay;
    this.#cancelTimer = clock.after(delay, () => this.connect());
  }

  #note(error: Error, startedAt: number): void {
    const { clock, observer } = this.#options;
    this.#status.lastError = error;
    observer.requestDone({ ok: false, latencyMs: clock.now() - startedAt });
  }

  #unexpected(reason: string): Error {
    return new LinkerdTcpError('NAMERD_ANSWER', { url: this.#status.url, reason });
  }
}
