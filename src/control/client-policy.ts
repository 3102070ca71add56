/** From the `client` section of a router to what workers go by. */
import type { Path } from '../dtab/path.ts';
import type { ClientPolicy, ClientTlsSpec } from '../proxy/messages.ts';
import { type ConnectorConfig, clientFor } from '../settings/linkerd-tcp/client-config.ts';
import type { RouterConfig } from '../settings/linkerd-tcp/config.ts';
import type { PreparedTls } from './tls-contexts.ts';

const defaultDecayTimeMs = 10_000;
const penaltyJitter = 0.2;
const keepAliveSecs = 60;

export interface RoutePolicy {
  readonly client: ClientPolicy;
  /** Why there can be no connection to the destination, as it is configured. */
  readonly problem: string | undefined;
}

/** @throws LinkerdTcpError TLS_UNUSABLE */
export function clientPolicy(router: RouterConfig, dst: Path, tls: Pick<PreparedTls, 'client'>): RoutePolicy {
  const client = clientFor(router.client, dst);
  if (!client.tls) return { client: policyOf(client, null), problem: undefined };
  if (!client.tls.ok) return { client: policyOf(client, null), problem: `TLS to it: ${client.tls.reason}` };
  return { client: policyOf(client, tls.client(client.tls)), problem: undefined };
}

function policyOf(client: ConnectorConfig, tls: ClientTlsSpec | null): ClientPolicy {
  const { loadBalancer, failFast } = client;
  return {
    balancer: loadBalancer.kind,
    decayTimeMs: loadBalancer.kind === 'ewma' ? loadBalancer.decayTimeMs : defaultDecayTimeMs,
    connectTimeoutMs: client.connectTimeoutMs,
    maxWaiters: client.maxWaiters,
    minConnections: client.minConnections,
    maxRetries: client.maxRetries ?? Number.POSITIVE_INFINITY,
    branchFailover: client.branchFailover,
    retryBackoffMs: client.retryBackoffMs,
    keepAliveSecs,
    tls,
    failFast: {
      maxConsecutiveFailures: failFast.maxConsecutiveFailures,
      penaltyMs: failFast.failurePenaltySecs * 1000,
      maxPenaltyMs: failFast.maxPenaltySecs * 1000,
      jitter: penaltyJitter,
    },
  };
}
