/** The machine and the programs of a run, so that its numbers can be read elsewhere. */
import { spawnSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { findProgram } from '../scripts/debian-packages.ts';
import { version } from '../src/version.ts';
import { descriptorLimit } from './process-cost.ts';
import type { Machine } from './report.ts';

export const loadAverage = (): number => Math.round((loadavg()[0] as number) * 100) / 100;

export function describeMachine(loadAverageBefore: number): Machine {
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    kernel: release(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    descriptorLimit: descriptorLimit(),
    loadAverageBefore,
    loadAverageAfter: loadAverage(),
  };
}

export function describeVersions(): Record<string, string> {
  return {
    'linkerd-tcp': version,
    node: process.versions.node,
    haproxy: versionOf('haproxy', ['-v'], /version (\S+)/),
    nginx: versionOf('nginx', ['-v'], /nginx\/(\S+)/),
    redis: versionOf('redis-server', ['--version'], /v=(\S+)/),
    iperf3: versionOf('iperf3', ['--version'], /iperf (\S+)/),
    openssl: versionOf('openssl', ['version'], /OpenSSL (\S+)/),
  };
}

function versionOf(program: string, args: readonly string[], pattern: RegExp): string {
  const { stdout, stderr } = spawnSync(findProgram(program) ?? program, args, { encoding: 'utf8' });
  return pattern.exec(`${stdout}${stderr}`)?.[1] ?? 'unknown';
}
