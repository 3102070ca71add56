/** From the `client` section of a router to what workers go by. */
import type { Path } from '../../dtab/path.ts';
import type { ClientPolicy } from '../../proxy/messages.ts';
import { clientFor } from '../config/client-config.ts';
import type { RouterConfig } from '../config/linkerd-tcp-config.ts';

const defaultDecayTimeMs = 10_000;
const penaltyJitter = 0.2;
const keepAliveSecs = 60;

export function clientPolicy(router: RouterConfig, dst: Path): ClientPolicy {
  const client = clientFor(router.client, dst);
  const { loadBalancer, failFast } = client;
  return {
    balancer: loadBalancer.kind,
    decayTimeMs: loadBalancer.kind === 'ewma' ? loadBalancer.decayTimeMs : defaultDecayTimeMs,
    connectTimeoutMs: client.connectTimeoutMs,
    maxWaiters: client.maxWaiters,
    minConnections: client.minConnections,
    maxRetries: client.maxRetries,
    retryBackoffMs: client.retryBackoffMs,
    keepAliveSecs,
    failFast: {
      maxConsecutiveFailures: failFast.maxConsecutiveFailures,
      penaltyMs: failFast.failurePenaltySecs * 1000,
      maxPenaltyMs: failFast.maxPenaltySecs * 1000,
      jitter: penaltyJitter,
    },
  };
}
