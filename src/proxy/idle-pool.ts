/**
 * Idle upstream connections (`minConnections`): kept connected so that a client does not wait for the upstream's handshake.
 *
 * A connection is read while it waits, so that one that the upstream has closed is never handed out. An early greeting is kept (a few
 * chunks, then reading stops) and delivered first. Connections are replaced when they grow old, and dropped when their endpoint leaves
 * the route or has more of them than its weight is worth. Each worker keeps its share of `minConnections`.
 *
 * A server may close connections that do not log in, and count them as aborted, as MySQL does: each loss doubles the pause before
 * another connection is opened, until a client can use one.
 */
import { constants } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { noEndpoint } from '../balancer/picker.ts';
import { type BufferId, showAddress } from '../io/driver.ts';
import { type Handle, noHandle } from '../io/handle.ts';
import type { TlsDetails } from '../io/tls/engine.ts';
import type { WorkerContext } from './context.ts';
import {
  attemptAbandoned,
  attemptFailed,
  attemptStarted,
  attemptSucceeded,
  closedUnanswered,
  connectionEnded,
  firstAnswer,
} from './endpoint-accounting.ts';
import { quotaKey, quotas } from './idle-quotas.ts';
import type { ClientTlsSpec, RouteSpec } from './messages.ts';
import { Owner } from './owners.ts';
import type { Branch, Endpoint, Route } from './route.ts';
import { countSecured } from './tls-series.ts';
import { handshakeFailed, secureUpstream } from './upstream-tls.ts';

/** An older connection is replaced: middleboxes forget quiet connections, and load should follow the current picker. */
const maxAgeMs = 60_000;

/** Chunks of an early greeting. No protocol greets in more; beyond them a close by the upstream goes unseen. */
const maxHeld = 4;

/** Before a lost connection is replaced. */
const minRefillPauseMs = 1_000;
const maxRefillPauseMs = 60_000;

const noTries = new Int32Array(0);

export interface IdleConnection {
  readonly route: Route;
  readonly branch: Branch;
  readonly endpoint: Endpoint;
  readonly handle: Handle;
  /** How it is secured: as the route said when it was begun. */
  readonly security: ClientTlsSpec | null;
  readonly startedAt: number;
  readonly probing: boolean;
  /** 0 while it is being made. */
  connectedAt: number;
  /** When its TLS handshake began; 0 before, or without one. */
  securingAt: number;
  tls: TlsDetails | null;
  readonly held: { readonly buffer: BufferId; readonly length: number }[];
}

export class IdlePool {
  readonly #context: WorkerContext;
  readonly #worker: number;
  readonly #workers: number;
  readonly #idle: (IdleConnection | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #byRoute = new Map<Route, Set<number>>();
  /** The quota of each endpoint of a route at the last publication; see {@link quotas}. */
  readonly #quotas = new Map<Route, ReadonlyMap<string, number>>();

  /** Routes whose connections were lost: the pause before the next is opened, and when it is over. */
  readonly #refill = new Map<Route, { readonly pauseMs: number; readonly until: number }>();

  constructor(context: WorkerContext, worker: number, workers: number) {
    this.#context = context;
    this.#worker = worker;
    this.#workers = workers;
  }

  get size(): number {
    return this.#idle.length - this.#free.length;
  }

  /** A connected one of the route, the oldest first; another is opened in its place. */
  take(route: Route): IdleConnection | undefined {
    const own = this.#byRoute.get(route);
    if (!own) return undefined;
    for (const index of own) {
      const idle = this.#idle[index] as IdleConnection;
      if (idle.connectedAt === 0) continue;
      this.#forget(index);
      this.#refill.delete(route);
      this.fill(route);
      return idle;
    }
    return undefined;
  }

