/** `io.l5d.namerd.http`: names are bound by a namerd over HTTP. */

import { liveClientTls } from '../clients/live-client-tls.ts';
import { NamerdCluster } from '../clients/namerd/cluster.ts';
import { NamerdHttpClient } from '../clients/namerd/http-client.ts';
import { type NamerdHttpConfig, namerdHttpConfig, targetOf } from '../clients/namerd/http-config.ts';
import { isLoopback } from '../clients/namerd/loopback.ts';
import { namerdToken } from '../clients/namerd/token.ts';
import type { RequestObserver } from '../clients/namerd/watch.ts';
import type { Clock } from '../live/clock.ts';
import { systemClock } from '../live/clock.ts';
import { defineInterpreter, type InterpreterContext } from '../naming/kinds.ts';
import { NamerdHttpInterpreter } from './namerd-http.ts';

/** Far more than any tree or set of addresses; a server that sends it is broken. */
const maxDocumentBytes = 8 * 1024 * 1024;
const probeMs = 300_000;
const lingerMs = 1000;

/** The program may pass an observer of the requests, for its metrics. */
export type NamerdHttpContext = InterpreterContext & { readonly requests?: RequestObserver };

export const namerdHttpInterpreter = defineInterpreter({
  kind: 'io.l5d.namerd.http',
  config: namerdHttpConfig,
  usesNamers: false,
  create: (config: NamerdHttpConfig, { log, now, random, certificates, clients, requests }: NamerdHttpContext) => {
    const target = targetOf(config);
    const clock: Clock = { now, random, after: systemClock.after };
    const token = namerdToken(config, log);
    const { baseUrls, requestTimeoutMs } = target;
    const { tokenFile } = config;
    for (const url of baseUrls)
      if (token !== undefined && url.protocol === 'http:' && !isLoopback(url))
        log.warn(`the token for namerd travels in clear to ${url.host}: use https, or anyone on the way can read it`);
    const leases = baseUrls.map(baseUrl =>
      clients.take('namerd', { baseUrl, tls: target.tls, token: config.token, tokenFile, requestTimeoutMs }, () => {
        const tls = liveClientTls(target.tls, `namerd at ${baseUrl.host}`, { log, certificates });
        return new NamerdHttpClient({ baseUrl, tls, token, requestTimeoutMs, maxBodyBytes: maxDocumentBytes, clock });
      }),
    );
    const observer = requests ?? { requestDone() {} };
    const client = new NamerdCluster({
      members: leases.map(lease => lease.client),
      log,
      moved: () => observer.moved?.(),
      close: async () => void (await Promise.all(leases.map(lease => lease.release()))),
    });
    return new NamerdHttpInterpreter({
      client,
      namespace: target.namespace,
      periodMs: target.periodMs,
      backoff: target.backoff,
      watchIdleTimeoutMs: target.watchIdleTimeoutMs,
      maxDocumentBytes,
      probeMs,
      lingerMs,
      clock,
      log,
      observer,
    });
  },
});
