/** Metrics of the process: CPU time, memory, descriptors, and the delay of the control plane's event loop. */
import { readdirSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { CounterName, GaugeName } from './families.ts';
import type { Registry } from './registry.ts';

const samplePeriodMs = 100;

/** @returns a function that stops the sampling and ends the series */
export function measureProcess(registry: Registry): () => void {
  const scope = registry.scope({});
  const measure = (name: GaugeName | CounterName, read: () => number) => scope.computed(name, {}, read);
  measure('l5d:process:cpu_seconds_total', cpuSeconds);
  measure('l5d:process:start_time_seconds', () => performance.timeOrigin / 1000);
  measure('l5d:process:uptime_seconds', () => performance.now() / 1000);
  measure('l5d:process:resident_memory_bytes', () => process.memoryUsage.rss());
  measure('l5d:process:heap_used_bytes', () => getHeapStatistics().used_heap_size);
  measure('l5d:process:heap_size_bytes', () => getHeapStatistics().total_heap_size);
  measure('l5d:process:open_fds', openDescriptors);
  // The names that Prometheus's client libraries give them, which dashboards and alerts of others expect.
  measure('process_cpu_seconds_total', cpuSeconds);
  measure('process_start_time_seconds', () => performance.timeOrigin / 1000);
  measure('process_resident_memory_bytes', () => process.memoryUsage.rss());
  measure('process_virtual_memory_bytes', () => fromProc('/proc/self/status', /^VmSize:\s+(\d+) kB/m) * 1024);
  measure('process_open_fds', openDescriptors);
  measure('process_max_fds', () => fromProc('/proc/self/limits', /^Max open files\s+(\d+)/m));

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

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** NaN where the system has no /proc. */
function fromProc(file: string, pattern: RegExp): number {
  try {
    return Number(pattern.exec(readFileSync(file, 'utf8'))?.[1] ?? Number.NaN);
  } catch {
    return Number.NaN;
  }
}
