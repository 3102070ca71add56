/**
 * The HTTP admin server of a program: serves the endpoints that the program gives it.
 *
 * Its clients are operators and probes, a few at a time. Connections, bodies and times are bounded, so one client costs little.
 */
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { type BrowserRequest, browserRefusal } from '../browser-guard.ts';
import { LinkerdTcpError } from '../errors.ts';
import { listenHttp } from '../listen-http.ts';
import type { Log } from '../log.ts';
import { answerThrown, errorAnswer } from './answers.ts';
import type { Endpoint } from './endpoint.ts';

export interface Admin {
  /** Bound `ip:port`. */
  readonly address: string;
  close(): Promise<void>;
}

const maxConnections = 256;
/** To receive a request, and to send the answer. */
const requestTimeoutMs = 10_000;
const connectionTimeoutMs = 30_000;
const bodyLimitBytes = 16 * 1024;

export interface AdminServerOptions {
  readonly ip: string;
  /** 0: any free port. */
  readonly port: number;
  readonly log: Log;
  readonly endpoints: readonly Endpoint[];
  readonly bodyLimitBytes?: number;
  /** Host names that clients may use, besides addresses and localhost, when the server listens on loopback. */
  readonly allowedHosts?: readonly string[];
}

/** @throws LinkerdTcpError CANNOT_LISTEN */
export async function serveAdmin(options: AdminServerOptions): Promise<Admin> {
  const { ip, port, log } = options;
  const app = fastify({
    bodyLimit: options.bodyLimitBytes ?? bodyLimitBytes,
    requestTimeout: requestTimeoutMs,
    connectionTimeout: connectionTimeoutMs,
    forceCloseConnections: true,
    routerOptions: { ignoreTrailingSlash: true },
    frameworkErrors: (error, request, reply) => {
      const { status, body } = answerThrown(error, request.url, log);
      void (reply as FastifyReply).status(status).send(body);
    },
  });
  app.server.maxConnections = maxConnections;
  serve(app, options);
  return { address: await listenHttp(app, { ip, port }), close: () => app.close() };
}

function serve(app: FastifyInstance, { ip, allowedHosts, endpoints, log }: AdminServerOptions): void {
  // A body of any type is read, up to the limit; most endpoints ignore it.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    const refusal = browserRefusal(request.raw as BrowserRequest, { ip, allowedHosts, key: 'admin.allowedHosts' });
    if (refusal !== undefined) throw refusal;
  });
  app.setErrorHandler((error, request, reply) => {
    const { status, body } = answerThrown(error, `${request.method} ${request.url}`, log);
    return reply.status(status).send(body);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.replace(/[?#].*$/s, '');
    const known = endpoints.filter(each => each.path === path || `${each.path}/` === path);
    if (known.length === 0) {
      const hint = [...new Set(endpoints.map(each => each.path))].join(' ');
      throw new LinkerdTcpError('NOT_FOUND', { path, hint });
    }
    const allowed = known.map(({ method }) => (method === 'GET' ? 'GET, HEAD' : method)).join(', ');
    const { status, body } = errorAnswer(
      new LinkerdTcpError('METHOD_NOT_ALLOWED', { path, allowed, method: request.method }),
    );
    return reply.status(status).header('allow', allowed).send(body);
  });
  for (const { method, path, answer } of endpoints) {
    app.route({ method, url: path, handler: answer });
  }
}
