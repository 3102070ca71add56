/** HAProxy in `mode tcp` with one thread. */
import { readFileSync } from 'node:fs';
import { startProgram } from '../../test/support/process.ts';
import type { Scope } from '../../test/support/scope.ts';
import { tempDir } from '../../test/support/temp-dir.ts';
import { cipherSuite, group } from '../tls-agreement.ts';
import type { Backends, RunningProxy } from './contender.ts';
import { isListening, onTwoPorts } from './listening.ts';

/** It takes all the descriptors `maxconn` needs at start, or does not start. */
export function startHaproxy(
  scope: Scope,
  backends: Backends,
  connections: number,
  splice: boolean,
): Promise<RunningProxy> {
  return onTwoPorts(async (redisPort, bulkPort) => {
    const folder = tempDir(scope);
    const { identity } = backends;
    // One file for certificate and key, as it likes them.
    const pem = identity && folder.write('both.pem', identityOf(identity.certFile) + identityOf(identity.keyFile));
    // Session tickets are on, unless told otherwise.
    const tls = pem === undefined ? '' : ` ssl crt ${pem}`;
    const config = `
global
  nbthread 1
  maxconn ${connections}
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-bind-ciphersuites ${cipherSuite}
  ssl-default-bind-curves ${group}
defaults
  mode tcp
  maxconn ${connections}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
${splice ? '  option splice-request\n  option splice-response\n' : ''}
listen redis
  bind 127.0.0.1:${redisPort}${tls}
  server redis ${backends.redis}
listen bulk
  bind 127.0.0.1:${bulkPort}${tls}
  server bulk ${backends.bulk}
`;
    const file = folder.write('haproxy.cfg', config);
    const program = startProgram(scope, 'haproxy', ['-db', '-f', file], { stopTimeoutMs: 500 });
    await isListening(program, bulkPort);
    return { pid: program.pid, redisPort, bulkPort };
  });
}

const identityOf = (file: string): string => readFileSync(file, 'utf8');
