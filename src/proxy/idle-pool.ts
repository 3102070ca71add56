/**
 * IdleConnection upstream connections (`minConnections`): kept connected so that a client does not wait for the upstream's handshake.
 *
 * A spare is read from while it waits, so that one the upstream has closed is never handed out; a greeting that came early is
 * kept (a few chunks, then reading stops) and delivered first. IdlePool are replaced when they grow old, and dropped when their
 * endpoint leaves the route or has more of them than its weight is worth.
 * Each worker keeps its share of `minConnections`.
 */

import { constants } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { noEndpoint } from '../balancer/picker.ts';
import { usableWeights } from '../balancer/weighted-draw.ts';
import type { BufferId } from '../io/driver.ts';
import { type Handle, noHandle } from '../io/handle.ts';
import type { TlsDetails } from '../io/tls/engine.ts';
import type { WorkerContext } from './context.ts';
import {
  attemptAbandoned,
  attemptFailed,
  attemptStarted,
  attemptSucceeded,
  connectionEnded,
} from './endpoint-accounting.ts';
import type { ClientTlsSpec, RouteSpec } from './messages.ts';
import { Owner } from './owners.ts';
import type { Branch, Endpoint, Route } from './route.ts';
import { countSecured } from './tls-series.ts';
import { handshakeFailed, secureUpstream } from './upstream-tls.ts';

/** A spare older than this is replaced: middleboxes forget quiet connections, and load should follow the present picker. */
const maxAgeMs = 60_000;

