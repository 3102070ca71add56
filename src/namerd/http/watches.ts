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
import type { Writable } from 'node:stream';
import type { Subscription } from 'rxjs';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import type { Clock } from '../../live/clock.ts';
import type { Watching } from './exchange.ts';

export interface WatchLimits {
  /** Open at one time. */
  readonly maxWatches: number;
  /** Of one client: a token, or no token, at one address. */
  readonly maxWatchesPerClient: number;
  /** Between two line breaks of a watch that has nothing to say. */
  readonly heartbeatMs: number;
  /** How long a reader may take for what is on its way to it. */
  readonly drainTimeoutMs: number;
  readonly clock: Pick<Clock, 'after'>;
}

/** A document and its line break, as bytes that all who are told of it share. */
interface Line {
  readonly bytes: Uint8Array;
  /** The same as a chunk of HTTP/1.1. */
  readonly chunk: Uint8Array;
}

function lineOf(document: string): Line {
  const bytes = Buffer.from(`${document}\n`);
  const chunk = Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
  return { bytes, chunk };
}

const heartbeat = lineOf('');

/** Remembers the last line: those who watch the same are told of it one after another. */
class Lines {
  #document = '';
  #line = heartbeat;

  of(document: string): Line {
    if (document !== this.#document) {
      this.#document = document;
      this.#line = lineOf(document);
    }
    return this.#line;
  }
}

export class Watches {
  readonly #limits: WatchLimits;
  readonly #lines = new Lines();
  readonly #open = new Set<Watch>();
  readonly #ofClient = new Map<string, number>();

  constructor(limits: WatchLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Takes the response over. @throws LinkerdTcpError WATCHES_EXHAUSTED before anything is written */
  serve({ headers, documents }: Watching, response: ServerResponse, client: string): void {
    this.#checkRoom(client);
    const watch = new Watch(response, this.#limits, this.#lines);
    this.#open.add(watch);
    this.#ofClient.set(client, (this.#ofClient.get(client) ?? 0) + 1);
    response.once('close', () => {
      watch.over();
      this.#open.delete(watch);
      const left = this.#ofClient.get(client)! - 1;
      if (left === 0) this.#ofClient.delete(client);
      else this.#ofClient.set(client, left);
    });
    // The other side may cut the connection at any time: its reader is gone, which is all there is to it.
    response.on('error', () => {});
    response.writeHead(200, { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...headers });
    response.flushHeaders();
    watch.follow(documents);
  }

  #checkRoom(client: string): void {
    const { maxWatches, maxWatchesPerClient } = this.#limits;
    if (this.#open.size >= maxWatches) throw new LinkerdTcpError('WATCHES_EXHAUSTED', { limit: maxWatches, scope: '' });
    if ((this.#ofClient.get(client) ?? 0) >= maxWatchesPerClient)
      throw new LinkerdTcpError('WATCHES_EXHAUSTED', { limit: maxWatchesPerClient, scope: ' for one client' });
  }

  /** Ends all of them, so that their readers ask again elsewhere or later. */
  close(): void {
    for (const watch of this.#open) watch.end();
  }
}

class Watch {
  readonly #response: ServerResponse;
  readonly #limits: WatchLimits;
  readonly #lines: Lines;
  #subscription: Subscription | undefined;
  #isHeld = false;
  #isOver = false;
  #isEnding = false;
  /** The newest document, while the reader cannot take it. */
  #waiting: Line | undefined;
  #cancelTimer = () => {};

  constructor(response: ServerResponse, limits: WatchLimits, lines: Lines) {
    this.#response = response;
    this.#limits = limits;
    this.#lines = lines;
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
    this.#response.end(this.#waiting?.bytes);
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
    const line = this.#lines.of(document);
    if (this.#isHeld) this.#waiting = line;
    else this.#write(line);
  }

  #write(line: Line): void {
    this.#cancelTimer();
    const sink = this.#sink();
    if (sink.write(sink === this.#response ? line.bytes : line.chunk)) return this.#beatLater();
    this.#isHeld = true;
    this.#cancelTimer = this.#limits.clock.after(this.#limits.drainTimeoutMs, () => this.#response.destroy());
    sink.once('drain', () => {
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

  /** The connection itself, where chunks go: a response would put each of them together anew, for each who watches. */
  #sink(): Writable {
    const { socket, chunkedEncoding } = this.#response;
    // There is none while the answer to an earlier request is not done; one that is ending takes nothing more.
    return socket?.writable && chunkedEncoding ? socket : this.#response;
  }

  #beatLater(): void {
    this.#cancelTimer = this.#limits.clock.after(this.#limits.heartbeatMs, () => this.#write(heartbeat));
  }
}
