/** Endpoints of the admin API of every program. */
import type { Registry } from '../metrics/registry.ts';
import type { Endpoint } from './endpoint.ts';
import type { Readiness } from './readiness.ts';
import { redact } from './redact.ts';

const plain = 'text/plain; charset=utf-8';

/** `/`: the list of endpoints. @param endpoints all of them, this one included */
export const listEndpoint = (endpoints: () => readonly Endpoint[]): Endpoint => ({
  method: 'GET',
  path: '/',
  purpose: 'this list',
  answer: (_, reply) => {
    const width = Math.max(16, ...endpoints().map(({ path }) => path.length));
    const lines = endpoints().map(
      ({ method, path, purpose }) => `${method.padEnd(4)} ${path.padEnd(width)} ${purpose}\n`,
    );
    return reply.type(plain).send(lines.join(''));
  },
});

/** @param prefix put before the name of each metric */
export const metricsEndpoint = (registry: Registry, path = '/metrics', prefix = ''): Endpoint => ({
  method: 'GET',
  path,
  purpose: 'metrics in the Prometheus text format',
  answer: (_, reply) =>
    reply
      .type('text/plain; version=0.0.4; charset=utf-8')
      .send(registry.expose().replaceAll(/^(?:# (?:HELP|TYPE) )?(?=.)/gm, `$&${prefix}`)),
});

export const pingEndpoint = (path = '/ping'): Endpoint => ({
  method: 'GET',
  path,
  purpose: 'whether the process is alive',
  answer: (_, reply) => reply.type(plain).send('pong'),
});

export const readyEndpoint = (purpose: string, ready: () => Readiness): Endpoint => ({
  method: 'GET',
  path: '/ready',
  purpose,
  answer: (_, reply) => {
    const readiness = ready();
    return reply.status(readiness.ready ? 200 : 503).send(readiness);
  },
});

export const configEndpoint = (config: () => unknown): Endpoint => ({
  method: 'GET',
  path: '/config.json',
  purpose: 'the config in force, secrets hidden',
  answer: (_, reply) => reply.send(redact(config())),
});

export const shutdownEndpoint = (purpose: string, shutdown: () => void, path = '/shutdown'): Endpoint => ({
  method: 'POST',
  path,
  purpose,
  answer: (_, reply) => {
    // After the answer was sent or its connection closed: the shutdown may close this very connection.
    reply.raw.once('close', shutdown);
    return reply.send();
  },
});
