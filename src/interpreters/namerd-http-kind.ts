/** `io.l5d.namerd.http`: names are bound by a namerd over HTTP. */

import { connectionOptions } from '../clients/client-tls.ts';
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
  create: (config: NamerdHttpConfig, { log, now, random, requests }: NamerdHttpContext) => {
    const target = targetOf(config);
    const clock: Clock = { now, random, after: systemClock.after };
    const token = namerdToken(config, log);
    if (token !== undefined && target.baseUrl.protocol === 'http:' && !isLoopback(target.baseUrl))
      log.warn(
        `the token for namerd travels in clear to ${target.baseUrl.host}: whoever listens can use it; use https`,
      );
    const tls = target.tls && connectionOptions(target.tls);
    const client = new NamerdHttpClient({
      baseUrl: target.baseUrl,
      tls: tls && (() => tls),
      token,
      requestTimeoutMs: target.requestTimeoutMs,
      maxBodyBytes: maxDocumentBytes,
      clock,
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
      observer: requests ?? { requestDone() {} },
    });
  },
});
