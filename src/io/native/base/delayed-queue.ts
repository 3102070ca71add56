/**
 * Handles in the order of their arrival, each due a fixed time after it: for work that most sockets never need.
 *
 * A socket that was closed meanwhile stays in the queue: the caller of `take` must check that it is still open.
 */
import type { Handle } from '../../handle.ts';

const compactAt = 1_024;

export class DelayedQueue {
  readonly #delayMs: number;
  #handles: Handle[] = [];
  #dueAt: number[] = [];
  #head = 0;

  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  push(handle: Handle, now: number): void {
    this.#handles.push(handle);
    this.#dueAt.push(now + this.#delayMs);
  }

  /** @returns the next handle that is due, or undefined */
  take(now: number): Handle | undefined {
    if (this.#head === this.#handles.length || (this.#dueAt[this.#head] as number) > now) return undefined;
    const handle = this.#handles[this.#head++];
    if (this.#head >= compactAt) this.#compact();
    return handle;
  }

  #compact(): void {
    this.#handles = this.#handles.slice(this.#head);
    this.#dueAt = this.#dueAt.slice(this.#head);
    this.#head = 0;
  }
}
