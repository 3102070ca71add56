/**
 * A bound on what runs at one time, with room kept for what is urgent.
 *
 * Names of the data plane may be as many as their users like; a look-up that the control plane needs never waits for them.
 */
export class Turns {
  readonly #limit: number;
  readonly #reserved: number;
  #running = 0;
  readonly #urgent: (() => void)[] = [];
  readonly #waiting: (() => void)[] = [];

  /** @param reserved places beyond `limit` that only urgent work may take */
  constructor(limit: number, reserved: number) {
    this.#limit = limit;
    this.#reserved = reserved;
  }

  async run<T>(isUrgent: boolean, work: () => Promise<T>): Promise<T> {
    if (!this.#hasRoom(isUrgent))
      await new Promise<void>(start => (isUrgent ? this.#urgent : this.#waiting).push(start));
    else this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
      this.#startNext();
    }
  }

  #hasRoom(isUrgent: boolean): boolean {
    return this.#running < this.#limit + (isUrgent ? this.#reserved : 0);
  }

  /** The place is taken on behalf of whoever is woken. */
  #startNext(): void {
    const start = this.#urgent.shift() ?? (this.#hasRoom(false) ? this.#waiting.shift() : undefined);
    if (start === undefined) return;
    this.#running++;
    start();
  }
}
