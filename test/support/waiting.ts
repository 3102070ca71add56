/** Waiting with a bound: every wait names what it waited for, so a hang reads as a sentence. */
import { setTimeout as delay } from 'node:timers/promises';

/** Generous: a wait ends as soon as the state is there, so this only delays a failure. */
export const defaultTimeoutMs = 60_000;

/** The promise's value, or an error that names `what` when it takes longer than `timeoutMs`. */
export async function within<T>(promise: Promise<T>, what: string, timeoutMs = defaultTimeoutMs): Promise<T> {
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(() => timeout.reject(new Error(`waited ${timeoutMs} ms for ${what}`)), timeoutMs);
  try {
    return await Promise.race([promise, timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Asks again and again until the answer is neither undefined nor false; for states that cannot notify, such as another
 * process's counters. `what` may be a function, to tell the last thing seen.
 */
export async function until<T>(
  ask: () => T | Promise<T>,
  what: string | (() => string),
  { timeoutMs = defaultTimeoutMs, everyMs = 20 } = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== null && answer !== false) {
      return answer as NonNullable<Exclude<T, false>>;
    }
    if (performance.now() > deadline) {
      throw new Error(`waited ${timeoutMs} ms for ${typeof what === 'string' ? what : what()}`);
    }
    await delay(everyMs);
  }
}
