/**
 * The servers of an ensemble, and the one session with one of them: opened by its first use, shared by all users,
 * kept while it is in use and a little longer, so that writes in a row need not open one each.
 */
import { reasonOf } from '../../errors.ts';
import { Refusal } from './messages.ts';
import { type AuthInfo, type Server, ZooKeeperSession } from './session.ts';

export interface EnsembleOptions {
  readonly servers: readonly Server[];
  readonly sessionTimeoutMs: number;
  readonly auth: AuthInfo | undefined;
  /** Below 1: which server is tried first, so that many clients spread. */
  readonly random: () => number;
}

const idleMs = 5000;
const openingMs = 3000;
/** Servers that are down are asked no more often, however many want a session. */
const restMs = 100;

export class Ensemble {
  readonly #options: EnsembleOptions;
  readonly #closed = new AbortController();
  #next: number;
  #holds = 0;
  #session: ZooKeeperSession | undefined;
  #opening: Promise<ZooKeeperSession> | undefined;
  #idle: NodeJS.Timeout | undefined;
  #restUntil = 0;
  /** Why there is no session; undefined when there is one, or none was needed yet. */
  failure: unknown;

  constructor(options: EnsembleOptions) {
    this.#options = options;
    this.#next = Math.floor(options.random() * options.servers.length);
  }

  /** Keeps the session from being closed. @returns gives it back */
  hold(): () => void {
    this.#holds++;
    clearTimeout(this.#idle);
    return () => {
      this.#holds--;
      this.#leaveWhenIdle();
    };
  }

  /** The one there is, or else a new one with the first server that gives it. Each is tried once. */
  session(): Promise<ZooKeeperSession> {
    if (this.#session?.isOpen === true) return Promise.resolve(this.#session);
    if (performance.now() < this.#restUntil) return Promise.reject(this.failure);
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
      this.#leaveWhenIdle();
    });
    return this.#opening;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    clearTimeout(this.#idle);
    await this.#opening?.catch(() => undefined);
    await this.#session?.close();
  }

  async #open(): Promise<ZooKeeperSession> {
    const { servers, sessionTimeoutMs: timeoutMs, auth } = this.#options;
    const { signal } = this.#closed;
    const failures: unknown[] = [];
    for (const _ of servers) {
      if (signal.aborted) throw new Error('it is closed');
      const server = servers[this.#next]!;
      // The next session is with another server than the lost one.
      this.#next = (this.#next + 1) % servers.length;
      try {
        const session = await ZooKeeperSession.open({ server, timeoutMs, openingMs, auth, signal });
        session.listen({ event() {}, ended: reason => this.#lost(reason) });
        this.#session = session;
        this.failure = undefined;
        return session;
      } catch (error) {
        failures.push(error);
        // The others would say the same.
        if (error instanceof Refusal) break;
      }
    }
    this.#restUntil = performance.now() + restMs;
    throw this.#lost(failures.length === 1 ? failures[0] : new Error(failures.map(reasonOf).join('; ')));
  }

  #lost(reason: unknown): unknown {
    this.failure = reason;
    return reason;
  }

  #leaveWhenIdle(): void {
    if (this.#holds > 0 || this.#opening !== undefined || this.#session?.isOpen !== true) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      void this.#session?.close();
      this.failure = undefined;
    }, idleMs).unref();
  }
}
