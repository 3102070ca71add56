/**
 * From a known destination to an upstream connection: waits for the name, picks an endpoint, connects, secures, retries.
 * The rows Binding, Backoff, Connecting and SecuringUpstream of the table in sessions.ts.
 */
import { constants } from 'node:os';
import { isAvailable } from '../../balancer/health.ts';
import { noEndpoint } from '../../balancer/picker.ts';
import { noHandle } from '../../io/handle.ts';
import type { TlsDetails } from '../../io/tls/engine.ts';
import type { Session, WorkerContext } from '../context.ts';
import { attemptFailed, attemptStarted, attemptSucceeded } from '../endpoint-accounting.ts';
import type { IdleConnection, IdlePool } from '../idle-pool.ts';
import { Owner } from '../owners.ts';
import type { Branch, Endpoint, Route } from '../route.ts';
import { countSecured } from '../tls-series.ts';
import { secureUpstream } from '../upstream-tls.ts';
import type { Relay } from './relay.ts';
import type { SessionCore } from './session-core.ts';
import { Flag, State } from './session-table.ts';

const { ECANCELED, EMFILE } = constants.errno;

interface Choice {
  readonly branch: Branch | null;
  readonly index: number;
  /** Neither tried by this session nor out of rotation, unless it is due for its probe. */
  readonly isUsable: boolean;
}

export class Connector {
  readonly #core: SessionCore;
  readonly #context: WorkerContext;
  readonly #idle: IdlePool;
  readonly #relay: Relay;
  readonly #nameless: (s: Session, reason: string) => void;

  /** @param nameless takes a session over whose name, which its client gave, resolves to nothing */
  constructor(core: SessionCore, idle: IdlePool, relay: Relay, nameless: (s: Session, reason: string) => void) {
    this.#core = core;
    this.#context = core.context;
    this.#idle = idle;
    this.#relay = relay;
    this.#nameless = nameless;
  }

  /** The session's destination is known now. */
  direct(s: Session, route: Route): void {
    const { table } = this.#core;
    const { cells, counts } = this.#context;
    table.state[s] = State.Binding;
    table.route[s] = route;
    cells.add(table.specOf(s).cells.routeFound, 1);
    Atomics.add(counts, route.spec.waiters, 1);
    this.proceed(s);
  }

  /** Attempts to connect if the name is resolved, else waits for it: new, after a pause, or when the name is published. */
  proceed(s: Session): void {
    const { table } = this.#core;
    const { driver, cells } = this.#context;
    const route = table.routeOf(s);
    if (route.spec.target.state === 'pending') {
      table.state[s] = State.Binding;
      if (!this.#queue(s)) return;
      route.waiting.add(s);
      this.#core.setDeadline(s, table.waitUntil[s]);
      return;
    }
    route.waiting.delete(s);
    if (table.routedAt[s] === 0) {
      table.routedAt[s] = driver.now();
      cells.observe(table.specOf(s).cells.routeTimeUs, (table.routedAt[s] - table.acceptedAt[s]) * 1000);
    }
    const idle = this.#idle.take(route);
    if (idle) this.#adopt(s, idle);
    else this.#attempt(s, route);
  }

  /** Takes one of the `maxWaiters` places, or ends the session. @returns whether it may wait */
  #queue(s: Session): boolean {
    const { table } = this.#core;
    const { counts, cells } = this.#context;
    if (table.flags[s] & Flag.queued) return true;
    const { spec } = table.routeOf(s);
    if (Atomics.add(counts, spec.queued, 1) < spec.client.maxWaiters) {
      table.flags[s] |= Flag.queued;
      return true;
    }
    Atomics.sub(counts, spec.queued, 1);
    cells.add(spec.cells.waitersRejected, 1);
    this.#core.end(s, 'NR');
    return false;
  }

  #attempt(s: Session, route: Route): void {
    const { table } = this.#core;
    const { driver, owners } = this.#context;
    const now = driver.now();
    const { branch, index } = this.#choose(s, route, now);
    table.branch[s] = branch;
    if (!branch || index === noEndpoint) return this.#nowhere(s, route);
    const endpoint = branch.endpoints[index];
    const upstream = driver.connect(endpoint, { keepAliveSecs: route.spec.client.keepAliveSecs });
    table.endpoint[s] = endpoint;
    table.attemptAt[s] = now;
    if (branch.picker.claimed) table.flags[s] |= Flag.probing;
    attemptStarted(this.#context, route.spec, endpoint);
    if (upstream === noHandle) return this.failed(s, EMFILE, '');
    table.upstream[s] = upstream;
    table.state[s] = State.Connecting;
    owners.set(upstream, Owner.upstream, s);
    this.#core.setDeadline(s, Math.min(table.waitUntil[s], now + route.spec.client.connectTimeoutMs));
  }