/** Chunks of an early greeting; nobody greets in more, and beyond them a close of the upstream goes unseen. */
const maxHeld = 4;

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
  /** What each endpoint of a route was entitled to at the last publication; see {@link quotas}. */
  readonly #quotas = new Map<Route, ReadonlyMap<string, number>>();

  constructor(context: WorkerContext, worker: number, workers: number) {
    this.#context = context;
    this.#worker = worker;
    this.#workers = workers;
  }

  get size(): number {
    return this.#idle.length - this.#free.length;
  }

  /** A connected spare of the route, the oldest first; another is made in its place. */
  take(route: Route): IdleConnection | undefined {
    const own = this.#byRoute.get(route);
    if (!own) return undefined;
    for (const index of own) {
      const spare = this.#idle[index] as IdleConnection;
      if (spare.connectedAt === 0) continue;
      this.#forget(index);
      this.fill(route);
      return spare;
    }
    return undefined;
  }

  /** After a publication: spares to endpoints that are gone, and those too many, are dropped; missing ones are made. */
  refresh(route: Route): void {
    const own = this.#byRoute.get(route) ?? new Set();
    this.#byRoute.set(route, own);
    const share = this.#share(route);
    const { tls } = route.spec.client;
    this.#dropWhere(route, ({ security }) => !isDeepStrictEqual(security, tls));
    const before = this.#quotas.get(route);
    const quota = quotas(route.branches, share);
    this.#quotas.set(route, quota);
    // What the picker has made of the same weights stays: it sees more than weights.
    if (before && !isDeepStrictEqual(before, quota)) {
      const kept = new Map<string, number>();
      this.#dropWhere(route, spare => {
        const key = quotaKey(spare.branch, spare.endpoint);
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
    for (let n = this.#share(route) - (this.#byRoute.get(route)?.size ?? 0); n > 0; n--)
      if (!this.#start(route)) return;
  }

  /** Of `minConnections`, what falls to this worker: the first ones take the remainder. */
  #share(route: Route): number {
    return Math.floor((route.spec.client.minConnections + this.#workers - 1 - this.#worker) / this.#workers);
  }

  /** Every second: old spares are closed, and what is missing, also after failures, is made again. */
  tend(): void {
    const now = this.#context.driver.now();
    for (const [route, own] of this.#byRoute) {
      this.#dropWhere(route, spare => spare.connectedAt > 0 && now - spare.connectedAt > maxAgeMs);
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
  }

  dropAll(): void {
    for (const route of [...this.#byRoute.keys()]) this.drop(route);
  }

  connected(index: number): void {
    const spare = this.#idle[index] as IdleConnection;
    if (!spare.security) return this.#ready(spare);
    if (!this.#context.driver.hasTls(spare.security.context)) return this.lost(index, constants.errno.ECANCELED);
    spare.securingAt = this.#context.driver.now();
    secureUpstream(this.#context, spare.handle, spare.security, spare.endpoint);
  }

  secured(index: number, details: TlsDetails): void {
    const spare = this.#idle[index] as IdleConnection;
    const { cells, driver } = this.#context;
    const { tlsCells } = spare.route.spec;
    spare.tls = details;
    if (tlsCells) countSecured(cells, tlsCells, details, driver.now() - spare.securingAt);
    this.#ready(spare);
  }

  #ready(spare: IdleConnection): void {
    const { driver } = this.#context;
    spare.connectedAt = driver.now();
    attemptSucceeded(this.#context, spare.route.spec, spare.endpoint, spare.connectedAt - spare.startedAt);
    driver.reading(spare.handle, true);
  }

  data(index: number, buffer: BufferId, offset: number, length: number): void {
    const spare = this.#idle[index] as IdleConnection;
    const { driver } = this.#context;
    const held = spare.held.push({ buffer: driver.keep(buffer, offset, length), length });
    if (held === maxHeld) driver.reading(spare.handle, false);
  }

  /** The upstream closed or reset a spare, or could not be reached. The next {@link tend} makes another. */
  lost(index: number, errno = constants.errno.ECONNRESET): void {
    const spare = this.#idle[index] as IdleConnection;
    if (spare.connectedAt > 0) return this.#drop(index);
    const { driver, owners } = this.#context;
    const { route, endpoint, handle, startedAt, securingAt, probing } = spare;
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

  #dropWhere(route: Route, condition: (spare: IdleConnection) => boolean): void {
    for (const index of [...(this.#byRoute.get(route) ?? [])])
      if (condition(this.#idle[index] as IdleConnection)) this.#drop(index);
  }

  #drop(index: number): void {
    const spare = this.#idle[index] as IdleConnection;
    const { driver, owners } = this.#context;
    const spec: RouteSpec = spare.route.spec;
    this.#forget(index);
    for (const { buffer } of spare.held) driver.release(buffer);
    owners.clear(spare.handle);
    driver.close(spare.handle);
    if (spare.connectedAt > 0) {
      connectionEnded(this.#context, spec, spare.endpoint, driver.now() - spare.connectedAt);
    } else attemptAbandoned(this.#context, spare.endpoint, spare.probing);
  }

  #forget(index: number): void {
    const spare = this.#idle[index] as IdleConnection;
    this.#idle[index] = undefined;
    this.#free.push(index);
    this.#byRoute.get(spare.route)?.delete(index);
  }
}

/** How many of `share` spares each endpoint may have, by its chance to be drawn: rounded up, and 0 for a weight of 0. */
function quotas(branches: readonly Branch[], share: number): Map<string, number> {
  const exact = new Map<string, number>();
  if (share === 0) return exact;
  const ofBranches = chances(branches);
  branches.forEach((branch, i) => {
    const ofEndpoints = chances(branch.endpoints);
    branch.endpoints.forEach((endpoint, k) => {
      const key = quotaKey(branch, endpoint);
      exact.set(key, (exact.get(key) ?? 0) + share * ofBranches[i] * ofEndpoints[k]);
    });
  });
  for (const [key, n] of exact) exact.set(key, Math.ceil(n - rounding));
  return exact;
}

const quotaKey = ({ id }: Branch, { slot }: Endpoint): string => `${id} ${slot}`;

/** Sums of shares may come out a little over a whole number. */
const rounding = 1e-9;

function chances(weighted: readonly { readonly weight: number }[]): Float64Array {
  const weights = usableWeights(weighted.map(one => one.weight));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map(weight => weight / sum);
}
