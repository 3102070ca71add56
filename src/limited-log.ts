/** A log for what strangers can cause: at most `most` lines in each `perMs`; the next line tells how many were left out. */
import type { Log, LogLevel } from './log.ts';

export interface LogLimit {
  readonly most: number;
  readonly perMs: number;
  readonly now: () => number;
}

export function limitedLog(log: Log, { most, perMs, now }: LogLimit): Log {
  let since = Number.NEGATIVE_INFINITY;
  let said = 0;
  const say =
    (level: LogLevel) =>
    (message: string, details?: object): void => {
      const time = now();
      if (time - since >= perMs) {
        if (said > most) log.info(`${said - most} lines like the one before were left out`);
        since = time;
        said = 0;
      }
      if (++said <= most) log[level](message, details);
    };
  return { info: say('info'), warn: say('warn'), error: say('error') };
}
