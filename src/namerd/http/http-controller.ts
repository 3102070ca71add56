/** Interface `io.l5d.httpController`: its configuration, and the start of the HTTP API with tokens, TLS and metrics. */
import { z } from 'zod';
import { isLoopback } from '../../browser-guard.ts';
import { hostNames, ip, listenPort, wholeNumber } from '../../config/fields.ts';
import type { Log } from '../../log.ts';
import { interfaceTls, LiveInterfaceTls } from '../../tls/interface-tls.ts';
import { authConfig } from '../access/auth-config.ts';
import { reportDenials } from '../access/denials.ts';
import { LiveTokens } from '../access/live-tokens.ts';
import { defineInterface } from '../core/interface.ts';
import { countRequests } from './request-counts.ts';
import { apiDefaults, startApi } from './server.ts';

const defaults = { ip: '127.0.0.1', port: 4180 };
const mebibyte = 1_048_576;

const config = z.strictObject({
  ip: ip().default(defaults.ip).meta({ description: 'address of the HTTP API' }),
  port: listenPort().default(defaults.port).meta({ description: 'port of the HTTP API' }),
  tls: interfaceTls.optional().meta({ description: 'serve https' }),
  auth: authConfig.optional().meta({
    description: 'bearer tokens and their rights; without it, anyone who can reach the API may do everything',
  }),
  allowedHosts: hostNames().meta({
    description: 'host names that clients may use, besides addresses and localhost, when `ip` is loopback',
  }),
  maxWatches: wholeNumber(1, 1_000_000, 'a whole number from 1 to 1000000')
    .default(apiDefaults.maxWatches)
    .meta({ description: 'watches open at the same time; each proxy has two or more for each of its names' }),
  maxWatchesPerClient: wholeNumber(1, 1_000_000, 'a whole number from 1 to 1000000').optional().meta({
    description: 'watches of one token, or of requests without one, from one address; half of `maxWatches` by default',
  }),
  maxBodyBytes: wholeNumber(1024, 64 * mebibyte, 'a whole number from 1024 to 67108864')
    .default(apiDefaults.maxBodyBytes)
    .meta({ description: 'size of a request body; a dtab of a mebibyte has more than ten thousand rules' }),
});

export const httpController = defineInterface({
  kind: 'io.l5d.httpController',
  config,
  defaults,
  async start({ tls, auth, ...options }, core, place) {
    const { log, registry, now } = core;
    const scope = registry.scope({});
    const drops = scope.counter('l5d:namerd:connections_dropped');
    const tokens = auth && (await LiveTokens.open(auth, log));
    let liveTls: LiveInterfaceTls | undefined;
    try {
      liveTls = tls && new LiveInterfaceTls(tls, log);
      const api = await startApi({
        ...core,
        ...options,
        access: tokens?.access,
        ...(liveTls && { tls: liveTls.options() }),
        answered: countRequests(registry),
        denied: reportDenials(registry, log, now),
        dropped: () => registry.main.add(drops, 1),
      });
      liveTls?.follow(`api ${api.address}`, renew => api.renewTls(renew), core.certificates);
      log.info(`api listening on ${tls ? 'https' : 'http'}://${api.address}`);
      if (!isLoopback(options.ip)) warnInsecure({ tls, auth }, api.address, place, log);
      return {
        address: api.address,
        get watches() {
          return api.watches;
        },
        ...(liveTls && { renewTls: () => liveTls?.refresh() }),
        close: async graceMs => {
          await api.close(graceMs);
          liveTls?.close();
          tokens?.close();
        },
      };
    } catch (error) {
      liveTls?.close();
      tokens?.close();
      throw error;
    }
  },
});

type Security = Pick<z.output<typeof config>, 'tls' | 'auth'>;

/** Of an API that other machines can reach. */
function warnInsecure({ tls, auth }: Security, address: string, place: string, log: Log): void {
  if (auth === undefined && !tls?.requireClientAuth)
    log.warn(
      `the API on ${address} has no authentication: anyone who can reach it can change routing. ` +
        `Configure ${place}.auth or ${place}.tls.requireClientAuth`,
    );
  if (auth !== undefined && auth.tokens.length > 0 && tls === undefined)
    log.warn(`tokens are sent unencrypted to ${address}: anyone on the network can read them. Configure ${place}.tls`);
}
