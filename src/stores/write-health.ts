/**
 * Whether writes to the storage work: logged once when they begin to fail, and once when they recover.
 *
 * An unreachable or failing backend affects all writes, so any write that succeeds ends such a failure. A denied permission may
 * affect one namespace only: a successful write to that namespace ends it.
 */
import { LinkerdTcpError } from '../errors.ts';
import type { Log } from '../log.ts';

export class WriteHealth {
  readonly #store: string;
  readonly #log: Log;
  #unavailable: string | undefined;
  readonly #denied = new Map<string, string>();

  constructor(store: string, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  /** Why writes fail at present; undefined while none is known to fail. */
  get failure(): string | undefined {
    return this.#unavailable ?? this.#denied.values().next().value;
  }

  async observe<T>(namespace: string, write: () => Promise<T>): Promise<T> {
    try {
      const result = await write();
      this.#succeeded(namespace);
      return result;
    } catch (error) {
      if (error instanceof LinkerdTcpError) this.#failed(namespace, error);
      throw error;
    }
  }

  #failed(namespace: string, { code, message }: LinkerdTcpError): void {
    if (code === 'STORE_UNAVAILABLE') {
      if (this.#unavailable === undefined) this.#log.error(message);
      this.#unavailable = message;
    } else if (code === 'STORE_FORBIDDEN') {
      if (this.#denied.size === 0) this.#log.error(message);
      this.#remember(namespace, message);
    }
  }

  #remember(namespace: string, message: string): void {
    if (this.#denied.size < maxDenied || this.#denied.has(namespace)) this.#denied.set(namespace, message);
  }

  #succeeded(namespace: string): void {
    const wasFailing = this.failure !== undefined;
    this.#unavailable = undefined;
    this.#denied.delete(namespace);
    if (wasFailing && this.failure === undefined) this.#log.info(`${this.#store}: writes recovered`);
  }
}

const maxDenied = 1000;