  /** After a publication: drops connections to removed endpoints and those beyond a quota, and opens missing ones. */
  refresh(route: Route): void {
    const own = this.#byRoute.get(route) ?? new Set();
    this.#byRoute.set(route, own);
    const share = this.#share(route);
    const { tls } = route.spec.client;
    this.#dropWhere(route, ({ security }) => !isDeepStrictEqual(security, tls));
    const before = this.#quotas.get(route);
    const quota = quotas(route.branches, share);
    this.#quotas.set(route, quota);
    // If the weights are unchanged, the picker's adjustments stay: it considers more than weights.
    if (before && !isDeepStrictEqual(before, quota)) {
      const kept = new Map<string, number>();
      this.#dropWhere(route, idle => {
        const key = quotaKey(idle.branch, idle.endpoint);
        const count = (kept.get(key) ?? 0) + 1;
        kept.set(key, count);
        return count > (quota.get(key) ?? 0);
      });
    }
    for (const index of [...own].slice(share)) this.#drop(index);
    this.fill(route);
  }

  /** Brings the route up to this worker's share. */
  fill(route: Route): void {
    if (this.#context.driver.now() < (this.#refill.get(route)?.until ?? 0)) return;
    for (let n = this.#share(route) - (this.#byRoute.get(route)?.size ?? 0); n > 0; n--)
      if (!this.#start(route)) return;
  }

  /** Of `minConnections`, what falls to this worker: the first ones take the remainder. */
  #share(route: Route): number {
    return Math.floor((route.spec.client.minConnections + this.#workers - 1 - this.#worker) / this.#workers);
  }

  /** Every second: closes old connections, and opens what is missing, also after failures. */
  tend(): void {
    const now = this.#context.driver.now();
    for (const [route, own] of this.#byRoute) {
      this.#dropWhere(route, idle => idle.connectedAt > 0 && now - idle.connectedAt > maxAgeMs);
      for (const index of [...own]) {
        const { connectedAt, startedAt } = this.#idle[index] as IdleConnection;
        const isLate = connectedAt === 0 && now - startedAt >= route.spec.client.connectTimeoutMs;
        if (isLate) this.lost(index, constants.errno.ETIMEDOUT);
      }
      this.fill(route);
    }
  }

  drop(route: Route): void {
    this.#dropWhere(route, () => true);
    this.#byRoute.delete(route);
    this.#quotas.delete(route);
    this.#refill.delete(route);
  }

  dropAll(): void {
    for (const route of [...this.#byRoute.keys()]) this.drop(route);
  }

  connected(index: number): void {
    const idle = this.#idle[index] as IdleConnection;
    if (!idle.security) return this.#ready(idle);
    if (!this.#context.driver.hasTls(idle.security.context)) return this.lost(index, constants.errno.ECANCELED);
    idle.securingAt = this.#context.driver.now();
    secureUpstream(this.#context, idle.handle, idle.security, idle.endpoint);
  }

  secured(index: number, details: TlsDetails): void {
    const idle = this.#idle[index] as IdleConnection;
    const { cells, driver } = this.#context;
    const { tlsCells } = idle.route.spec;
    idle.tls = details;
    if (tlsCells) countSecured(cells, tlsCells, details, driver.now() - idle.securingAt);
    this.#ready(idle);
  }

  #ready(idle: IdleConnection): void {
    const { driver } = this.#context;
    idle.connectedAt = driver.now();
    attemptSucceeded(this.#context, idle.route.spec, idle.endpoint, idle.connectedAt - idle.startedAt);
    driver.reading(idle.handle, true);
  }

  data(index: number, buffer: BufferId, offset: number, length: number): void {
    const idle = this.#idle[index] as IdleConnection;
    const { driver } = this.#context;
    if (idle.held.length === 0) firstAnswer(this.#context, idle.route.spec, idle.endpoint);
    const held = idle.held.push({ buffer: driver.keep(buffer, offset, length), length });
    if (held === maxHeld) driver.reading(idle.handle, false);
  }

  /** The upstream closed or reset a connection, or could not be reached. */
  lost(index: number, errno = constants.errno.ECONNRESET): void {
    const idle = this.#idle[index] as IdleConnection;
    if (idle.connectedAt > 0) this.#closedByEndpoint(index, idle);
    else this.#failed(index, idle, errno);
  }

  #closedByEndpoint(index: number, { route, endpoint, connectedAt, held }: IdleConnection): void {
    const { cells, driver, limitedNotice } = this.#context;
    const { spec } = route;
    const ageMs = Math.round(driver.now() - connectedAt);
    const pauseMs = Math.min(maxRefillPauseMs, Math.max(minRefillPauseMs, 2 * (this.#refill.get(route)?.pauseMs ?? 0)));
    cells.add(spec.cells.idleLost, 1);
    if (held.length === 0) closedUnanswered(this.#context, spec, endpoint, ageMs);
    this.#drop(index);
    this.#refill.set(route, { pauseMs, until: driver.now() + pauseMs });
    limitedNotice(
      `idle ${spec.id}`,
      'warn',
      () =>
        `router ${spec.router}, ${spec.dst}: endpoint ${showAddress(endpoint)} closed an idle connection after ${ageMs} ms; ` +
        `the next one is opened in ${pauseMs / 1000} s. If the server expects a login at once, set minConnections to 0`,
    );
  }

  #failed(index: number, idle: IdleConnection, errno: number): void {
    const { driver, owners } = this.#context;
    const { route, endpoint, handle, startedAt, securingAt, probing } = idle;
    const trouble = securingAt > 0 ? handshakeFailed(this.#context, route.spec, handle, securingAt, errno) : null;
    this.#forget(index);
    owners.clear(handle);
    driver.close(handle);
    const failure = { errno, tls: trouble?.text ?? '', probing };
    attemptFailed(this.#context, route.spec, endpoint, driver.now() - startedAt, failure);
  }

  #start(route: Route): boolean {
    const { driver, owners } = this.#context;
    const branch = route.drawBranch();
    const now = driver.now();
    const picked = branch ? branch.picker.pick(now, noTries, 0) : noEndpoint;
    if (!branch || picked === noEndpoint) return false;
    const endpoint = branch.endpoints[picked];
    const probing = branch.picker.claimed;
    const { keepAliveSecs, tls: security } = route.spec.client;
    const handle = driver.connect(endpoint, { keepAliveSecs });
    attemptStarted(this.#context, route.spec, endpoint);
    if (handle === noHandle) {
      attemptFailed(this.#context, route.spec, endpoint, 0, { errno: constants.errno.EMFILE, tls: '', probing });
      return false;
    }
    const index = this.#free.pop() ?? this.#idle.length;
    this.#idle[index] = {
      route,
      branch,
      endpoint,
      handle,
      security,
      startedAt: now,
      probing,
      connectedAt: 0,
      securingAt: 0,
      tls: null,
      held: [],
    };
    this.#byRoute.get(route)?.add(index);
    owners.set(handle, Owner.idle, index);
    return true;
  }

  #dropWhere(route: Route, condition: (idle: IdleConnection) => boolean): void {
    for (const index of [...(this.#byRoute.get(route) ?? [])])
      if (condition(this.#idle[index] as IdleConnection)) this.#drop(index);
  }

  #drop(index: number): void {
    const idle = this.#idle[index] as IdleConnection;
    const { driver, owners } = this.#context;
    const spec: RouteSpec = idle.route.spec;
    this.#forget(index);
    for (const { buffer } of idle.held) driver.release(buffer);
    owners.clear(idle.handle);
    driver.close(idle.handle);
    if (idle.connectedAt > 0) {
      connectionEnded(this.#context, spec, idle.endpoint, driver.now() - idle.connectedAt);
    } else attemptAbandoned(this.#context, idle.endpoint, idle.probing);
  }

  #forget(index: number): void {
    const idle = this.#idle[index] as IdleConnection;
    this.#idle[index] = undefined;
    this.#free.push(index);
    this.#byRoute.get(idle.route)?.delete(index);
  }
}
