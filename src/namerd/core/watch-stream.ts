/**
 * Sends the documents of one watch to one reader, whatever the protocol.
 *
 *   state     | document          | failure      | buffer full | drained         | heartbeat | timeout of the reader
 *   ----------+-------------------+--------------+-------------+-----------------+-----------+----------------------
 *   flowing   | write             | write, end   | → held      | -               | write     | -
 *   held      | keep the newest   | keep, end    | -           | write → flowing | -         | destroy after drainTimeoutMs
 *
 * A slow reader gets the newest document once it can accept one, and none of those before: the memory of a watch is bounded by
 * one buffer and one document.
 */
import type { Observable, Subscription } from 'rxjs';
import { reasonOf } from '../../errors.ts';
import type { Activity } from '../../live/activity.ts';
import type { Clock } from '../../live/clock.ts';

/** The connection to the reader. */
export interface DocumentSink {
  /** @returns false when the buffer is full: the next write waits for `onceDrained` */
  write(document: string): boolean;
  /** Shows the reader that the connection is alive. @returns as `write` */
  heartbeat(): boolean;
  onceDrained(resume: () => void): void;
  /** Ends the stream, after a last document if there is one. */
  end(last: string | undefined): void;
  destroy(): void;
}

export interface StreamLimits {
  /** Between two heartbeats of a watch without documents. */
  readonly heartbeatMs: number;
  /** How long a reader may accept nothing. */
  readonly drainTimeoutMs: number;
  readonly clock: Pick<Clock, 'after'>;
}

export class WatchStream {
  readonly #sink: DocumentSink;
  readonly #limits: StreamLimits;
  #subscription: Subscription | undefined;
  #state: 'flowing' | 'held' | 'ending' | 'closed' = 'flowing';
  /** The newest document while the stream is held. */
  #waiting: string | undefined;
  #cancelTimer = () => {};

  constructor(sink: DocumentSink, limits: StreamLimits) {
    this.#sink = sink;
    this.#limits = limits;
  }

  follow(documents: Observable<Activity<string>>): void {
    this.#beatLater();
    const subscription = documents.subscribe({
      next: state => {
        if (state.state === 'ok') this.#send(state.value);
        else if (state.state === 'failed') this.#fail(state.error);
      },
      error: error => this.#fail(error),
      complete: () => this.end(),
    });
    if (this.#isOver) subscription.unsubscribe();
    else this.#subscription = subscription;
  }

  end(): void {
    this.#stop();
    if (this.#isOver) return;
    this.#state = 'ending';
    this.#destroyLater();
    this.#sink.end(this.#waiting);
    this.#waiting = undefined;
  }

  /** To be called when the connection is closed. */
  closed(): void {
    this.#state = 'closed';
    this.#stop();
  }

  get #isOver(): boolean {
    return this.#state === 'ending' || this.#state === 'closed';
  }

  #stop(): void {
    this.#cancelTimer();
    this.#subscription?.unsubscribe();
  }

  /** On one line: a reader must not mistake a part of the reason for a document. */
  #fail(error: unknown): void {
    this.#send(reasonOf(error).replace(/\s*[\r\n]+\s*/g, ' '));
    this.end();
  }

  #send(document: string): void {
    if (this.#isOver) return;
    if (this.#state === 'held') this.#waiting = document;
    else this.#written(this.#sink.write(document));
  }

  /** @param isFlowing as the sink answered a write */
  #written(isFlowing: boolean): void {
    this.#cancelTimer();
    if (isFlowing) return this.#beatLater();
    this.#state = 'held';
    this.#destroyLater();
    this.#sink.onceDrained(() => this.#resume());
  }

  #resume(): void {
    if (this.#isOver) return;
    this.#state = 'flowing';
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#written(waiting === undefined || this.#sink.write(waiting));
  }

  #beatLater(): void {
    this.#cancelTimer = this.#limits.clock.after(this.#limits.heartbeatMs, () => this.#written(this.#sink.heartbeat()));
  }

  #destroyLater(): void {
    this.#cancelTimer = this.#limits.clock.after(this.#limits.drainTimeoutMs, () => this.#sink.destroy());
  }
}
