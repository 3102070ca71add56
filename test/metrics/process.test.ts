/** The metrics of the process. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { measureProcess } from '../../src/metrics/process.ts';
import { Registry } from '../../src/metrics/registry.ts';
import { parseExposition } from './parse-exposition.ts';

const value = (registry: Registry, name: string) => parseExposition(registry.expose()).get(name)?.samples.at(-1)?.value;

test('the process is measured at scrape, and no more once it is stopped', () => {
  const registry = new Registry({ pages: 1 });
  const stop = measureProcess(registry);
  const started = value(registry, 'l5d:process:start_time_seconds')!;
  const uptime = value(registry, 'l5d:process:uptime_seconds')!;
  assert.ok(Math.abs(started + uptime - Date.now() / 1000) < 5);
  for (const name of ['cpu_seconds_total', 'resident_memory_bytes', 'heap_used_bytes', 'heap_size_bytes']) {
    assert.ok(value(registry, `l5d:process:${name}`)! > 0, name);
  }
  if (process.platform === 'linux') {
    assert.ok(value(registry, 'l5d:process:open_fds')! >= 3);
    for (const name of ['cpu_seconds_total', 'start_time_seconds', 'resident_memory_bytes', 'virtual_memory_bytes'])
      assert.ok(value(registry, `process_${name}`)! > 0, name);
    assert.ok(value(registry, 'process_max_fds')! >= value(registry, 'process_open_fds')!);
  }
  stop();
  assert.equal(registry.expose(), '');
});

test('a control plane that was kept busy shows as delay', t => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const registry = new Registry({ pages: 1 });
  t.after(measureProcess(registry));
  const busyUntil = performance.now() + 130;
  while (performance.now() < busyUntil) {
    // The event loop stands still.
  }
  t.mock.timers.tick(100);
  assert.ok(value(registry, 'l5d:process:event_loop_delay_us_max')! >= 29_000);
});
