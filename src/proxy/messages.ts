/**
 * The messages between the control plane and a worker.
 *
 * Down: addresses to listen on and routes of names. Up: events. Counts and metrics are not sent: they are in shared memory.
 */
import type { BalancerKind } from '../balancer/picker.ts';
import type { TlsContext, TlsContextId } from '../io/tls/context.ts';
import type { Cell } from '../metrics/cells.ts';
import type { ConnectionRecord } from './record.ts';

/** Index of a shared counter (see {@link WorkerMemory}): connections of one listener, or of one route, over all workers. */
export type SharedCount = number;

/** Memory every worker maps. `metrics` is the worker's own page; the rest is shared by all. */
export interface WorkerMemory {
  readonly metrics: SharedArrayBuffer;
  readonly endpoints: SharedArrayBuffer;
  readonly counts: SharedArrayBuffer;
}

export interface ListenerSpec {
  readonly id: number;
  readonly ip: string;
  readonly port: number;
  readonly backlog: number;
  readonly keepAliveSecs: number;
  /** Bytes of one direction that may wait for the other side before reading stops. */
  readonly bufferSizeBytes: number;
  /** `rt` and `srv_addr` of its metrics and access log. */
  readonly router: string;
  /**
   * The route of its connections. With {@link nameFrom}, only of clients without a name, or with one that does not resolve; null
   * refuses these clients.
   */
  readonly route: RouteId | null;
  /** Read the ClientHello first; null where clients need not speak TLS. */
  readonly hello: HelloSpec | null;
  /** Terminate TLS here; null passes it through. Needs {@link hello}. */
  readonly tls: ServerTlsSpec | null;
  /** Route by a name the client gives; null routes all to {@link route}. */
  readonly nameFrom: NameSource | null;
  /** From accept to an upstream connection: naming, waiting and all attempts. */
  readonly connectTimeoutMs: number;
  /** Infinity for no limit; each session's own is drawn from [1 - jitter, 1] × this. */
  readonly lifetimeMs: number;
  readonly lifetimeJitter: number;
  readonly idleTimeoutMs: number;
  readonly finTimeoutMs: number;
  readonly maxConcurrency: number;
  readonly active: SharedCount;
  readonly cells: ListenerCells;
}

export interface HelloSpec {
  /** From accept to the end of the ClientHello or, where TLS ends here, of the handshake. */
  readonly timeoutMs: number;
  readonly mostBytes: number;
}

/** The server name a client asks for; or, of its verified certificate, the common name, or the first alternative name. */
export type NameSource = 'sni' | 'clientCn' | 'clientSan';

/** Which certificate a client is shown. Names are lower case, without a dot at the end. */
export interface ServerTlsSpec {
  readonly exact: Readonly<Record<string, TlsContextId>>;
  /** By what follows the `*`: `.example.com` stands for names with one label before it. */
  readonly wildcard: Readonly<Record<string, TlsContextId>>;
  /** For clients that name no server, or another one; null refuses them. */
  readonly fallback: TlsContextId | null;
  readonly cells: TlsCells;
}

/** How connections to endpoints are secured. */
export interface ClientTlsSpec {
  readonly context: TlsContextId;
  /** Asked for, and looked for in the certificate. */
  readonly serverName: string;
}

/** Each counter is the first of a row, in the order of tls-series.ts. */
export interface TlsCells {
  readonly handshakeUs: Cell;
  readonly resumed: Cell;
  readonly version: Cell;
  readonly cipher: Cell;
  readonly group: Cell;
  readonly failure: Cell;
}

export interface ListenerCells {
  readonly accepts: Cell;
  readonly closes: Cell;
  readonly failures: Cell;
  readonly active: Cell;
  readonly waiters: Cell;
  readonly connectLatencyUs: Cell;
  /** `timeout`, then `other`. */
  readonly connectFailure: Cell;
  readonly streamFailure: Cell;
  readonly durationMs: Cell;
  readonly rxBytes: Cell;
  readonly txBytes: Cell;
  readonly connectionRxBytes: Cell;
  readonly connectionTxBytes: Cell;
  /** One cell per code, in the order of `endCodes`. */
  readonly end: Cell;
  readonly routeFound: Cell;
  readonly routeTimeUs: Cell;
}

export type RouteId = number;

/** A destination as published to workers: replaced whole at each change. */
export interface RouteSpec {
  readonly id: RouteId;
  /** Label of the router, for what is logged. */
  readonly router: string;
  readonly dst: string;
  /** Grows with each publication; a worker writes the last one it applied to shared memory. */
  readonly generation: number;
  readonly target: Target;
  readonly client: ClientPolicy;
  /** Sessions accepted and not yet connected, whatever for. While it is not 0 the cells of the route are in use. */
  readonly waiters: SharedCount;
  /** Of the {@link waiters}, those that `maxWaiters` bounds: who had to wait for the name, or for another attempt after a failed one. */
  readonly queued: SharedCount;
  readonly cells: RouteCells;
  /** Null while {@link ClientPolicy.tls} is. */
  readonly tlsCells: TlsCells | null;
}

