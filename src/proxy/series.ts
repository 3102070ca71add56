/**
 * Registers the series that sessions and idle connections count in: the `cells` of a published listener, route and endpoint.
 * Main thread only.
 *
 * If there is no room for all of them, some may already be registered: the caller that made the scopes must end them.
 */
import type { Scope } from '../metrics/registry.ts';
import { endCodes, legacyCauses } from './end-codes.ts';
import { failureCauses } from './endpoint-accounting.ts';
import type { EndpointCells, ListenerCells, RouteCells } from './messages.ts';

/**
 * @param scope with the labels `rt` and `srv_addr`
 * @param perRouter with the label `rt`
 * @throws LinkerdTcpError SHARED_MEMORY_FULL
 */
export function listenerCells(scope: Scope, perRouter: Scope): ListenerCells {
  return {
    accepts: scope.counter('l5d:srv:accepts'),
    closes: scope.counter('l5d:srv:closes'),
    failures: scope.counter('l5d:srv:failures'),
    active: scope.gauge('l5d:srv:active'),
    waiters: scope.gauge('l5d:srv:waiters'),
    connectLatencyUs: scope.histogram('l5d:srv:connect:latency_us'),
    connectFailure: scope.counters('l5d:srv:connect:failure', 'cause', legacyCauses),
    streamFailure: scope.counters('l5d:srv:stream:failure', 'cause', legacyCauses),
    durationMs: scope.histogram('l5d:srv:stream:duration_ms'),
    rxBytes: scope.counter('l5d:srv:stream:rx_bytes'),
    txBytes: scope.counter('l5d:srv:stream:tx_bytes'),
    connectionRxBytes: scope.histogram('l5d:srv:stream:connection_rx_bytes'),
    connectionTxBytes: scope.histogram('l5d:srv:stream:connection_tx_bytes'),
    end: scope.counters('l5d:srv:stream:end', 'cause', endCodes),
    routeFound: perRouter.counter('l5d:route_found'),
    routeTimeUs: perRouter.histogram('l5d:route_time_us'),
  };
}

/**
 * @param scope with the labels `rt` and `dst`
 * @throws LinkerdTcpError SHARED_MEMORY_FULL
 */
export function routeCells(scope: Scope): RouteCells {
  return {
    attempts: scope.counter('l5d:balancer:connection:attempts'),
    connects: scope.counter('l5d:balancer:connection:connects'),
    failure: scope.counters('l5d:balancer:connection:failure', 'cause', failureCauses),
    latencyUs: scope.histogram('l5d:balancer:connection:latency_us'),
    durationMs: scope.histogram('l5d:balancer:connection:duration_ms'),
    retries: scope.counter('l5d:balancer:connection:retries'),
    failovers: scope.counter('l5d:balancer:connection:failovers'),
    idleLost: scope.counter('l5d:balancer:idle:lost'),
    unavailable: scope.counter('l5d:balancer:unavailable'),
    waitersRejected: scope.counter('l5d:balancer:waiters_rejected'),
  };
}

/**
 * @param scope with the labels `rt`, `dst` and `endpoint`
 * @throws LinkerdTcpError SHARED_MEMORY_FULL
 */
export function endpointCells(scope: Scope): EndpointCells {
  return {
    connects: scope.counter('l5d:balancer:endpoint:connects'),
    failures: scope.counter('l5d:balancer:endpoint:failures'),
    earlyCloses: scope.counter('l5d:balancer:endpoint:early_closes'),
    ejections: scope.counter('l5d:balancer:endpoint:ejections'),
    rxBytes: scope.counter('l5d:balancer:endpoint:rx_bytes'),
    txBytes: scope.counter('l5d:balancer:endpoint:tx_bytes'),
  };
}
