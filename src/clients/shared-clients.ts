/**
 * Clients of backends, shared by all that have the same configuration for them: three namers on one ZooKeeper have one session.
 * References are counted; the last one closes the client.
 */

export interface Closable {
  close(): unknown;
}

/** One user's reference to a client. */
export interface Lease<C> {
  readonly client: C;
  /** Resolves when the client is closed, where this was the last reference. */
  release(): Promise<void>;
}

interface Shared {
  readonly client: Closable;
  references: number;
}

export class SharedClients {
  readonly #shared = new Map<string, Shared>();

  /** How many there are now. */
  get size(): number {
    return this.#shared.size;
  }

  /**
   * @param kind names the class of the client
   * @param config plain data that decides everything about it
   * @param create makes the first; what it throws is thrown
   */
  take<C extends Closable>(kind: string, config: unknown, create: () => C): Lease<C> {
    const key = JSON.stringify([kind, config]);
    const shared = this.#shared.get(key) ?? { client: create(), references: 0 };
    this.#shared.set(key, shared);
    shared.references++;
    let isReleased = false;
    return {
      // The kind decides the type.
      client: shared.client as C,
      release: async () => {
        if (isReleased) return;
        isReleased = true;
        shared.references--;
        if (shared.references > 0) return;
        this.#shared.delete(key);
        await shared.client.close();
      },
    };
  }
}
