/** The endpoints of the proxy's admin API: method, path, purpose and handler. */
import type { FastifyRequest } from 'fastify';
import { LinkerdTcpError } from '../../errors.ts';
import type { Registry } from '../../metrics/registry.ts';
import {
  configEndpoint,
  listEndpoint,
  metricsEndpoint,
  pingEndpoint,
  readyEndpoint,
  shutdownEndpoint,
} from '../common-endpoints.ts';
import type { Endpoint } from '../endpoint.ts';
import type { AdminView } from './view.ts';

export interface EndpointParts {
  readonly proxy: AdminView;
  readonly registry: Registry;
  /** How long a name may take to be explained. */
  readonly delegateTimeoutMs: number;
}

export function adminEndpoints({ proxy, registry, delegateTimeoutMs }: EndpointParts): readonly Endpoint[] {
  const endpoints: Endpoint[] = [
    listEndpoint(() => endpoints),
    metricsEndpoint(registry),
    pingEndpoint(),
    readyEndpoint('whether it can take connections, and else what is missing', () => proxy.ready()),
    configEndpoint(() => proxy.config()),
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
    shutdownEndpoint('stops accepting, lets connections finish for graceSecs, then exits', () => proxy.shutdown()),
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
