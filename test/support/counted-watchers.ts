/** Counts the file watchers and interval timers that are open, to prove that none is left. */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { TestContext } from 'node:test';

export interface OpenResources {
  watchers(): number;
  intervals(): number;
}

/** From now until the end of the test. */
export function countResources(t: TestContext): OpenResources {
  const { watch } = fs;
  let watchers = 0;
  t.mock.method(fs, 'watch', (...parameters: Parameters<typeof watch>) => {
    const watcher = watch(...parameters);
    watchers++;
    watcher.once('close', () => watchers--);
    return watcher;
  });
  syncBuiltinESMExports();
  const intervals = new Set<unknown>();
  const { setInterval, clearInterval } = globalThis;
  t.mock.method(globalThis, 'setInterval', (run: () => void, ms: number) => {
    const timer = setInterval(run, ms);
    intervals.add(timer);
    return timer;
  });
  t.mock.method(globalThis, 'clearInterval', (timer: NodeJS.Timeout) => {
    intervals.delete(timer);
    clearInterval(timer);
  });
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  return { watchers: () => watchers, intervals: () => intervals.size };
}
