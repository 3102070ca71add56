/**
 * Watch streams: an answer that stays open and gets a document per line, for as long as somebody reads.
 *
 *   state     | document          | failure      | buffer full | drained        | heartbeat | silence of the reader
 *   ----------+-------------------+--------------+-------------+----------------+-----------+----------------------
 *   flowing   | write             | write, end   | → held      | -              | newline   | -
 *   held      | keep the newest   | keep, end    | -           | write → flowing| -         | cut after drainTimeoutMs
 *
 * A reader that is too slow gets the newest document when it can take one, and nothing between: memory per watch is bounded by
 * one buffer and one document. A line break between documents means nothing to a reader of JSON and shows that we are alive.
 */
import type { ServerResponse } from 'node:http';
import type { Subscription } from 'rxjs';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import type { Clock } from '../../naming/namerd/clock.ts';
import type { Watching } from './exchange.ts';

export interface WatchLimits {
  /** Open at one time. */
  readonly maxWatches: number;
  /** Between two line breaks of a watch that has nothing to say. */
  readonly heartbeatMs: number;
  /** How long a reader may take nothing at all while there is something for it. */
  readonly drainTimeoutMs: number;
  readonly clock: Pick<Clock, 'after'>;
}

export class Watches {
  readonly #limits: WatchLimits;
  readonly #open = new Set<Watch>();

  constructor(limits: WatchLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Takes the response over. @throws LinkerdTcpError WATCHES_EXHAUSTED before anything was written */
  serve({ headers, documents }: Watching, response: ServerResponse): void {
    const { maxWatches } = this.#limits;
    if (this.#open.size >= maxWatches) throw new LinkerdTcpError('WATCHES_EXHAUSTED', { limit: maxWatches });
    const watch = new Watch(response, this.#limits);
    this.#open.add(watch);
    response.once('close', () => {
      watch.over();
      this.#open.delete(watch);
    });
    // The other side may cut the connection at any time: its reader is gone, which is all there is to it.
    response.on('error', () => {});
    response.writeHead(200, { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...headers });
    response.flushHeaders();
    watch.follow(documents);
  }

  /** Ends all of them, so that their readers ask again elsewhere or later. */
  close(): void {
    for (const watch of this.#open) watch.end();
  }
}

class Watch {
  readonly #response: ServerResponse;
  readonly #limits: WatchLimits;
  #subscription: Subscription | undefined;
  #isHeld = false;
  #isOver = false;
  #isEnding = false;
  /** The newest document, while the reader cannot take it. */
  #waiting: string | undefined;
  #cancelTimer = () => {};

  constructor(response: ServerResponse, limits: WatchLimits) {
    this.#response = response;
    this.#limits = limits;
  }

  follow(documents: Watching['documents']): void {
    this.#beatLater();
    const subscription = documents.subscribe({
      next: state => {
        if (state.state === 'ok') this.#say(state.value);
        else if (state.state === 'failed') this.#fail(state.error);
      },
      error: error => this.#fail(error),
      complete: () => this.end(),
    });
    if (this.#isOver || this.#isEnding) subscription.unsubscribe();
    else this.#subscription = subscription;
  }

  end(): void {
    this.#stop();
    if (this.#isEnding) return;
    this.#isEnding = true;
    // A reader that does not take the rest is cut.
    this.#cancelTimer = this.#limits.clock.after(this.#limits.drainTimeoutMs, () => this.#response.destroy());
    this.#response.end(this.#waiting);
    this.#waiting = undefined;
  }

  /** The connection is gone. */
  over(): void {
    this.#isOver = true;
    this.#stop();
  }

  #stop(): void {
    this.#cancelTimer();
    this.#subscription?.unsubscribe();
  }

  /** One line: a reader must not take a part of the reason for a document. */
  #fail(error: unknown): void {
    this.#say(reasonOf(error).replace(/\s*[\r\n]+\s*/g, ' '));
    this.end();
  }

  #say(document: string): void {
    if (this.#isOver || this.#isEnding) return;
    if (this.#isHeld) this.#waiting = `${document}\n`;
    else this.#write(`${document}\n`);
  }

  #write(text: string): void {
    this.#cancelTimer();
    if (this.#response.write(text)) return this.#beatLater();
    this.#isHeld = true;
    this.#cancelTimer = this.#limits.clock.after(this.#limits.drainTimeoutMs, () => this.#response.destroy());
    this.#response.once('drain', () => {
      this.#isHeld = false;
      if (this.#isOver || this.#isEnding) return;
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting === undefined) {
        this.#cancelTimer();
        this.#beatLater();
      } else this.#write(waiting);
    });
  }

  #beatLater(): void {
    this.#cancelTimer = this.#limits.clock.after(this.#limits.heartbeatMs, () => this.#write('\n'));
  }
}
