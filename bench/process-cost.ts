/** The cost of a process so far, from /proc: CPU time of all its threads, and its private memory. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** Clock ticks of /proc in a second: USER_HZ, 100 on every architecture this runs on. */
const ticksPerSecond = 100;

/** User and system time of a `/proc/PID/stat`, threads that ended included. The name in it may hold spaces and brackets. */
export function cpuSecondsOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/**
 * Memory of a `/proc/PID/smaps_rollup` in bytes, without file pages: those are shared with other processes of the same program, and
 * the share changes when another one starts.
 */
export function ownBytesOf(smapsRollup: string): number {
  const kilobytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(smapsRollup)?.[1]);
  return (kilobytes('Pss') - kilobytes('Pss_File')) * 1024;
}

export const cpuSeconds = (pid: number): number => cpuSecondsOf(readFileSync(`/proc/${pid}/stat`, 'utf8'));

export const ownBytes = (pid: number): number => ownBytesOf(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));

export function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? [] : children.split(' ').map(Number);
}

/** Hard limit of open file descriptors of this process, which its children inherit. */
export function descriptorLimit(): number {
  const limit = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return limit === 'unlimited' ? 1_048_576 : Number(limit);
}

/** Runs `body` and tells what it cost the process, the closing of its connections included. */
export async function costOf<T>(pid: number, body: () => Promise<T>): Promise<{ result: T; cpu: number }> {
  const before = cpuSeconds(pid);
  const result = await body();
  await delay(150);
  return { result, cpu: cpuSeconds(pid) - before };
}
