/**
 * One host, looked up again and again.
 *
 * What is known outlives failures, marked as unconfirmed. An address that an answer leaves out stays for two more answers, at most
 * a minute: servers that give a random part of a long list would otherwise replace all endpoints at each look-up. For the same
 * reason a host that existed is gone only when three answers in a row say so.
 */
import { isIP } from 'node:net';
import { ReplaySubject } from 'rxjs';
import type { Lookup } from '../clients/dns/resolver.ts';
import { backoffMs } from '../live/backoff.ts';
import type { Clock } from '../live/clock.ts';
import { type Host, sameHost } from './host.ts';

export interface LiveHostOptions {
  /** @param isFresh whether an answer that is still valid will not do */
  readonly lookup: (isFresh: boolean) => Promise<Lookup>;
  readonly clock: Clock;
  /** Called when the look-ups begin to fail, fail for another reason, or succeed again (`undefined`). */
  readonly changed: (failure: Error | undefined, isBridged: boolean) => void;
}

/** Answers that may leave an address out before it is gone. */
const maxMissed = 2;
const maxMissedMs = 60_000;

const retries = { baseMs: 5000, maxMs: 30_000 };

/** Nudges closer to a look-up than this change nothing. */
const nudgeMs = 1000;

/** Since when, and in how many answers, something has been missing. */
interface Missing {
  answers: number;
  readonly since: number;
}

export class LiveHost {
  readonly #options: LiveHostOptions;
  /** Replays the newest state. */
  readonly states = new ReplaySubject<Host>(1);
  #state: Host = { state: 'pending' };
  readonly #missing = new Map<string, Missing>();
  #absent: Missing | undefined;
  #failures = 0;
  #failure: string | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #isLooking = false;
  #isStopped = false;
  #cancel = () => {};

  constructor(options: LiveHostOptions) {
    this.#options = options;
    this.states.next(this.#state);
    this.#look(false);
  }

  get state(): Host {
    return this.#state;
  }

  get isFailing(): boolean {
    return this.#failure !== undefined;
  }

  /** Looks the host up soon: something about what is known is wrong. */
  nudge(): void {
    if (this.#isStopped || this.#isLooking || this.#options.clock.now() - this.#lookedAt < nudgeMs) return;
    this.#cancel();
    this.#look(true);
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  #look(isFresh: boolean): void {
    const { clock, lookup } = this.#options;
    this.#isLooking = true;
    this.#lookedAt = clock.now();
    const over = (waitMs: number) => {
      this.#isLooking = false;
      this.#cancel = clock.after(waitMs, () => this.#look(false));
    };
    lookup(isFresh).then(
      answer => {
        if (this.#isStopped) return;
        this.#confirm();
        this.#set(answer.type === 'found' ? this.#found(answer.ips) : this.#absence());
        over(answer.ttlMs * (0.9 + 0.2 * clock.random()));
      },
      error => {
        if (this.#isStopped) return;
        this.#failed(error instanceof Error ? error : new Error(String(error)));
        over(backoffMs(this.#failures++, retries, clock.random));
      },
    );
  }

  #found(answer: readonly string[]): Host {
    const ips = new Set(answer.filter(ip => isIP(ip) !== 0));
    if (ips.size === 0) return this.#absence();
    this.#absent = undefined;
    const before = this.#state.state === 'bound' ? this.#state.ips : [];
    for (const ip of ips) this.#missing.delete(ip);
    for (const ip of before) {
      if (ips.has(ip)) continue;
      const missing = this.#missed(this.#missing.get(ip));
      if (missing === undefined) this.#missing.delete(ip);
      else {
        this.#missing.set(ip, missing);
        ips.add(ip);
      }
    }
    return { state: 'bound', ips: [...ips].sort() };
  }

  #absence(): Host {
    if (this.#state.state === 'bound') {
      this.#absent = this.#missed(this.#absent);
      if (this.#absent !== undefined) return { state: 'bound', ips: this.#state.ips };
    }
    this.#missing.clear();
    this.#absent = undefined;
    return { state: 'neg' };
  }

  /** Undefined where it has been missing for long enough. */
  #missed(missing: Missing | undefined): Missing | undefined {
    const now = this.#options.clock.now();
    const { answers, since } = missing ?? { answers: 0, since: now };
    return answers >= maxMissed || now - since >= maxMissedMs ? undefined : { answers: answers + 1, since };
  }

  #failed(error: Error): void {
    const known = this.#state;
    const isBridged = known.state === 'bound' || known.state === 'neg';
    if (this.#failure !== error.message) this.#options.changed(error, isBridged);
    this.#failure = error.message;
    this.#set(isBridged ? { ...known, unconfirmed: error } : { state: 'failed', error });
  }

  #confirm(): void {
    this.#failures = 0;
    if (this.#failure !== undefined) this.#options.changed(undefined, false);
    this.#failure = undefined;
  }

  #set(state: Host): void {
    if (sameHost(this.#state, state)) return;
    this.#state = state;
    this.states.next(state);
  }
}
