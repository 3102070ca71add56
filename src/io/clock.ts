/**
 * Milliseconds of the system's monotonic clock, as a double. Unlike `performance.now()` it has the same zero in every thread,
 * so that times may be written to shared memory by one thread and read by another.
 */
const zero = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export function monotonicNow(): number {
  return zero + performance.now();
}
