/** What is good until some time, and what is said of it in the log: of certificates at some days before, once each, of all when it is over. */
import type { Log } from '../log.ts';

export interface Expiring {
  /** `the certificate a.test in a.pem` */
  readonly what: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  /** The same for the same thing. */
  readonly fingerprint: string;
  /** What happens when it is over. */
  readonly effect: string;
  /** Whether somebody has to be told before: it is not renewed every few days. */
  readonly isLong: boolean;
}

const day = 86_400_000;
/** The last one: it is over. */
const steps = [30, 14, 7, 3, 1, 0];

export class ExpiryWarnings {
  readonly #log: Log;
  readonly #wallNow: () => number;
  /** The step last told of, by fingerprint. */
  #told = new Map<string, number>();

  constructor(log: Log, wallNow: () => number) {
    this.#log = log;
    this.#wallNow = wallNow;
  }

  /** @param all that are in use; what was told of others is forgotten */
  check(all: readonly Expiring[]): void {
    const before = this.#told;
    this.#told = new Map();
    for (const each of all) {
      const { fingerprint, isLong, notAfter } = each;
      const told = this.#told.get(fingerprint) ?? before.get(fingerprint) ?? Number.POSITIVE_INFINITY;
      const left = notAfter - this.#wallNow();
      const step = (isLong ? steps : [0]).findLast(days => left <= days * day) ?? Number.POSITIVE_INFINITY;
      if (step < told) this.#tell(each, left);
      this.#told.set(fingerprint, Math.min(step, told));
    }
  }

  #tell({ what, notAfter, effect }: Expiring, left: number): void {
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
