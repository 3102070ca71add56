/** One entry of `servers`: where a router listens, and the limits of every connection accepted there. */
import { z } from 'zod';
import { count, ip, listenPort, millis, parsedText, seconds, wholeNumber } from '../../config/fields.ts';
import { serverTls } from '../../tls/server-tls.ts';
import { briefly } from '../shared/brief-parse.ts';
import { parseDstName } from './dst-name.ts';
import { sniConfig } from './sni-config.ts';

export const idleTimeoutMs = 3_600_000;

const serverSession = z.strictObject({
  idleTimeMs: millis(1).optional().meta({ description: 'the same as `idleTimeoutMs`' }),
  lifeTimeMs: millis(1).optional().meta({ description: 'the same as `connectionLifetimeSecs`, in milliseconds' }),
});

const keepAlive = z.strictObject({
  enabled: z.boolean().default(true).meta({ description: 'let the system find peers that vanished' }),
  idleSecs: wholeNumber(1, 32_767, 'a whole number of seconds from 1 to 32767')
    .default(60)
    .meta({ description: 'silence before the first probe' }),
});

export const serverConfig = z
  .strictObject({
    port: listenPort().meta({ description: 'port to listen on; 0 takes a free one' }),
    ip: ip().default('127.0.0.1').meta({ description: 'address to listen on; `0.0.0.0` or `::` for all' }),
    dstName: parsedText('a path like /svc/users', briefly(parseDstName)).meta({
      description:
        'the name that connections are routed to; the dtab and the namers resolve it. With `sni`, `{sni}` in it stands for the ' +
        'server name a client asks for: `/svc/{sni}`',
    }),
    sni: sniConfig.optional(),
    tls: serverTls
      .optional()
      .meta({ description: 'TLS from clients ends here; without it, bytes are passed on as they are' }),
    connectTimeoutMs: millis(1).default(10_000).meta({
      description: 'bound of the whole wait for a backend: naming, queue and every attempt to connect',
    }),
    connectionLifetimeSecs: seconds(1)
      .optional()
      .meta({ description: 'a connection older than this is ended; none by default' }),
    connectionLifetimeJitterPercent: wholeNumber(0, 100, 'a whole number from 0 to 100').default(10).meta({
      description: 'shortens each lifetime by a random share up to this, so that connections do not end together',
    }),
    idleTimeoutMs: millis(1).optional().meta({
      default: idleTimeoutMs,
      description: 'a connection without bytes in either direction for this long is ended',
    }),
    serverSession: serverSession
      .optional()
      .meta({ description: 'Linkerd’s names for the limits of idle time and lifetime' }),
    finTimeoutMs: millis(1).default(300_000).meta({
      description: 'once one side has finished sending: ended after this long without bytes from the other',
    }),
    maxConcurrency: wholeNumber(
      1,
      10_000_000,
      'a whole number from 1 to 10000000 (with 0 nothing would ever be accepted)',
    )
      .default(100_000)
      .meta({ description: 'connections open at once; more wait in the system’s queue' }),
    backlog: count(1).default(1024).meta({ description: 'length of the system’s queue; the system may cap it' }),
    reusePort: z
      .boolean()
      .default(false)
      .meta({
        description:
          'let another process of the same user listen here at the same time: start the new process, wait until it is ready, then stop ' +
          'the old one; by default a port in use is an error',
      }),
    keepAlive: keepAlive.prefault({}).meta({ description: 'TCP keep-alive towards clients' }),
  })
  .transform(({ serverSession: session, connectionLifetimeSecs: lifetime, ...server }) => ({
    ...server,
    idleTimeoutMs: server.idleTimeoutMs ?? session?.idleTimeMs ?? idleTimeoutMs,
    connectionLifetimeMs: lifetime === undefined ? session?.lifeTimeMs : lifetime * 1000,
  }));

export type ServerConfig = z.output<typeof serverConfig>;
