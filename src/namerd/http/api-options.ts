/** Options of the HTTP API: the parts that it serves, access, and limits. */
import type { TlsOptions } from 'node:tls';
import type { Clock } from '../../live/clock.ts';
import type { Log } from '../../log.ts';
import type { DtabStore } from '../../stores/store.ts';
import type { Access } from '../access/access.ts';
import type { Denial } from '../access/denial.ts';
import type { Namespaces } from '../core/namespaces.ts';
import type { Slices } from '../core/sliced.ts';

export interface ApiOptions {
  readonly ip: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly store: DtabStore;
  readonly namespaces: Namespaces;
  readonly namerPrefixes: readonly (readonly string[])[];
  readonly log: Log;
  /** Host names that clients may use, besides addresses and localhost, when the server listens on loopback. */
  readonly allowedHosts?: readonly string[];
  /** Without it, anyone who can reach the API may do everything. */
  readonly access?: Access;
  /** Serve https. */
  readonly tls?: TlsOptions;
  /** Called for each answer; for a watch when it opens. */
  readonly answered?: (endpoint: string, status: number) => void;
  /** Called for each request that is refused for lack of a token or a right. */
  readonly denied?: (denial: Denial) => void;
  /** Called for each connection that is dropped because there are too many. */
  readonly dropped?: () => void;
  readonly clock?: Clock;
  readonly slices?: Slices;
  readonly maxBodyBytes?: number;
  readonly maxBodiesBytes?: number;
  readonly maxWatches?: number;
  readonly maxWatchesPerClient?: number;
  /** Connections besides those of watches. */
  readonly shortConnections?: number;
  readonly heartbeatMs?: number;
  readonly drainTimeoutMs?: number;
  readonly answerTimeoutMs?: number;
  readonly addrWaitMs?: number;
}
