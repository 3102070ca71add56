/** Messages of the control plane to a worker: one listener, one route, endpoints on this machine. */
import type { Registry } from '../../src/metrics/registry.ts';
import type {
  BranchSpec,
  ClientPolicy,
  ListenerSpec,
  RouteSpec,
  ServerTlsSpec,
  Target,
} from '../../src/proxy/messages.ts';
import { endpointCells, listenerCells, routeCells } from '../../src/proxy/series.ts';
import { tlsCells } from '../../src/proxy/tls-series.ts';

const routeId = 1;
const listenerId = 2;

/** Places in the memory of shared counts; `inFlight` and the ones after it belong to the workers. */
export const sharedCounts = { active: 0, waiters: 1, queued: 2, inFlight: 3 } as const;

export const defaultPolicy: ClientPolicy = {
  balancer: 'p2c',
  decayTimeMs: 10_000,
  connectTimeoutMs: 2_000,
  maxWaiters: 1_000,
  minConnections: 0,
  maxRetries: 3,
  branchFailover: true,
  retryBackoffMs: { min: 5, max: 20 },
  keepAliveSecs: 0,
  tls: null,
  failFast: { maxConsecutiveFailures: 5, penaltyMs: 60_000, maxPenaltyMs: 300_000, jitter: 0 },
};

/** A branch of endpoints on this machine. */
export interface Ports {
  readonly ports: readonly number[];
  readonly weights?: readonly number[];
  readonly weight?: number;
  readonly id?: string;
}

/** The slot of an endpoint is its place in `slots`, in the order the ports came up. */
export function branchSpec(registry: Registry, slots: Map<string, number>, branch: Ports | BranchSpec): BranchSpec {
  if ('endpoints' in branch) return branch;
  const endpoints = branch.ports.map((port, i) => {
    const endpoint = `127.0.0.1:${port}`;
    const slot = slots.get(endpoint) ?? slots.size;
    slots.set(endpoint, slot);
    const scope = registry.scope({ rt: 'test', dst: '/svc/test', endpoint });
    return { slot, ip: '127.0.0.1', port, weight: branch.weights?.[i] ?? 1, cells: endpointCells(scope) };
  });
  return { weight: branch.weight ?? 1, id: branch.id ?? '/#/test', endpoints };
}

/** The publisher adds the generation. */
export function routeSpec(registry: Registry, target: Target, client: ClientPolicy): Omit<RouteSpec, 'generation'> {
  const scope = registry.scope({ rt: 'test', dst: '/svc/test' });
  return {
    id: routeId,
    router: 'test',
    dst: '/svc/test',
    target,
    client,
    waiters: sharedCounts.waiters,
    queued: sharedCounts.queued,
    cells: routeCells(scope),
    tlsCells: client.tls && tlsCells(scope, 'client'),
  };
}

/** Identities of {@link listenerSpec}'s listener, with its series. */
export function serverTls(registry: Registry, identities: Partial<Omit<ServerTlsSpec, 'cells'>>): ServerTlsSpec {
  const cells = tlsCells(registry.scope({ rt: 'test', srv_addr: 'test' }), 'srv');
  return { exact: {}, wildcard: {}, fallback: null, ...identities, cells };
}

export function listenerSpec(registry: Registry, settings: Partial<ListenerSpec> = {}): ListenerSpec {
  const scope = registry.scope({ rt: 'test', srv_addr: 'test' });
  const perRouter = registry.scope({ rt: 'test' });
  return {
    id: listenerId,
    ip: '127.0.0.1',
    port: 0,
    backlog: 1024,
    keepAliveSecs: 0,
    bufferSizeBytes: 16_384,
    router: 'test',
    route: routeId,
    hello: null,
    tls: null,
    nameFrom: null,
    connectTimeoutMs: 5_000,
    lifetimeMs: Number.POSITIVE_INFINITY,
    lifetimeJitter: 0,
    idleTimeoutMs: 60_000,
    finTimeoutMs: 60_000,
    maxConcurrency: 10_000,
    active: sharedCounts.active,
    cells: listenerCells(scope, perRouter),
    ...settings,
  };
}