  /**
   * A session stays in the branch it has drawn while that has an endpoint that may be tried: so shares follow the weights. After that
   * it draws among the other branches. When none of them has such an endpoint either, it stays in its own.
   */
  #choose(s: Session, route: Route, now: number): Choice {
    const { table } = this.#core;
    const tried = table.tried[s];
    const before = table.branch[s];
    const own = this.#pick((before && route.branchOf(before.id)) ?? route.drawBranch(), now, tried);
    if (!own.branch || own.isUsable || own.index === noEndpoint || !route.spec.client.branchFailover) return own;
    const left = [own.branch];
    for (let other = route.drawOther(left); other; other = route.drawOther(left)) {
      const choice = this.#pick(other, now, tried);
      if (choice.isUsable) {
        this.#failedOver(route, own.branch, other);
        return choice;
      }
      left.push(other);
    }
    return own;
  }

  #pick(branch: Branch | null, now: number, tried: Int32Array): Choice {
    if (!branch) return { branch, index: noEndpoint, isUsable: false };
    const index = branch.picker.pick(now, tried, tried.length);
    if (index === noEndpoint) return { branch, index, isUsable: false };
    const { slot } = branch.endpoints[index];
    const isUsable = !tried.includes(slot) && (branch.picker.claimed || isAvailable(this.#context.endpoints, slot));
    return { branch, index, isUsable };
  }

  #failedOver({ spec }: Route, from: Branch, to: Branch): void {
    this.#context.cells.add(spec.cells.failovers, 1);
    this.#context.limitedNotice(
      `failover ${spec.id} ${from.id}`,
      'warn',
      () => `router ${spec.router}, ${spec.dst}: no endpoint of ${from.id} can be used: its share goes to ${to.id}`,
    );
  }

  #nowhere(s: Session, route: Route): void {
    const { target, cells } = route.spec;
    if (this.#core.table.specOf(s).nameFrom !== null && target.state === 'negative')
      return this.#nameless(s, target.reason);
    this.#context.cells.add(cells.unavailable, 1);
    this.#core.end(s, 'NN');
  }

  /**
   * The attempt failed. Retries on another endpoint, the first time at once, then with growing, jittered pauses.
   * @param tls what TLS reports; '' where the errno is the reason
   */
  failed(s: Session, errno: number, tls: string): void {
    const { table } = this.#core;
    const { driver, cells, random } = this.#context;
    const { spec } = table.routeOf(s);
    const endpoint = table.endpoint[s];
    const now = driver.now();
    const probing = (table.flags[s] & Flag.probing) !== 0;
    if (endpoint) attemptFailed(this.#context, spec, endpoint, now - table.attemptAt[s], { errno, tls, probing });
    table.flags[s] &= ~Flag.probing;
    table.errno[s] = errno;
    table.upstreamTrouble[s] = tls;
    table.state[s] = State.Backoff;
    if (now >= table.waitUntil[s]) return this.#core.end(s, 'CT');
    if (table.retries[s] >= spec.client.maxRetries) return this.#core.end(s, 'CU');
    if (!this.#queue(s)) return;
    if (endpoint) table.tried[s] = withSlot(table.tried[s], endpoint.slot);
    const { min, max } = spec.client.retryBackoffMs;
    const pause = table.retries[s] === 0 ? 0 : Math.min(max, min * 2 ** (table.retries[s] - 1)) * (0.5 + random() / 2);
    table.retries[s]++;
    cells.add(spec.cells.retries, 1);
    this.#core.setDeadline(s, Math.min(table.waitUntil[s], now + pause));
  }

  connected(s: Session): void {
    const { table } = this.#core;
    const { driver } = this.#context;
    if (table.state[s] !== State.Connecting) return this.#core.impossible(s, 'upConnected');
    const { tls } = table.routeOf(s).spec.client;
    if (!tls) return this.#succeeded(s);
    if (!driver.hasTls(tls.context)) return this.giveUp(s, ECANCELED, 'its TLS settings are gone');
    table.state[s] = State.SecuringUpstream;
    table.securingAt[s] = driver.now();
    secureUpstream(this.#context, table.upstreamOf(s), tls, table.endpoint[s] as Endpoint);
  }

  secured(s: Session, details: TlsDetails): void {
    const { table } = this.#core;
    if (table.state[s] !== State.SecuringUpstream) return this.#core.impossible(s, 'upSecured');
    const { tlsCells } = table.routeOf(s).spec;
    const { cells, driver } = this.#context;
    table.upstreamTls[s] = details;
    if (tlsCells) countSecured(cells, tlsCells, details, driver.now() - table.securingAt[s]);
    this.#succeeded(s);
  }

  /** The attempt is abandoned: its time is over, say. */
  giveUp(s: Session, errno: number, tls: string): void {
    const { table } = this.#core;
    this.#core.drop(table.upstreamOf(s));
    table.upstream[s] = noHandle;
    this.failed(s, errno, tls);
  }

  /** The upstream is connected, and secured where it must be. */
  #succeeded(s: Session): void {
    const { table } = this.#core;
    const endpoint = table.endpoint[s];
    if (endpoint) {
      const latencyMs = this.#context.driver.now() - table.attemptAt[s];
      attemptSucceeded(this.#context, table.routeOf(s).spec, endpoint, latencyMs);
    }
    table.flags[s] &= ~Flag.probing;
    this.#relay.begin(s);
  }

  #adopt(s: Session, idle: IdleConnection): void {
    const { table } = this.#core;
    const { driver, owners } = this.#context;
    table.upstream[s] = idle.handle;
    table.endpoint[s] = idle.endpoint;
    table.branch[s] = idle.branch;
    table.attemptAt[s] = idle.connectedAt;
    table.upstreamTls[s] = idle.tls;
    owners.set(idle.handle, Owner.upstream, s);
    this.#relay.begin(s);
    for (const { buffer, length } of idle.held) {
      this.#core.countTx(s, length);
      driver.write(table.clientOf(s), buffer, 0, length);
    }
  }
}

function withSlot(tried: Int32Array, slot: number): Int32Array {
  const longer = new Int32Array(tried.length + 1);
  longer.set(tried);
  longer[tried.length] = slot;
  return longer;
}
