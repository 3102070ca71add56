/**
 * Interface `io.l5d.httpController`: namerd's HTTP API, for namerctl, proxies and people.
 *
 * Everything is bounded: bodies, watches, connections, how long a request may take to arrive and an answer to be known.
 */
import { createServer as createPlainServer, METHODS } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type TlsOptions, Server as TlsServer } from 'node:tls';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { takeUntil } from 'rxjs';
import { LinkerdTcpError } from '../../errors.ts';
import { listenHttp } from '../../listen-http.ts';
import { type Clock, systemClock } from '../../live/clock.ts';
import type { Log } from '../../log.ts';
import type { DtabStore } from '../../stores/store.ts';
import { type Access, authorize, type Principal, unrestricted } from '../access/access.ts';
import { type Denial, denialOf } from '../access/denial.ts';
import type { Namespaces } from '../core/namespaces.ts';
import type { ApiContext } from './api-context.ts';
import type { Answer, RequestHead } from './exchange.ts';
import { failureAnswer } from './failures.ts';
import type { Route } from './route.ts';
import { endpointOf, routeOf } from './routes.ts';
import { Watches } from './watches.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** As it was sent. */
    contentType: string | undefined;
    head: RequestHead;
    apiRoute: Route;
    principal: Principal;
  }
}

export interface ApiOptions {
  readonly ip: string;
  /** 0 for one that is free. */
  readonly port: number;
  readonly store: DtabStore;
  readonly namespaces: Namespaces;
  readonly namerPrefixes: readonly (readonly string[])[];
  readonly log: Log;
  /** Whether a page of this origin may change what is stored; programs send no Origin. */
  readonly isOwnOrigin: (origin: string | undefined, host: string | undefined) => boolean;
  /** Who may do what; without it whoever reaches the API may do everything. */
  readonly access?: Access;
  /** Speak https. */
  readonly tls?: TlsOptions;
  /** Told of each answer; of a watch when it opens. */
  readonly answered?: (endpoint: string, status: number) => void;
  /** Told of each request that is refused for want of a token or a right. */
  readonly denied?: (denial: Denial) => void;
  readonly clock?: Clock;
  readonly maxBodyBytes?: number;
  readonly maxWatches?: number;
  readonly heartbeatMs?: number;
  readonly drainTimeoutMs?: number;
  readonly answerTimeoutMs?: number;
  readonly addrWaitMs?: number;
}

export interface RunningApi {
  /** Bound `ip:port`. */
  readonly address: string;
  /** Open at this moment. */
  readonly watches: number;
  /** For connections from now on. Throws where the certificate or the key is none, and then nothing has changed. */
  renewTls(tls: TlsOptions): void;
  /** Ends the watches and waits for the answers under way, for `graceMs`; then they are cut. */
  close(graceMs?: number): Promise<void>;
}

export const apiDefaults = {
  /** A dtab of this size has tens of thousands of rules. */
  maxBodyBytes: 5_000_000,
  maxWatches: 10_000,
  heartbeatMs: 20_000,
  drainTimeoutMs: 60_000,
  answerTimeoutMs: 9000,
  addrWaitMs: 2000,
};

/** Beside the watches: short requests, at one time. */
const shortConnections = 1000;
/** To send a request; between two of them. */
const timeouts = { requestTimeout: 30_000, keepAliveTimeout: 75_000 };
/** A connection on which nothing moves in either direction is cut. */
const silenceMs = 120_000;
const closeTimeoutMs = 2000;

