/** The series of a listener: its own, and those it shares with the other listeners of its router. */
import type { Cell } from '../../metrics/cells.ts';
import { endScope, joinScopes, type Releasable } from '../../metrics/join-scopes.ts';
import type { Registry, Scope } from '../../metrics/registry.ts';
import { legacyCauses } from '../../proxy/account.ts';
import { endCodes } from '../../proxy/end.ts';
import type { ListenerCells } from '../../proxy/messages.ts';

/** Series under one router label. */
export interface ListenerSeries extends Releasable {
  readonly router: string;
  readonly cells: ListenerCells;
}

/** @throws LinkerdTcpError SHARED_MEMORY_FULL, and then nothing is registered */
export function registerListener(registry: Registry, router: string, address: string): ListenerSeries {
  const scope = registry.scope({ rt: router, srv_addr: address });
  const perRouter = registry.scope({ rt: router });
  const scopes = joinScopes(scope, perRouter);
  try {
    return { router, cells: cellsOf(scope, perRouter), ...scopes };
  } catch (error) {
    endScope(scopes);
    throw error;
  }
}

function cellsOf(scope: Scope, perRouter: Scope): ListenerCells {
  const counter = (name: Parameters<Scope['counter']>[0]): Cell => scope.counter(name);
  return {
    accepts: counter('l5d:srv:accepts'),
    closes: counter('l5d:srv:closes'),
    failures: counter('l5d:srv:failures'),
    active: scope.gauge('l5d:srv:active'),
    waiters: scope.gauge('l5d:srv:waiters'),
    connectLatencyUs: scope.histogram('l5d:srv:connect:latency_us'),
    connectFailure: scope.counters('l5d:srv:connect:failure', 'cause', legacyCauses),
    streamFailure: scope.counters('l5d:srv:stream:failure', 'cause', legacyCauses),
    durationMs: scope.histogram('l5d:srv:stream:duration_ms'),
    rxBytes: counter('l5d:srv:stream:rx_bytes'),
    txBytes: counter('l5d:srv:stream:tx_bytes'),
    connectionRxBytes: scope.histogram('l5d:srv:stream:connection_rx_bytes'),
    connectionTxBytes: scope.histogram('l5d:srv:stream:connection_tx_bytes'),
    end: scope.counters('l5d:srv:stream:end', 'cause', endCodes),
    routeFound: perRouter.counter('l5d:route_found'),
    routeTimeUs: perRouter.histogram('l5d:route_time_us'),
  };
}
