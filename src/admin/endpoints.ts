/** The admin API: each path with its method, what it is for and how it answers. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { LinkerdTcpError } from '../errors.ts';
import type { Registry } from '../metrics/registry.ts';
import { redact } from './redact.ts';
import type { AdminView } from './view.ts';

export interface Endpoint {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** One line, shown at `/`. */
  readonly purpose: string;
  answer(request: FastifyRequest, reply: FastifyReply): unknown;
}

export interface EndpointParts {
  readonly proxy: AdminView;
  readonly registry: Registry;
  /** How long a name may take to be explained. */
  readonly delegateTimeoutMs: number;
}

export function adminEndpoints({ proxy, registry, delegateTimeoutMs }: EndpointParts): readonly Endpoint[] {
  const endpoints: Endpoint[] = [
    {
      method: 'GET',
      path: '/',
      purpose: 'this list',
      answer: (_, reply) =>
        reply
          .type('text/plain; charset=utf-8')
          .send(endpoints.map(each => `${each.method.padEnd(4)} ${each.path.padEnd(16)} ${each.purpose}\n`).join('')),
    },
    {
      method: 'GET',
      path: '/metrics',
      purpose: 'metrics in the Prometheus text format',
      answer: (_, reply) => reply.type('text/plain; version=0.0.4; charset=utf-8').send(registry.expose()),
    },
    {
      method: 'GET',
      path: '/ping',
      purpose: 'whether the process is alive',
      answer: (_, reply) => reply.type('text/plain; charset=utf-8').send('pong'),
    },
    {
      method: 'GET',
      path: '/ready',
      purpose: 'whether it can take connections, and else what is missing',
      answer: (_, reply) => {
        const readiness = proxy.ready();
        return reply.status(readiness.ready ? 200 : 503).send(readiness);
      },
    },
    {
      method: 'GET',
      path: '/config.json',
      purpose: 'the config in force, secrets hidden',
      answer: (_, reply) => reply.send(redact(proxy.config())),
    },
    {
      method: 'GET',
      path: '/routes.json',
      purpose: 'the destinations, what they are bound to and their endpoints',
      answer: (_, reply) => reply.send(proxy.routes()),
    },
    {
      method: 'GET',
      path: '/delegator.json',
      purpose: 'how ?path= is (or is not) bound, step by step; ?router= chooses the router',
      answer: async (request, reply) => {
        const path = parameter(request, 'path') ?? '';
        if (path === '') {
          throw new LinkerdTcpError('PARAMETER_MISSING', { name: 'path', hint: '/delegator.json?path=/svc/web' });
        }
        const tree = proxy.delegate(parameter(request, 'router'), path);
        return reply.send(await within(delegateTimeoutMs, `explaining ${path}`, tree));
      },
    },
    {
      method: 'POST',
      path: '/shutdown',
      purpose: 'stops accepting, lets connections finish for graceSecs, then exits',
      answer: (_, reply) => {
        // After the answer is out or its reader gone: the shutdown may close this very connection.
        reply.raw.once('close', () => proxy.shutdown());
        return reply.send();
      },
    },
    {
      method: 'POST',
      path: '/abort',
      purpose: 'exits at once with status 1',
      answer: (_, reply) => {
        proxy.abort();
        return reply.send();
      },
    },
    {
      method: 'POST',
      path: '/reload',
      purpose: 'reads the config again; a config with problems changes nothing',
      answer: async (_, reply) => {
        await proxy.reload();
        return reply.send({ ok: true });
      },
    },
  ];
  return endpoints;
}

function parameter(request: FastifyRequest, name: string): string | undefined {
  const value = (request.query as Record<string, string | string[] | undefined>)[name];
  if (Array.isArray(value)) {
    throw new LinkerdTcpError('REQUEST_INVALID', { reason: `query parameter ${name} is given ${value.length} times` });
  }
  return value;
}

async function within<T>(timeoutMs: number, what: string, result: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new LinkerdTcpError('TIMED_OUT', { what, timeout: timeoutMs })), timeoutMs);
  try {
    return await Promise.race([result, late]);
  } finally {
    clearTimeout(timer);
  }
}
