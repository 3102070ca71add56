/** Warnings of certificates that expire: some days before, once each, and when they have expired. */
import type { Log } from '../log.ts';

export interface Expiring {
  /** `the certificate a.test in a.pem` */
  readonly what: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  /** The same for the same thing. */
  readonly fingerprint: string;
  /** The consequence when it has expired. */
  readonly effect: string;
  /** Whether an operator needs a warning before: it is not renewed every few days. */
  readonly isLong: boolean;
}

const day = 86_400_000;
/** The last one: it has expired. */
const steps = [30, 14, 7, 3, 1, 0];
const never = Number.POSITIVE_INFINITY;
/** Names of files come and go with configurations; the oldest are forgotten. */
const maxRemembered = 10_000;

export class ExpiryWarnings {
  readonly #log: Log;
  readonly #wallNow: () => number;
  /**
   * The last step of each thing that had one. It outlives the use of a thing, and the certificate that is replaced: a listener
   * that is reopened, or a swap to another certificate with as few days left, is nothing new.
   */
  readonly #last = new Map<string, { readonly step: number; readonly fingerprint: string }>();

  constructor(log: Log, wallNow: () => number) {
    this.#log = log;
    this.#wallNow = wallNow;
  }

  /** @param all that are in use */
  check(all: readonly Expiring[]): void {
    for (const each of all) {
      const { what, fingerprint, isLong, notAfter } = each;
      const left = notAfter - this.#wallNow();
      const step = (isLong ? steps : [0]).findLast(days => left <= days * day) ?? never;
      const last = this.#last.get(what);
      if (step < (last?.step ?? never)) this.#warn(each, left);
      // A clock that is set back does not warn again.
      const isSame = last?.fingerprint === fingerprint;
      this.#remember(what, { step: isSame ? Math.min(step, last.step) : step, fingerprint });
    }
  }

  #remember(what: string, last: { readonly step: number; readonly fingerprint: string }): void {
    this.#last.delete(what);
    this.#last.set(what, last);
    if (this.#last.size > maxRemembered) this.#last.delete(this.#last.keys().next().value!);
  }

  #warn({ what, notAfter, effect }: Expiring, left: number): void {
    const until = new Date(notAfter).toISOString();
    if (left <= 0) this.#log.error(`${what} has expired: ${effect}`, { notAfter: until });
    else this.#log.warn(`${what} expires in ${duration(left)}`, { notAfter: until });
  }
}

function duration(ms: number): string {
  const hours = Math.floor(ms / 3_600_000);
  if (hours < 1) return 'less than an hour';
  const [count, unit] = hours >= 24 ? [Math.floor(hours / 24), 'day'] : [hours, 'hour'];
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
