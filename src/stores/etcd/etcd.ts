/**
 * Store `io.l5d.etcd`: etcd with its v3 API. The keys of the configuration are Linkerd's, which spoke v2; `endpoints`,
 * `username`, `passwordFile` and `requestTimeoutMs` are ours.
 */

import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { clientTls } from '../../clients/client-tls.ts';
import { liveClientTls } from '../../clients/live-client-tls.ts';
import { host, nonEmpty, wholeNumber } from '../../config/fields.ts';
import { filePath } from '../../config/file-fields.ts';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import { defineStore } from '../kind.ts';
import { RemoteStore } from '../remote-store.ts';
import { EtcdBackend } from './backend.ts';

/** One small read each time. */
const retries = { baseMs: 250, maxMs: 3000 };

const port = () => wholeNumber(1, 65_535, 'a port, a whole number from 1 to 65535');

export const etcdStore = defineStore({
  kind: 'io.l5d.etcd',
  config: z
    .strictObject({
      host: host().optional().meta({ description: 'where etcd is; `localhost` if not given' }),
      port: port().optional().meta({ description: 'its port for clients; 2379 if not given' }),
      endpoints: z
        .array(z.strictObject({ host: host(), port: port().default(2379) }))
        .min(1)
        .optional()
        .meta({ description: 'several members, each with `host` and `port`, instead of the one of `host` and `port`' }),
      pathPrefix: z
        .string()
        .regex(/^(?:\/[^/\s]+)+$/, 'expected a path such as /namerd/dtabs')
        .default('/namerd/dtabs')
        .meta({ description: 'where the keys are: `<pathPrefix>/<namespace>`' }),
      tls: clientTls.optional().meta({ description: 'speak TLS with etcd' }),
      username: nonEmpty('a name').optional().meta({ description: 'whom to log in as, where etcd asks for it' }),
      passwordFile: filePath().optional().meta({ description: 'a file with the password' }),
      requestTimeoutMs: wholeNumber(100, 60_000, 'a whole number of milliseconds from 100 to 60000')
        .default(5000)
        .meta({ description: 'how long etcd may take to answer one request' }),
    })
    .refine(({ endpoints, host, port }) => !(endpoints && (host ?? port) !== undefined), {
      error: 'give endpoints, or host and port, not both',
      path: ['endpoints'],
    })
    .refine(({ username, passwordFile }) => (username === undefined) === (passwordFile === undefined), {
      error: 'give username and passwordFile together',
      path: ['username'],
    }),
  create: (config, { log, random, certificates }) => {
    const { pathPrefix, username, passwordFile, requestTimeoutMs: timeoutMs } = config;
    const members = config.endpoints ?? [{ host: config.host ?? 'localhost', port: config.port ?? 2379 }];
    const store = `io.l5d.etcd (${members.map(member => `${member.host}:${member.port}`).join(', ')})`;
    const login = username && passwordFile ? { username, password: () => readPassword(passwordFile) } : undefined;
    login?.password();
    const tls = liveClientTls(config.tls, 'io.l5d.etcd', { log, certificates });
    const open = async () => {
      // Not loaded where another store is used.
      const { EtcdCluster } = await import('../../clients/etcd/cluster.ts');
      return new EtcdCluster({ members, tls: tls?.source, login, timeoutMs, random });
    };
    const backend = new EtcdBackend({ store, pathPrefix, open, timeoutMs, closed: () => tls?.close() });
    return new RemoteStore({ store, backend, log, random, writeTimeoutMs: timeoutMs, retries });
  },
});

function readPassword(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new LinkerdTcpError('CONFIG_UNREADABLE', { file, reason: reasonOf(error) }, { cause: error });
  }
}