/** @throws LinkerdTcpError CANNOT_LISTEN */
export async function startApi(options: ApiOptions): Promise<RunningApi> {
  const { ip, port, clock = systemClock } = options;
  const limits = { ...apiDefaults, ...options };
  const watches = new Watches({ ...limits, clock });
  const context: ApiContext = { ...limits, random: clock.random };
  const app = fastify({
    bodyLimit: limits.maxBodyBytes,
    ...timeouts,
    forceCloseConnections: 'idle',
    // Paths are read by us: a namespace is what it is, without decoding.
    rewriteUrl: () => '/',
    exposeHeadRoutes: false,
    serverFactory: handler =>
      options.tls ? createTlsServer({ ...options.tls, ...timeouts }, handler) : createPlainServer(timeouts, handler),
  });
  app.server.maxConnections = limits.maxWatches + shortConnections;
  // Heartbeats keep a watch from being silent so long.
  app.server.timeout = Math.max(silenceMs, 3 * limits.heartbeatMs);
  serve(app, context, watches, options);
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

function serve(app: FastifyInstance, context: ApiContext, watches: Watches, options: ApiOptions): void {
  const { log, answered = () => {}, denied = () => {} } = options;
  const count = (request: FastifyRequest, status: number) => answered(endpointOf(request.head.path), status);
  authenticateRequests(app, options);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  const send = (request: FastifyRequest, reply: FastifyReply, { status, headers, body }: Answer): FastifyReply => {
    count(request, status);
    const whole = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...headers };
    // As bytes: to texts fastify adds a charset, which clients of Linkerd 1.x do not expect.
    const bytes = body === undefined ? undefined : Buffer.from(body);
    return reply.status(status).headers(whole).send(bytes);
  };
  app.setErrorHandler((error, request, reply) => {
    const denial = denialOf(error);
    if (denial !== undefined) denied({ ...denial, method: request.method, path: request.head.path, ip: request.ip });
    return send(request, reply, failureAnswer(error, `${request.method} ${request.originalUrl}`, log));
  });
  app.setNotFoundHandler((request, reply) => send(request, reply, { status: 404 }));
  // The routes decide about methods; fastify knows only the usual ones by itself.
  for (const method of METHODS) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method);
  app.all('/', async (request, reply) => {
    const { head, principal, apiRoute } = request;
    const body = typeof request.body === 'string' ? request.body : '';
    const headers = { ...request.headers, 'content-type': request.contentType };
    const outcome = await apiRoute.answer({ ...head, principal, headers, body }, context);
    if ('status' in outcome) {
      logWrite(request, outcome.status, log);
      return send(request, reply, outcome);
    }
    if (request.method === 'HEAD') return send(request, reply, { status: 200, headers: outcome.headers });
    // What a token allowed ends with it.
    const documents = outcome.documents.pipe(takeUntil(principal.revoked));
    watches.serve({ ...outcome, documents }, reply.raw);
    reply.hijack();
    count(request, 200);
    return reply;
  });
}

/** Routes requests, and refuses those that may not be answered. */
function authenticateRequests(app: FastifyInstance, { isOwnOrigin, access }: ApiOptions): void {
  // Any body is text here, whatever it says it is: the routes look at that, and answer in their own way what they do not know.
  app.decorateRequest('contentType', undefined);
  app.decorateRequest('head');
  app.decorateRequest('apiRoute');
  app.decorateRequest('principal');
  // All that can be refused without its body is refused before that is read.
  app.addHook('onRequest', async request => {
    const { headers } = request.raw;
    request.contentType = headers['content-type'];
    if (request.contentType !== undefined) headers['content-type'] = 'text/plain';
    request.head = headOf(request);
    request.apiRoute = routeOf(request.head);
    if (changes.has(request.method) && !isOwnOrigin(headers.origin, headers.host))
      throw new LinkerdTcpError('ORIGIN_REFUSED', { path: request.originalUrl, origin: headers.origin ?? '' });
    request.principal =
      access === undefined || request.apiRoute.isPublic ? unrestricted : access.authenticate(headers.authorization);
    authorize(request.principal, request.apiRoute.permissions);
  });
  // A body may take its time: what a token allowed when it began may not be allowed when it is there.
  app.addHook('preHandler', async ({ principal }) => {
    if (!principal.isGood()) throw new LinkerdTcpError('TOKEN_UNKNOWN');
  });
}

/** Where there are tokens, the log tells which of them changed what. */
function logWrite({ principal, apiRoute, head }: FastifyRequest, status: number, log: Log): void {
  if (principal.name === undefined || status !== 204 || !apiRoute.permissions.some(({ right }) => right === 'write'))
    return;
  log.info(`${head.method} ${head.path} by token ${principal.name}`);
}

const changes = new Set(['POST', 'PUT', 'DELETE', 'PATCH']);

/** As sent to a proxy, a target has the whole URL. */
function headOf({ method, originalUrl }: FastifyRequest): RequestHead {
  const path = /^[^?#]*/.exec(originalUrl)![0].replace(/^https?:\/\/[^/]*/i, '');
  return { method, path, query: new URLSearchParams(/\?([^#]*)/.exec(originalUrl)?.[1] ?? '') };
}
