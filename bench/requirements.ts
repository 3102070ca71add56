/** The Debian packages the benchmark needs, named when they are missing. */
import { existsSync } from 'node:fs';
import { findProgram } from '../scripts/debian-packages.ts';
import { nginxModule } from './proxies.ts';

const requirements: readonly { readonly package: string; readonly isThere: () => boolean }[] = [
  { package: 'haproxy', isThere: () => findProgram('haproxy') !== undefined },
  { package: 'nginx-light', isThere: () => findProgram('nginx') !== undefined },
  { package: 'libnginx-mod-stream', isThere: () => existsSync(nginxModule) },
  { package: 'redis-server', isThere: () => findProgram('redis-server') !== undefined },
  { package: 'redis-tools', isThere: () => findProgram('redis-benchmark') !== undefined },
  { package: 'iperf3', isThere: () => findProgram('iperf3') !== undefined },
];

/** @returns what is missing and the line to type, or undefined when all is there. */
export function missingPackages(): string | undefined {
  const missing = requirements.filter(({ isThere }) => !isThere()).map(requirement => requirement.package);
  if (missing.length === 0) return undefined;
  return `missing: ${missing.join(', ')}; type: sudo apt-get install -y --no-install-recommends ${missing.join(' ')}`;
}
