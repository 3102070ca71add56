/** The Debian packages the benchmarks need, named when they are missing. */
import { existsSync } from 'node:fs';
import { findProgram } from '../scripts/debian-packages.ts';
import { nginxModule } from './proxies/nginx.ts';

export interface Requirement {
  readonly package: string;
  readonly isThere: () => boolean;
}

const redis: readonly Requirement[] = [
  { package: 'redis-server', isThere: () => findProgram('redis-server') !== undefined },
  { package: 'redis-tools', isThere: () => findProgram('redis-benchmark') !== undefined },
];

/** Of bench/run.ts. */
export const forComparison: readonly Requirement[] = [
  { package: 'haproxy', isThere: () => findProgram('haproxy') !== undefined },
  { package: 'nginx-light', isThere: () => findProgram('nginx') !== undefined },
  { package: 'libnginx-mod-stream', isThere: () => existsSync(nginxModule) },
  ...redis,
  { package: 'iperf3', isThere: () => findProgram('iperf3') !== undefined },
  { package: 'openssl', isThere: () => findProgram('openssl') !== undefined },
];

/** Of bench/syscalls.ts. */
export const forSystemCalls: readonly Requirement[] = [
  ...redis,
  { package: 'strace', isThere: () => findProgram('strace') !== undefined },
];

/** Of bench/profile.ts. */
export const forProfiles: readonly Requirement[] = [
  ...redis,
  { package: 'linux-perf', isThere: () => findProgram('perf') !== undefined },
];

/** @returns the missing packages and the command that installs them, or undefined if none is missing */
export function missingPackages(requirements: readonly Requirement[]): string | undefined {
  const missing = requirements.filter(({ isThere }) => !isThere()).map(requirement => requirement.package);
  if (missing.length === 0) return undefined;
  return `missing: ${missing.join(', ')}; type: sudo apt-get install -y --no-install-recommends ${missing.join(' ')}`;
}
