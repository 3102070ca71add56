/**
 * The HTTP server of interface `io.l5d.httpController`: namerd's API, for namerctl, proxies and people.
 *
 * Everything is bounded: bodies, watches, connections, the time to receive a request and to find its answer.
 * docs/security.md lists the bounds.
 */
import { createServer as createPlainServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { type TlsOptions, Server as TlsServer } from 'node:tls';
import fastify from 'fastify';
import { listenHttp } from '../../listen-http.ts';
import { systemClock } from '../../live/clock.ts';
import { Slices } from '../core/sliced.ts';
import type { ApiOptions } from './api-options.ts';
import { Bodies } from './bodies.ts';
import { serveRoutes } from './serve-routes.ts';
import { Watches } from './watches.ts';

export interface RunningApi {
  /** Bound `ip:port`. */
  readonly address: string;
  /** Open at this moment. */
  readonly watches: number;
  /** For new connections. Throws when the certificate or the key is not valid; then nothing has changed. */
  renewTls(tls: TlsOptions): void;
  /** Ends the watches and waits up to `graceMs` for pending answers; then closes their connections. */
  close(graceMs?: number): Promise<void>;
}

export const apiDefaults = {
  /** A dtab of this size has more than ten thousand rules. */
  maxBodyBytes: 1_048_576,
  maxBodiesBytes: 67_108_864,
  maxWatches: 10_000,
  shortConnections: 1000,
  heartbeatMs: 20_000,
  drainTimeoutMs: 60_000,
  answerTimeoutMs: 9000,
  addrWaitMs: 2000,
};

/** To receive a request; between two requests. */
const timeouts = { requestTimeout: 30_000, keepAliveTimeout: 75_000 };
/** A connection without traffic in either direction is closed. */
const idleTimeoutMs = 120_000;
const closeTimeoutMs = 2000;

/** @throws LinkerdTcpError CANNOT_LISTEN */
export async function startApi(options: ApiOptions): Promise<RunningApi> {
  const { ip, port, clock = systemClock, dropped = () => {} } = options;
  const limits = { ...apiDefaults, ...options };
  const { maxWatches, maxWatchesPerClient = Math.ceil(maxWatches / 2) } = limits;
  const watches = new Watches({ ...limits, maxWatchesPerClient, clock });
  const context = { ...limits, random: clock.random, slices: options.slices ?? new Slices() };
  const app = fastify({
    ...timeouts,
    forceCloseConnections: 'idle',
    // The routes read paths themselves: a namespace is not percent-decoded.
    rewriteUrl: () => '/',
    exposeHeadRoutes: false,
    clientErrorHandler: answerBrokenRequest,
    serverFactory: handler =>
      options.tls ? createTlsServer({ ...options.tls, ...timeouts }, handler) : createPlainServer(timeouts, handler),
  });
  app.server.maxConnections = maxWatches + limits.shortConnections;
  app.server.on('drop', dropped);
  // Heartbeats keep a watch from being idle that long.
  app.server.timeout = Math.max(idleTimeoutMs, 3 * limits.heartbeatMs);
  serveRoutes(app, { context, watches, bodies: new Bodies(limits), options });
  const address = await listenHttp(app, { ip, port });
  return {
    address,
    get watches() {
      return watches.count;
    },
    renewTls: tls => {
      if (app.server instanceof TlsServer) app.server.setSecureContext(tls);
    },
    close: async (graceMs = closeTimeoutMs) => {
      watches.close();
      const cancel = systemClock.after(graceMs, () => app.server.closeAllConnections());
      await app.close();
      cancel();
    },
  };
}

const statusTexts: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** Of a request that is not HTTP there is nothing to route: the answer goes to the socket, as plain text like all errors. */
function answerBrokenRequest(error: Error & { readonly code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const status = statusTexts[error.code ?? ''] ?? '400 Bad Request';
  const body = `${status.slice(4)}: ${error.message}\n`;
  const head = [
    'content-type: text/plain; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`HTTP/1.1 ${status}\r\n${head.join('\r\n')}\r\n\r\n${body}`);
}
