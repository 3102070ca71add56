/** The admin API of namerd. Paths under `/admin` are those of Linkerd 1.x. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Log } from '../../log.ts';
import type { Registry } from '../../metrics/registry.ts';
import { unrestricted } from '../../namerd/access/access.ts';
import type { Namespaces } from '../../namerd/core/namespaces.ts';
import type { Slices } from '../../namerd/core/sliced.ts';
import { delegateAlone } from '../../namerd/http/delegate.ts';
import type { ApiRequest } from '../../namerd/http/exchange.ts';
import type { WatchStatus } from '../../naming/watched.ts';
import type { DtabStore } from '../../stores/store.ts';
import {
  configEndpoint,
  listEndpoint,
  metricsEndpoint,
  pingEndpoint,
  readyEndpoint,
  shutdownEndpoint,
} from '../common-endpoints.ts';
import type { Endpoint } from '../endpoint.ts';
import type { Readiness } from '../readiness.ts';
import { type Admin, serveAdmin } from '../server.ts';
import { namerStateEndpoint, storageEndpoint } from './state.ts';

export interface NamerdAdminOptions {
  readonly ip: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly allowedHosts?: readonly string[];
  readonly namerd: NamerdView;
  readonly registry: Registry;
  readonly log: Log;
  /** Further paths of the metrics, besides or instead of `/metrics`. */
  readonly exports?: readonly { readonly path: string; readonly prefix: string }[];
}

/** The running namerd as the admin API sees and controls it. */
export interface NamerdView {
  /** The configuration in effect, as JSON. It may contain secrets: the admin API hides them. */
  config(): unknown;
  ready(): Readiness;
  /** Starts the shutdown; further calls have no effect. */
  shutdown(reason: string): void;
  readonly namespaces: Namespaces;
  readonly slices: Slices;
  readonly store: DtabStore;
  /** The watches of the namers. */
  watches(): readonly WatchStatus[];
}

/** A request to explain a name may contain a dtab. */
const bodyLimitBytes = 1024 * 1024;
const addrWaitMs = 1000;

/** @throws LinkerdTcpError CANNOT_LISTEN */
export function startNamerdAdmin({ exports = [], ...options }: NamerdAdminOptions): Promise<Admin> {
  const { namerd, registry, ...rest } = options;
  const isTaken = exports.some(({ path }) => path === '/metrics');
  const exported = [
    ...(isTaken ? [] : [metricsEndpoint(registry)]),
    ...exports.map(({ path, prefix }) => metricsEndpoint(registry, path, prefix)),
  ];
  return serveAdmin({ ...rest, bodyLimitBytes, endpoints: endpoints(namerd, exported) });
}

function endpoints(namerd: NamerdView, metrics: readonly Endpoint[]): readonly Endpoint[] {
  const explain = async (request: FastifyRequest, reply: FastifyReply) => {
    const {
      status,
      headers = {},
      body,
    } = await delegateAlone(asked(request), {
      namespaces: namerd.namespaces,
      slices: namerd.slices,
      store: namerd.store,
      addrWaitMs,
    });
    return reply.status(status).headers(headers).send(body);
  };
  const all: readonly Endpoint[] = [
    listEndpoint(() => all),
    ...metrics,
    pingEndpoint('/admin/ping'),
    { ...pingEndpoint('/live'), purpose: 'the same, for probes' },
    readyEndpoint('whether the storage has answered, and else what is missing', () => namerd.ready()),
    configEndpoint(() => namerd.config()),
    storageEndpoint(namerd.store),
    namerStateEndpoint(() => namerd.watches()),
    {
      method: 'GET',
      path: '/dtab/delegator.json',
      purpose: 'how ?path= is (or is not) bound by ?dtab= and the stored ?namespace=, step by step',
      answer: explain,
    },
    {
      method: 'POST',
      path: '/dtab/delegator.json',
      purpose: 'the same for a JSON body {"dtab", "path"}, which may have a "namespace"',
      answer: explain,
    },
    shutdownEndpoint(
      'ends watches, lets requests finish for shutdownGraceMs, then exits',
      () => namerd.shutdown('POST /admin/shutdown'),
      '/admin/shutdown',
    ),
  ];
  return all;
}

function asked({ method, url, headers, body }: FastifyRequest): ApiRequest {
  const [path] = url.split('?', 1);
  const query = url.slice(path.length + 1);
  const text = Buffer.isBuffer(body) ? body.toString('utf8') : '';
  // The admin API has no tokens: anyone who can reach it may read every dtab.
  return { method, path, query: new URLSearchParams(query), principal: unrestricted, headers, body: text };
}