export type Target =
  /** The reason, when naming has failed so far. */
  | { readonly state: 'pending'; readonly reason?: string }
  | { readonly state: 'negative'; readonly reason: string }
  | { readonly state: 'bound'; readonly branches: readonly BranchSpec[] };

export interface BranchSpec {
  readonly weight: number;
  /** The bound name, shown. */
  readonly id: string;
  readonly endpoints: readonly EndpointSpec[];
}

export interface EndpointSpec {
  /** Row of the shared endpoint table. */
  readonly slot: number;
  readonly ip: string;
  readonly port: number;
  readonly weight: number;
  readonly cells: EndpointCells;
}

export interface ClientPolicy {
  readonly balancer: BalancerKind;
  readonly decayTimeMs: number;
  /** One attempt. */
  readonly connectTimeoutMs: number;
  /**
   * Bound of {@link RouteSpec.queued}, over all workers: a client that would have to wait beyond it is refused. A session that
   * can connect at once (its name is known, an endpoint takes it at the first attempt) never counts, so 0 means that no session
   * waits.
   */
  readonly maxWaiters: number;
  readonly minConnections: number;
  /** Infinity: as many as fit into the session's wait. */
  readonly maxRetries: number;
  /** Leave a branch of a union whose endpoints cannot be used. */
  readonly branchFailover: boolean;
  readonly retryBackoffMs: { readonly min: number; readonly max: number };
  readonly keepAliveSecs: number;
  /** Null speaks plaintext. */
  readonly tls: ClientTlsSpec | null;
  readonly failFast: {
    readonly maxConsecutiveFailures: number;
    readonly penaltyMs: number;
    readonly maxPenaltyMs: number;
    readonly jitter: number;
  };
}

export interface RouteCells {
  readonly attempts: Cell;
  readonly connects: Cell;
  /** `timeout`, `refused`, `other`. */
  readonly failure: Cell;
  readonly latencyUs: Cell;
  readonly durationMs: Cell;
  readonly retries: Cell;
  readonly failovers: Cell;
  readonly idleLost: Cell;
  readonly unavailable: Cell;
  readonly waitersRejected: Cell;
}

export interface EndpointCells {
  readonly connects: Cell;
  readonly failures: Cell;
  /** Connections closed without an answer. */
  readonly earlyCloses: Cell;
  readonly ejections: Cell;
  readonly rxBytes: Cell;
  readonly txBytes: Cell;
}

export interface RecordingSpec {
  /** Records this worker has sent and the control plane has not yet taken. */
  readonly inFlight: SharedCount;
  /** Counts the records dropped because too many are in flight. */
  readonly dropped: Cell;
}

/**
 * Each `listen` is answered with `listening` or `listenFailed` (ECANCELED when the listener was closed before it listened, or
 * the worker drains), each `unlisten` with `unlistened` when the socket is closed: at once if no such listener exists.
 */
export type Down =
  | { readonly type: 'listen'; readonly listener: ListenerSpec }
  /** The same socket with other settings; ignored where it is closed already. */
  | { readonly type: 'adjust'; readonly listener: ListenerSpec; readonly generation: number }
  | { readonly type: 'unlisten'; readonly id: number }
  | { readonly type: 'route'; readonly route: RouteSpec }
  | { readonly type: 'unroute'; readonly id: RouteId; readonly generation: number }
  /** The route of a server name, in answer to `asked` or unasked; null refuses the clients waiting for it, but no later ones. */
  | { readonly type: 'named'; readonly listener: number; readonly name: string; readonly route: RouteId | null }
  /** Nothing is known of the name any more: the next client that names it asks. */
  | { readonly type: 'unnamed'; readonly listener: number; readonly name: string }
  /** A TLS context, or another one of the same id for handshakes to come: before anything refers to it. */
  | { readonly type: 'tls'; readonly id: TlsContextId; readonly context: TlsContext }
  /** After everything that referred to it. */
  | { readonly type: 'untls'; readonly id: TlsContextId }
  | { readonly type: 'recording'; readonly recording: RecordingSpec | null }
  /** Stop accepting; sessions left after `graceMs` are cut. */
  | { readonly type: 'drain'; readonly graceMs: number };

export type Up =
  | { readonly type: 'ready' }
  | { readonly type: 'listening'; readonly id: number; readonly ip: string; readonly port: number }
  | { readonly type: 'listenFailed'; readonly id: number; readonly errno: number }
  | { readonly type: 'unlistened'; readonly id: number }
  /** A client names a server nothing is known of yet; asked once until it is answered. */
  | { readonly type: 'asked'; readonly listener: number; readonly name: string }
  | { readonly type: 'applied'; readonly generation: number }
  | { readonly type: 'records'; readonly records: readonly ConnectionRecord[] }
  /** For the log: rare, or rate-limited by the worker. */
  | { readonly type: 'notice'; readonly level: 'info' | 'warn' | 'error'; readonly text: string }
  /** Why an endpoint last failed; `at` in milliseconds since the epoch. Rate-limited by the worker. */
  | {
      readonly type: 'endpointError';
      readonly route: RouteId;
      readonly slot: number;
      readonly at: number;
      readonly reason: string;
    }
  | { readonly type: 'drained'; readonly cut: number };

/** The worker's end of the line to the control plane. */
export interface ControlChannel {
  post(message: Up): void;
}
