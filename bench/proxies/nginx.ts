/** nginx stream with one worker process. */
import { setTimeout as delay } from 'node:timers/promises';
import { startProgram } from '../../test/support/process.ts';
import type { Scope } from '../../test/support/scope.ts';
import { tempDir } from '../../test/support/temp-dir.ts';
import { childrenOf } from '../process-cost.ts';
import { cipherSuite, group, type Identity } from '../tls-agreement.ts';
import type { Backends, RunningProxy } from './contender.ts';
import { isListening, onTwoPorts } from './listening.ts';

export const nginxModule = '/usr/lib/nginx/modules/ngx_stream_module.so';

export function startNginx(scope: Scope, backends: Backends, descriptors: number): Promise<RunningProxy> {
  return onTwoPorts(async (redisPort, bulkPort) => {
    const folder = tempDir(scope);
    const { identity } = backends;
    const server = (port: number, backend: string): string =>
      `server { listen 127.0.0.1:${port}${identity ? ' ssl' : ''} backlog=4096; proxy_pass ${backend}; }`;
    const config = `
load_module ${nginxModule};
daemon off;
worker_processes 1;
worker_rlimit_nofile ${descriptors};
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${folder.path}/nginx.pid;
error_log stderr error;
events { worker_connections ${descriptors}; }
stream {
  proxy_timeout 1h;
${identity ? tlsDirectives(identity) : ''}
  ${server(redisPort, backends.redis)}
  ${server(bulkPort, backends.bulk)}
}
`;
    const file = folder.write('nginx.conf', config);
    const program = startProgram(scope, 'nginx', ['-p', folder.path, '-e', 'stderr', '-c', file], {
      stopTimeoutMs: 2000,
    });
    await isListening(program, bulkPort);
    // The master listens, then forks the worker.
    for (let attempt = 0; attempt < 100; attempt++) {
      const [worker] = childrenOf(program.pid);
      if (worker !== undefined) return { pid: worker, redisPort, bulkPort };
      await delay(20);
    }
    throw new Error(`nginx has no worker:\n${program.output}`);
  });
}

/** Tickets are all that TLS 1.3 resumes by: the cache of sessions stays off, as it is by default. */
const tlsDirectives = ({ certFile, keyFile }: Identity): string => `
  ssl_certificate ${certFile};
  ssl_certificate_key ${keyFile};
  ssl_protocols TLSv1.3;
  ssl_ecdh_curve ${group};
  ssl_conf_command Ciphersuites ${cipherSuite};
  ssl_session_tickets on;
  ssl_session_timeout 1h;
`;
