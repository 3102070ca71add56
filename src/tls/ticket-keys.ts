/**
 * The keys of session tickets, the same in all workers. A new one takes over every `rotateMs`; an old one decrypts until the last
 * ticket made with it is over.
 *
 * Keys stay in memory: after a restart clients make full handshakes. The context binds tickets to their purpose, so that
 * contexts may share keys.
 */

export interface TicketKeysOptions {
  readonly rotateMs: number;
  /** For how long a ticket is good. */
  readonly lifetimeMs: number;
  readonly now: () => number;
  readonly random: (bytes: number) => Uint8Array;
}

/** 16 bytes name, 32 HMAC-SHA-256, 32 AES-256. */
const keyBytes = 80;

interface TicketKey {
  readonly bytes: Uint8Array;
  readonly since: number;
}

export class TicketKeys {
  readonly #options: TicketKeysOptions;
  /** The newest first. */
  #keys: readonly TicketKey[];

  constructor(options: TicketKeysOptions) {
    this.#options = options;
    this.#keys = [this.#newKey()];
  }

  /** The first one encrypts. */
  keys(): readonly Uint8Array[] {
    return this.#keys.map(({ bytes }) => bytes);
  }

  /** When {@link turn} will have something to do. */
  nextTurn(): number {
    const { rotateMs } = this.#options;
    return Math.min(this.#keys[0].since + rotateMs, ...this.#keys.slice(1).map((_, i) => this.#overAt(i + 1)));
  }

  /** @returns whether the keys are others now */
  turn(): boolean {
    const { now, rotateMs } = this.#options;
    const before = this.#keys;
    // After a long sleep of the machine one new key is enough.
    if (now() >= before[0].since + rotateMs) this.#keys = [this.#newKey(), ...before];
    this.#keys = this.#keys.filter((_, i) => i === 0 || now() < this.#overAt(i));
    return this.#keys.length !== before.length || this.#keys[0] !== before[0];
  }

  /** It made tickets until the one after it came. */
  #overAt(index: number): number {
    return this.#keys[index - 1].since + this.#options.lifetimeMs;
  }

  #newKey(): TicketKey {
    const { now, random } = this.#options;
    return { bytes: random(keyBytes), since: now() };
  }
}
