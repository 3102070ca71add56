/**
 * The series of a destination.
 *
 * A client may ask for any name, so a destination that clients name has none of its own until it is bound: until then it counts in one
 * set that all unresolved names of a router share.
 */
import { LinkerdTcpError } from '../errors.ts';
import type { Log } from '../log.ts';
import { endScope, joinScopes, type Releasable } from '../metrics/join-scopes.ts';
import type { Registry, Scope } from '../metrics/registry.ts';
import type { RouteCells, TlsCells } from '../proxy/messages.ts';
import { routeCells } from '../proxy/series.ts';
import { tlsCells } from '../proxy/tls-series.ts';

/** The label `dst` of names that clients ask for and that have never been bound. */
export const unresolved = '(unresolved)';

export class RouteSeries {
  readonly cells: RouteCells;
  readonly pollTime: number;
  readonly #scopes: Releasable;
  readonly #scope: Scope;
  readonly #log: Log;
  /** From the first time that the destination speaks TLS. */
  #tlsCells: TlsCells | null = null;

  /** @throws LinkerdTcpError SHARED_MEMORY_FULL, and then nothing is registered */
  constructor(registry: Registry, router: string, dst: string, log: Log) {
    const scope = registry.scope({ rt: router, dst });
    const ofRouter = registry.scope({ rt: router });
    this.#scope = scope;
    this.#scopes = joinScopes(scope, ofRouter);
    this.#log = log;
    try {
      this.cells = routeCells(scope);
      this.pollTime = scope.histogram('l5d:balancer:poll_time_us');
      registry.main.add(ofRouter.counter('l5d:route_create'), dst === unresolved ? 0 : 1);
      // An invalid configuration of a destination is refused when the file is read.
      ofRouter.counter('l5d:route_error');
    } catch (error) {
      this.end();
      throw error;
    }
  }

  /** Handshakes are not counted where there is no room for their series. */
  tlsCells(dst: string): TlsCells | null {
    try {
      this.#tlsCells ??= tlsCells(this.#scope, 'client');
    } catch (error) {
      if (!(error instanceof LinkerdTcpError && error.code === 'SHARED_MEMORY_FULL')) throw error;
      this.#log.error(`${dst}: TLS handshakes with its endpoints are not counted: ${error.message}`);
    }
    return this.#tlsCells;
  }

  computed(name: Parameters<Scope['computed']>[0], read: () => number): void {
    this.#scope.computed(name, {}, read);
  }

  end(): void {
    endScope(this.#scopes);
  }
}
