/** A clock that the test turns: timers run in order, and what they cause settles before the next one. */
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../src/live/clock.ts';

export interface ManualClock extends Clock {
  advance(ms: number): Promise<void>;
  readonly waiting: number;
}

export function manualClock(random: () => number = () => 0.5): ManualClock {
  let now = 0;
  const timers = new Set<{ readonly at: number; readonly run: () => void }>();
  return {
    now: () => now,
    random,
    after(ms, run) {
      const timer = { at: now + ms, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async advance(ms) {
      const end = now + ms;
      for (;;) {
        await setImmediate();
        const [next] = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        timers.delete(next);
        now = Math.max(now, next.at);
        next.run();
      }
      now = end;
      await setImmediate();
    },
    get waiting() {
      return timers.size;
    },
  };
}
