/**
 * The configuration of `linkerd-tcp`: every key, its default and what it means.
 *
 * Keys are those of linkerd-tcp 0.1 plus Linkerd 1.x's `dtab`, `namers` and `transformers`. docs/reference/configuration.md
 * and the JSON Schema are generated from here.
 */

import { availableParallelism } from 'node:os';
import { z } from 'zod';
import {
  hostNames,
  ip,
  listenPort,
  maxTimerMs,
  nonEmpty,
  parsedText,
  seconds,
  wholeNumber,
} from '../../config/fields.ts';
import { dirPath, filePath } from '../../config/file-fields.ts';
import { parseDtab } from '../../dtab/parse.ts';
import { driverKinds } from '../../io/drivers/choose-driver.ts';
import {
  type InterpreterKind,
  interpreterConfig,
  type NamerKind,
  namerConfig,
  type TransformerKind,
} from '../../naming/kinds.ts';
import { briefly } from '../shared/brief-parse.ts';
import { clientConfig } from './client-config.ts';
import { serverConfig } from './server-config.ts';

export interface Kinds {
  readonly interpreters: readonly InterpreterKind[];
  readonly namers: readonly NamerKind[];
  readonly transformers: readonly TransformerKind[];
}

export const adminDefaults = { ip: '127.0.0.1', port: 9989 };

const admin = z.strictObject({
  port: listenPort().default(adminDefaults.port).meta({ description: 'port of the admin API' }),
  ip: ip().default(adminDefaults.ip).meta({ description: 'address of the admin API' }),
  metricsIntervalSecs: seconds()
    .default(60)
    .meta({ description: 'accepted for configs of linkerd-tcp 0.1; no longer needed, metrics are always live' }),
  allowedHosts: hostNames().meta({
    description: 'host names that clients may use, besides addresses and localhost, when `ip` is loopback',
  }),
  graceSecs: wholeNumber(0, Math.floor(maxTimerMs / 1000), 'a whole number of seconds, at most 24 days')
    .default(10)
    .meta({ description: 'how long open connections may continue after a request to stop' }),
});

const accessLog = z.strictObject({
  file: filePath('output', 'a path, or "-" for standard output').meta({
    description: 'file to append to; `-` is standard output',
  }),
  format: z.enum(['text', 'json']).default('text').meta({ description: 'one line per connection, as text or JSON' }),
});

export function configSchema({ interpreters, namers, transformers }: Kinds) {
  const router = z.strictObject({
    label: nonEmpty('a name for this router, shown in metrics').meta({
      description: 'name of the router, unique; the label `rt` of its metrics',
    }),
    servers: z.array(serverConfig).meta({ description: 'where it listens; may be empty' }),
    interpreter: interpreterConfig(interpreters, transformers)
      .prefault({ kind: 'default' } as never)
      .meta({ description: 'resolves names: by the namers of this file (`default`), or through a namerd' }),
    dtab: parsedText('a dtab', briefly(parseDtab))
      .default('')
      .meta({ description: 'rules of this router; they win over those of the interpreter' }),
    client: clientConfig.prefault({}).meta({ description: 'how connections to backends are made' }),
    onNegative: z
      .enum(['keep', 'fail'])
      .optional()
      .meta({
        description:
          'when a name that had backends no longer exists: keep the last ones or refuse new connections. ' +
          '`keep` is the default with `io.l5d.namerd.http`, `fail` otherwise',
      }),
  });

  return z.strictObject({
    admin: admin.prefault({}).meta({ description: 'the admin API: metrics, state, shutdown' }),
    namers: z
      .array(namerConfig(namers, transformers))
      .default([])
      .meta({ description: 'service discovery that names may be bound by; the last one is asked first' }),
    routers: z.array(router).meta({ description: 'the routers; may be empty' }),
    bufferSizeBytes: wholeNumber(1, 1 << 30, 'a whole number of bytes from 1 to 1073741824')
      .default(16_384)
      .meta({ description: 'bytes held at most for one direction of one connection' }),
    driver: z
      .enum(['auto', ...driverKinds])
      .default('auto')
      .meta({
        description:
          'the I/O driver: `uring` and `epoll` make the system calls themselves (Linux), `portable` works everywhere, ' +
          '`auto` takes the first of them that this machine allows',
      }),
    workers: wholeNumber(1, 1024, 'a whole number from 1 to 1024').optional().meta({
      description:
        'threads that move bytes; as many as there are cores available by default; one where threads cannot share a port (macOS, Windows)',
    }),
    stateDir: dirPath('output').optional().meta({
      description:
        'directory that keeps the last known addresses of names, for a start while naming is unreachable; off by default',
    }),
    accessLog: accessLog.optional().meta({ description: 'a record of every connection; off by default' }),
    usage: z
      .unknown()
      .optional()
      .meta({ description: 'accepted for configs of Linkerd 1.x and ignored: nothing phones home' }),
  });
}

export type LinkerdTcpConfig = z.output<ReturnType<typeof configSchema>>;
export type RouterConfig = LinkerdTcpConfig['routers'][number];

export const workersOf = (config: LinkerdTcpConfig): number => config.workers ?? availableParallelism();

/** Whether a destination keeps its backends when its name turns negative. */
export const onNegativeOf = (router: RouterConfig): 'keep' | 'fail' =>
  router.onNegative ?? (router.interpreter.kind === 'io.l5d.namerd.http' ? 'keep' : 'fail');
