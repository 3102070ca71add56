/** linkerd-tcp with one worker. */
import { startLinkerdTcp } from '../../test/support/linkerd-tcp.ts';
import type { Scope } from '../../test/support/scope.ts';
import { cipherSuite, group } from '../tls-agreement.ts';
import type { Backends, RunningProxy } from './contender.ts';

export async function startOurs(scope: Scope, backends: Backends, driver: string): Promise<RunningProxy> {
  const inet = (backend: string): string => `/$/inet/${backend.replace(':', '/')}`;
  const { identity } = backends;
  const tls = identity && {
    defaultIdentity: { certs: [identity.certFile], privateKey: identity.keyFile },
    minVersion: 'TLSv1.3',
    cipherSuites: [cipherSuite],
    groups: [group],
  };
  const server = (keys: object): string => JSON.stringify({ port: 0, ...keys, ...(tls && { tls }) });
  const config = `
admin: {port: 0}
driver: ${driver}
workers: 1
routers:
- label: bench
  dtab: /svc/redis => ${inet(backends.redis)}; /svc/bulk => ${inet(backends.bulk)};
  servers:
  - ${server({ dstName: '/svc/redis', backlog: 4096 })}
  - ${server({ dstName: '/svc/bulk' })}
`;
  const { program, ports } = await startLinkerdTcp(scope, { config });
  return {
    pid: program.pid,
    redisPort: ports.get('/svc/redis') as number,
    bulkPort: ports.get('/svc/bulk') as number,
  };
}
