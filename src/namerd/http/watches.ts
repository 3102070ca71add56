/** The open watches of an interface: their number is bounded in total and for each client. */
import type { ServerResponse } from 'node:http';
import { LinkerdTcpError } from '../../errors.ts';
import { type StreamLimits, WatchStream } from '../core/watch-stream.ts';
import type { Watching } from './exchange.ts';
import { LineSink, Lines } from './line-sink.ts';

export interface WatchLimits extends StreamLimits {
  /** Open at the same time. */
  readonly maxWatches: number;
  /** Of one client: a token, or no token, at one address. */
  readonly maxWatchesPerClient: number;
}

export class Watches {
  readonly #limits: WatchLimits;
  readonly #lines = new Lines();
  readonly #open = new Set<WatchStream>();
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
    const stream = new WatchStream(new LineSink(response, this.#lines), this.#limits);
    this.#open.add(stream);
    this.#ofClient.set(client, (this.#ofClient.get(client) ?? 0) + 1);
    response.once('close', () => {
      stream.closed();
      this.#open.delete(stream);
      const left = this.#ofClient.get(client)! - 1;
      if (left === 0) this.#ofClient.delete(client);
      else this.#ofClient.set(client, left);
    });
    // The client may close the connection at any time; `close` follows.
    response.on('error', () => {});
    response.writeHead(200, { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...headers });
    response.flushHeaders();
    stream.follow(documents);
  }

  /** Ends all of them, so that their readers retry later or elsewhere. */
  close(): void {
    for (const stream of this.#open) stream.end();
  }

  #checkRoom(client: string): void {
    const { maxWatches, maxWatchesPerClient } = this.#limits;
    if (this.#open.size >= maxWatches) throw new LinkerdTcpError('WATCHES_EXHAUSTED', { limit: maxWatches, scope: '' });
    if ((this.#ofClient.get(client) ?? 0) >= maxWatchesPerClient)
      throw new LinkerdTcpError('WATCHES_EXHAUSTED', { limit: maxWatchesPerClient, scope: ' for one client' });
  }
}
