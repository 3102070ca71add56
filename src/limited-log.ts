/** A rate-limited log, for events that clients can cause: at most `max` lines per `perMs`. The next line says how many were suppressed. */
import type { Log, LogLevel } from './log.ts';

export interface LogLimit {
  readonly max: number;
  readonly perMs: number;
  readonly now: () => number;
}

export function limitedLog(log: Log, { max, perMs, now }: LogLimit): Log {
  let since = Number.NEGATIVE_INFINITY;
  let written = 0;
  const write =
    (level: LogLevel) =>
    (message: string, details?: object): void => {
      const time = now();
      if (time - since >= perMs) {
        if (written > max) log.info(`${written - max} similar lines were suppressed`);
        since = time;
        written = 0;
      }
      if (++written <= max) log[level](message, details);
    };
  return { info: write('info'), warn: write('warn'), error: write('error') };
}
