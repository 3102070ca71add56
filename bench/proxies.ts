/** The proxies side by side: HAProxy, nginx stream and linkerd-tcp on each driver, all with one thread for the bytes. */
import type { Scope } from '../test/support/scope.ts';
import type { Backends, Contender } from './proxies/contender.ts';
import { startHaproxy } from './proxies/haproxy.ts';
import { startNginx } from './proxies/nginx.ts';
import { startOurs } from './proxies/ours.ts';
import type { Identity } from './tls-agreement.ts';
import type { Upstreams } from './upstreams.ts';

export const drivers = ['uring', 'epoll', 'portable'] as const;

/** HAProxy counts pipes to splice with among the descriptors of its connections. */
const bulkConnections = 1000;

/** @param connections how many each must be able to hold; two descriptors each. */
export function allProxies(connections: number, descriptors: number): Contender[] {
  const haproxy = (splice: boolean) => (scope: Scope, backends: Backends) =>
    startHaproxy(scope, backends, splice ? bulkConnections : connections, splice);
  return [
    { name: 'haproxy', title: 'HAProxy', start: haproxy(false) },
    { name: 'haproxy-splice', title: 'HAProxy with splice', onlyBulk: true, start: haproxy(true) },
    { name: 'nginx', title: 'nginx stream', start: (scope, backends) => startNginx(scope, backends, descriptors) },
    ...drivers.map(driver => ({
      name: driver,
      title: `linkerd-tcp ${driver}`,
      start: (scope: Scope, backends: Backends) => startOurs(scope, backends, driver),
    })),
  ];
}

/** Where the proxy with this index connects to. */
export function backendsOf(
  { redisAddresses, redisPort, bulkPort }: Upstreams,
  index: number,
  identity: Identity | undefined,
): Backends {
  return {
    redis: `${redisAddresses[index]}:${redisPort}`,
    bulk: `127.0.0.1:${bulkPort}`,
    ...(identity !== undefined && { identity }),
  };
}
