/** Bounds on how long something may take. */
import { type Clock, systemClock } from '../../live/clock.ts';
import { HttpFailure } from './failure.ts';

/** Gives `use` a signal that aborts after `ms`, or when `stop` does. */
export async function beforeDeadline<T>(
  ms: number,
  use: (signal: AbortSignal) => Promise<T>,
  stop?: AbortSignal,
  clock: Clock = systemClock,
): Promise<T> {
  const over = new AbortController();
  const late = () => over.abort(new HttpFailure('timeout', `no complete answer within ${Math.round(ms)} ms`));
  const cancel = clock.after(ms, late);
  const stopped = () => over.abort(stop?.reason);
  stop?.addEventListener('abort', stopped);
  try {
    stop?.throwIfAborted();
    return await use(over.signal);
  } finally {
    cancel();
    stop?.removeEventListener('abort', stopped);
  }
}

/** `promise`, for as long as `signal` has not aborted: for what takes no signal, or notices it late. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const cut = Promise.withResolvers<never>();
  const aborted = () => cut.reject(signal.reason);
  signal.addEventListener('abort', aborted);
  if (signal.aborted) aborted();
  try {
    return await Promise.race([promise, cut.promise]);
  } finally {
    signal.removeEventListener('abort', aborted);
  }
}
