/**
 * Which failures the log has already.
 *
 * A watch of a name ends with its last observer, and a request that does not watch is one such observer: without this, each
 * request of a name with a bad file would log the same line.
 */

/** The oldest go first; they may be logged again. */
const maxNames = 1000;

export class ToldFailures {
  readonly #failures = new Map<string, string>();

  /** @param failure undefined where the name has recovered. @returns whether the log should say it */
  isNews(name: string, failure: string | undefined): boolean {
    const before = this.#failures.get(name);
    this.#failures.delete(name);
    if (failure === undefined) return before !== undefined;
    this.#failures.set(name, failure);
    for (const oldest of this.#failures.keys()) {
      if (this.#failures.size <= maxNames) break;
      this.#failures.delete(oldest);
    }
    return before !== failure;
  }
}
