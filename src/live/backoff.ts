/**
 * When to try again: full jitter under a doubling ceiling, as Linkerd does, but the first attempt after a good time is quick.
 *
 * Full jitter spreads the proxies that lost the same server. Source: M. Brooker, "Exponential Backoff And Jitter", AWS, 2015.
 */

export interface BackoffLimits {
  readonly baseMs: number;
  readonly maxMs: number;
}

/** A restart of the server should not be noticed: the first retry comes within this time, wherever `baseMs` is longer. */
export const firstRetryMs = 500;

/** Milliseconds until attempt `retry` (0 = the first retry), in [0, maxMs]. @param random in [0, 1) */
export function backoffMs(retry: number, { baseMs, maxMs }: BackoffLimits, random: () => number): number {
  const ceiling = retry === 0 ? Math.min(firstRetryMs, baseMs) : baseMs * 2 ** (retry - 1);
  return Math.floor(random() * Math.min(ceiling, maxMs));
}
