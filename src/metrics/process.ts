/** Metrics of the process: CPU time, memory, descriptors, and the delay of the control plane's event loop. */
import { readdirSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { Registry } from './registry.ts';

const samplePeriodMs = 100;

/** @returns a function that stops the sampling and ends the series */
export function measureProcess(registry: Registry): () => void {
  const scope = registry.scope({});
  scope.computed('l5d:process:cpu_seconds_total', {}, () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  scope.computed('l5d:process:start_time_seconds', {}, () => performance.timeOrigin / 1000);
  scope.computed('l5d:process:uptime_seconds', {}, () => performance.now() / 1000);
  scope.computed('l5d:process:resident_memory_bytes', {}, () => process.memoryUsage.rss());
  scope.computed('l5d:process:heap_used_bytes', {}, () => getHeapStatistics().used_heap_size);
  scope.computed('l5d:process:heap_size_bytes', {}, () => getHeapStatistics().total_heap_size);
  scope.computed('l5d:process:open_fds', {}, openDescriptors);

  const delay = scope.histogram('l5d:process:event_loop_delay_us');
  let expected = performance.now() + samplePeriodMs;
  const sampler = setInterval(() => {
    const now = performance.now();
    registry.main.observe(delay, (now - expected) * 1000);
    expected = now + samplePeriodMs;
  }, samplePeriodMs).unref();

  return () => {
    clearInterval(sampler);
    scope.release();
    scope.confirmReleased();
  };
}

/** NaN where the system has no /proc. */
function openDescriptors(): number {
  try {
    // Reading the directory opens one more.
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return Number.NaN;
  }
}
