/** The series of a listener: its own, and those it shares with the other listeners of its router. */
import { endScope, joinScopes, type Releasable } from '../metrics/join-scopes.ts';
import type { Registry } from '../metrics/registry.ts';
import type { ListenerCells, TlsCells } from '../proxy/messages.ts';
import { listenerCells } from '../proxy/series.ts';
import { tlsCells } from '../proxy/tls-series.ts';

/** Series under one router label. */
export interface ListenerSeries extends Releasable {
  readonly router: string;
  readonly cells: ListenerCells;
  /** Null where TLS does not end here. */
  readonly tlsCells: TlsCells | null;
}

/**
 * @param endsTls whether it has TLS series
 * @throws LinkerdTcpError SHARED_MEMORY_FULL, and then nothing is registered
 */
export function registerListener(
  registry: Registry,
  router: string,
  address: string,
  endsTls: boolean,
): ListenerSeries {
  const scope = registry.scope({ rt: router, srv_addr: address });
  const perRouter = registry.scope({ rt: router });
  const scopes = joinScopes(scope, perRouter);
  try {
    const own = endsTls ? tlsCells(scope, 'srv') : null;
    return { router, cells: listenerCells(scope, perRouter), tlsCells: own, ...scopes };
  } catch (error) {
    endScope(scopes);
    throw error;
  }
}
