/**
 * The share that one worker has in a listener's `maxConcurrency`.
 *
 * The limit holds over all workers: the count of active sessions is shared. A worker that finds it full stops accepting, so that
 * further connections wait in the kernel. It looks again when one of its own sessions ends, and when the worker calls retry, because a
 * session of another worker may have ended.
 */
import type { Driver } from '../io/driver.ts';
import type { Handle } from '../io/handle.ts';
import type { ListenerSpec } from './messages.ts';

type Limits = Pick<ListenerSpec, 'active' | 'maxConcurrency'>;

export class AdmissionGate {
  readonly #handle: Handle;
  readonly #driver: Driver;
  readonly #counts: Int32Array;
  /** The limit is reached. */
  #isShut = false;
  #isPaused = false;
  #isClosed = false;
  readonly #onShut: () => void;

  /** @param onShut the gate has shut: its owner must call retry until it is open again */
  constructor(handle: Handle, driver: Driver, counts: Int32Array, onShut: () => void) {
    this.#onShut = onShut;
    this.#handle = handle;
    this.#driver = driver;
    this.#counts = counts;
  }

  get isShut(): boolean {
    return this.#isShut && !this.#isClosed;
  }

  /** Counts one more session, if the limit allows it; {@link leave} counts it out. */
  admit({ active, maxConcurrency }: Limits): boolean {
    let count = Atomics.load(this.#counts, active);
    while (count < maxConcurrency) {
      const seen = Atomics.compareExchange(this.#counts, active, count, count + 1);
      if (seen === count) {
        if (count + 1 >= maxConcurrency) this.#shut();
        return true;
      }
      count = seen;
    }
    this.#shut();
    return false;
  }

  leave({ active }: Limits): void {
    Atomics.sub(this.#counts, active, 1);
  }

  /** Accepts again when the limit allows it. */
  retry({ active, maxConcurrency }: Limits): void {
    if (!this.#isShut || this.#isClosed) return;
    if (Atomics.load(this.#counts, active) >= maxConcurrency) return;
    this.#isShut = false;
    if (!this.#isPaused) this.#driver.accepting(this.#handle, true);
  }

  /** Accepts no connection, whatever the limit, until it is turned off again. */
  pause(on: boolean): void {
    if (this.#isClosed || on === this.#isPaused) return;
    this.#isPaused = on;
    if (!this.#isShut) this.#driver.accepting(this.#handle, !on);
  }

  /** The socket is closed: the gate never calls the driver for it again. */
  close(): void {
    this.#isClosed = true;
  }

  #shut(): void {
    if (this.#isShut || this.#isClosed) return;
    this.#isShut = true;
    this.#onShut();
    if (!this.#isPaused) this.#driver.accepting(this.#handle, false);
  }
}
