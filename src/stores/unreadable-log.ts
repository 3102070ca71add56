/** Logs each namespace that cannot be read once, and once more when it recovers or is deleted. */
import type { Log } from '../log.ts';
import type { ReplicaCache } from './replica-cache.ts';

export class UnreadableLog {
  /** What was logged of each namespace. */
  readonly #logged = new Map<string, string>();

  /** Forgets what was logged: nothing is known of any namespace. */
  clear(): void {
    this.#logged.clear();
  }

  compare(cache: Pick<ReplicaCache, 'unreadable' | 'has'>, log: Log, store: string): void {
    for (const [namespace, { message }] of cache.unreadable) {
      if (this.#logged.get(namespace) !== message) log.error(message);
      this.#logged.set(namespace, message);
    }
    for (const namespace of this.#logged.keys()) {
      if (cache.unreadable.has(namespace)) continue;
      this.#logged.delete(namespace);
      log.info(`${store}: namespace ${namespace} ${cache.has(namespace) ? 'recovered' : 'was deleted'}`);
    }
  }
}
