/**
 * When requests may go out to a server that sometimes refuses them because it is overloaded (status 429, `Retry-After`).
 *
 *   open    | any number at once
 *   paused  | none until the time is over that the server asked for, and up to a quarter more: there are other clients
 *   slow    | in the order in which they came: one, then as many more as were served, up to half of what was refused last
 *             time, and from there slowly more; open again once none waits
 *
 * Requests that were refused together and are sent again together are refused together again.
 */
import { RequestFailure } from '../outcome.ts';

export class Pacer {
  readonly #random: () => number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  /** How many may run at once. */
  #limit = Number.POSITIVE_INFINITY;
  /** Up to here the limit grows by one with each request that is served. */
  #steepUntil = Number.POSITIVE_INFINITY;
  /** By performance.now(). */
  #pausedUntil = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param random uniform in [0, 1) */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** Rejects where `signal` aborts before it is the request's turn. */
  async run<T>(use: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#waiting.length === 0 && this.#mayStart()) this.#running++;
    else await this.#turn(signal);
    try {
      const result = await use();
      if (this.#limit !== Number.POSITIVE_INFINITY) this.#limit += this.#limit < this.#steepUntil ? 1 : 1 / this.#limit;
      return result;
    } finally {
      this.#running--;
      this.#release();
    }
  }

  /** The server asks for no requests for so long. */
  refused(ms: number): void {
    const now = performance.now();
    if (now >= this.#pausedUntil) this.#steepUntil = Math.max(1, this.#limit / 2);
    this.#limit = 1;
    this.#pausedUntil = Math.max(this.#pausedUntil, now + ms * (1 + this.#random() / 4));
    this.#awaitEnd();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #awaitEnd(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        // Timers have a clock of their own, which may be a little ahead.
        if (performance.now() < this.#pausedUntil) this.#awaitEnd();
        else this.#release();
      },
      Math.ceil(this.#pausedUntil - performance.now()),
    );
  }

  #mayStart(): boolean {
    return performance.now() >= this.#pausedUntil && this.#running + 1 <= this.#limit;
  }

  async #turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const turn = Promise.withResolvers<void>();
    const aborted = () => {
      const place = this.#waiting.indexOf(turn.resolve);
      if (place < 0) return;
      this.#waiting.splice(place, 1);
      const seconds = Math.ceil((this.#pausedUntil - performance.now()) / 1000);
      const reason = seconds > 0 ? `asks to retry after ${seconds} s` : 'is overloaded';
      turn.reject(new RequestFailure(`the server ${reason}`, 'none'));
    };
    this.#waiting.push(turn.resolve);
    signal.addEventListener('abort', aborted);
    try {
      await turn.promise;
    } finally {
      signal.removeEventListener('abort', aborted);
    }
  }

  #release(): void {
    while (this.#waiting.length > 0 && this.#mayStart()) {
      this.#running++;
      this.#waiting.shift()!();
    }
    const isIdle = this.#running === 0 && this.#waiting.length === 0;
    if (isIdle && performance.now() >= this.#pausedUntil) {
      this.#limit = Number.POSITIVE_INFINITY;
      this.#steepUntil = Number.POSITIVE_INFINITY;
    }
  }
}
