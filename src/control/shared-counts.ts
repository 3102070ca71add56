/** Gives out the shared counters of the data plane (active connections of a listener, waiters of a route …). */
import { LinkerdTcpError } from '../errors.ts';
import type { SharedCount } from '../proxy/messages.ts';

const capacity = 1 << 16;

export class SharedCounts {
  readonly memory = new SharedArrayBuffer(capacity * Int32Array.BYTES_PER_ELEMENT);
  readonly #values = new Int32Array(this.memory);
  readonly #free: SharedCount[] = [];
  #top = 0;

  take(): SharedCount {
    const count = this.#free.pop() ?? this.#top;
    if (count === capacity)
      throw new LinkerdTcpError('SHARED_MEMORY_FULL', { what: 'server or destination', limit: capacity });
    if (count === this.#top) this.#top++;
    Atomics.store(this.#values, count, 0);
    return count;
  }

  /** Only when no worker can touch it any more. */
  release(count: SharedCount): void {
    this.#free.push(count);
  }

  read(count: SharedCount): number {
    return Atomics.load(this.#values, count);
  }
}
