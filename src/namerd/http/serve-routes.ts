/** From a request to its answer: refuses what can be refused by its head, reads the body, calls the route, logs writes. */
import { type IncomingMessage, METHODS } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { takeUntil } from 'rxjs';
import { browserRefusal } from '../../browser-guard.ts';
import { LinkerdTcpError } from '../../errors.ts';
import { authorize, type Principal, unrestricted } from '../access/access.ts';
import { denialOf } from '../access/denial.ts';
import type { ApiContext } from './api-context.ts';
import type { ApiOptions } from './api-options.ts';
import type { Bodies } from './bodies.ts';
import { authorName, describeClient } from './client-identity.ts';
import type { Answer, RequestHead } from './exchange.ts';
import { failureAnswer } from './failures.ts';
import type { Route } from './route.ts';
import { endpointOf, routeOf } from './routes.ts';
import type { Watches } from './watches.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** As it was sent. */
    contentType: string | undefined;
    head: RequestHead;
    apiRoute: Route;
    principal: Principal;
    releaseBody: () => void;
  }
}

export interface Serving {
  readonly context: ApiContext;
  readonly watches: Watches;
  readonly bodies: Bodies;
  readonly options: ApiOptions;
}

export function serveRoutes(app: FastifyInstance, serving: Serving): void {
  const { context, watches, bodies, options } = serving;
  const { log, denied = () => {} } = options;
  const send = (request: FastifyRequest, reply: FastifyReply, answer: Answer) => {
    request.releaseBody();
    options.answered?.(endpointOf(request.head.path), answer.status);
    return sendAnswer(reply, answer);
  };
  refuseByHead(app, options);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', async (request: FastifyRequest, payload: IncomingMessage) => {
    const { text, release } = await bodies.read(payload);
    request.releaseBody = release;
    return text;
  });
  app.setErrorHandler((error, request, reply) => {
    const denial = denialOf(error);
    if (denial !== undefined) denied({ ...denial, method: request.method, path: request.head.path, ip: request.ip });
    // The rest of a body that was not read would be taken for the next request.
    if (!request.raw.complete) reply.header('connection', 'close');
    return send(request, reply, failureAnswer(error, `${request.method} ${request.originalUrl}`, log));
  });
  app.setNotFoundHandler((request, reply) => send(request, reply, { status: 404 }));
  // The routes decide about methods; fastify knows only the usual ones by itself.
  for (const method of METHODS) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method);
  app.all('/', async (request, reply) => {
    const { head, principal, apiRoute } = request;
    const { socket } = request.raw;
    const body = typeof request.body === 'string' ? request.body : '';
    const headers = { ...request.headers, 'content-type': request.contentType };
    const author = authorName(principal, socket);
    const outcome = await apiRoute.answer({ ...head, principal, headers, body, author }, context);
    if ('status' in outcome) {
      logWrite(request, outcome.status, options);
      return send(request, reply, outcome);
    }
    if (request.method === 'HEAD') return send(request, reply, { status: 200, headers: outcome.headers });
    // A watch ends with its token.
    const documents = outcome.documents.pipe(takeUntil(principal.revoked));
    watches.serve({ ...outcome, documents }, reply.raw, `${principal.name ?? ''}@${socket.remoteAddress}`);
    reply.hijack();
    request.releaseBody();
    options.answered?.(endpointOf(head.path), 200);
    return reply;
  });
}

function sendAnswer(reply: FastifyReply, { status, headers, body }: Answer): FastifyReply {
  const whole = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...headers };
  // As bytes: to strings fastify adds a charset, which clients of Linkerd 1.x do not expect.
  const bytes = body === undefined ? undefined : Buffer.from(body);
  return reply.status(status).headers(whole).send(bytes);
}

/** Routes requests, and refuses what can be refused before the body is read. */
function refuseByHead(app: FastifyInstance, { ip, allowedHosts, access }: ApiOptions): void {
  app.decorateRequest('contentType', undefined);
  app.decorateRequest('head');
  app.decorateRequest('apiRoute');
  app.decorateRequest('principal');
  app.decorateRequest('releaseBody');
  const hosts = { ip, allowedHosts, key: 'interfaces[].allowedHosts' };
  app.addHook('onRequest', async request => {
    const { headers } = request.raw;
    // Every body is text here: the routes look at the type that was sent, and refuse it in their own way.
    request.contentType = headers['content-type'];
    if (request.contentType !== undefined) headers['content-type'] = 'text/plain';
    request.releaseBody = () => {};
    request.head = headOf(request);
    checkHead(request);
    const { method, originalUrl: url } = request;
    const refusal = browserRefusal({ method, url, headers, rawHeaders: request.raw.rawHeaders }, hosts);
    if (refusal !== undefined) throw refusal;
    request.apiRoute = routeOf(request.head);
    request.principal =
      access === undefined || request.apiRoute.isPublic ? unrestricted : access.authenticate(headers.authorization);
    authorize(request.principal, request.apiRoute.permissions);
  });
  // A body may take its time: the token may have been revoked meanwhile.
  app.addHook('preHandler', async ({ principal }) => {
    if (!principal.isGood()) throw new LinkerdTcpError('TOKEN_UNKNOWN');
  });
}

function checkHead({ raw }: FastifyRequest): void {
  if (raw.httpVersionMajor < 1)
    throw new LinkerdTcpError('REQUEST_INVALID', { reason: 'HTTP/1.0 or later is required' });
  const encoding = raw.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
    throw new LinkerdTcpError('ENCODING_UNKNOWN', { found: encoding.slice(0, 100) });
}

/** Every write is logged with its author, so that the log tells who changed the routing when. */
function logWrite({ principal, apiRoute, head, raw }: FastifyRequest, status: number, { log }: ApiOptions): void {
  if (status !== 204 || !apiRoute.permissions.some(({ right }) => right === 'write')) return;
  log.info(`${head.method} ${head.path} by ${describeClient(principal, raw.socket)}`);
}

/** Sent as to a proxy, a request target has the whole URL. */
function headOf({ method, originalUrl }: FastifyRequest): RequestHead {
  const path = /^[^?#]*/.exec(originalUrl)![0].replace(/^https?:\/\/[^/]*/i, '');
  return { method, path, query: new URLSearchParams(/\?([^#]*)/.exec(originalUrl)?.[1] ?? '') };
}
