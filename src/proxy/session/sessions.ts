/**
 * All proxied connections of one worker: one state machine, a row of {@link SessionTable} each.
 *
 *   state      | clientData | clientEnd  | clientFail   | upConnected | upData   | upEnd      | upFail       | drained  | due
 *   -----------+------------+------------+--------------+-------------+----------+------------+--------------+----------+--------------
 *   Peeking     | peek       | end GC     | end GC       | -           | -        | -          | -            | -        | end GT
 *   Securing   | -          | -          | end HP | HC  | -           | -        | -          | -            | -        | end HT
 *   Binding    | hold       | note       | end NC       | -           | -        | -          | -            | -        | end NT
 *   Backoff    | hold       | note       | end CC       | -           | -        | -          | -            | -        | proceed | end CT
 *   Connecting | hold       | note       | end CC       | → Relaying  | -        | -          | Backoff | CU | -        | Backoff | end CT
 *   Relaying   | forward    | → HalfCl.  | settle RC    | -           | forward  | → HalfCl.  | settle RU    | resume   | end RT | RL
 *   HalfClosed | forward    | settle --  | settle FC    | -           | forward  | settle --  | settle FU    | resume   | end FT | FL
 *   Flushing   | -          | -          | settle FC    | -           | -        | -          | settle FU    | end      | end FT | FL
 *
 * `-` cannot happen: the socket is closed or reading is off; it ends the session with II.
 * peek: the ClientHello is kept, and read on until it is whole. Where TLS ends here it is answered (→ Securing, which ends with
 * clientSecured), and H stands for G. Then the session asks where the name the client gives leads (→ Binding), goes where clients
 * without a name, or with one that means nothing, go, or is refused: the client gets an alert and the session ends with GP or NN
 * when that is sent. upConnected: where the upstream speaks TLS, a handshake comes first, and upSecured after it does the same.
 * proceed: → Binding while the name is not known, which proceeds when it is published; else attempt: → Relaying with a spare
 * connection, else → Connecting; end NN when there is no endpoint any more.
 * Who enters Binding or Backoff takes one of `maxWaiters` places, once, or ends with NR; it is given back at → Relaying or the end.
 * forward: write to the other side, which when it has `bufferSizeBytes` pending pauses this one. A side that sends large chunks
 * in a row is spliced to the other: what the driver then tells as `moved` is counted like data.
 * hold: one chunk is kept and reading stops; a client may speak first, and leave a FIN behind, before there is an upstream.
 * Relaying becomes HalfClosed at once when the client's FIN was noted before.
 * A side that ends without TLS's close_notify fails, with X for C or U.
 * settle: the side that failed is closed; what it had sent before is still flushed to the other (Flushing), which then gets a
 * RST, or a FIN when the failed side had already ended. The first code stays, but `--` gives way to FC and FU. Whatever
 * happens, a session ends with exactly one code of end.ts.
 * A side must not take a part for the whole: it gets a RST when bytes are left unflushed for it, and when the session is cut off
 * (RL, RD, FL, FD) before the other side has ended. After a side that broke off without close_notify the RST waits until what
 * that one had sent has arrived. A session that both sides have left idle (RT, FT) ends with FINs.
 * At every row: the waiting time in the first three states is bounded by waitUntil, the later ones by idle or fin and by liveUntil.
 */

import { constants } from 'node:os';
import { noEndpoint } from '../../balancer/picker.ts';
import type { BufferId } from '../../io/driver.ts';
import { type Handle, noHandle } from '../../io/handle.ts';
import type { TlsDetails } from '../../io/tls/engine.ts';
import type { TlsTrouble } from '../../io/tls/trouble.ts';
import { Alert } from '../../wire/client-hello.ts';
import { firstSessionDeadline, type Session, type WorkerContext } from '../context.ts';
import type { EndCode } from '../end-codes.ts';
import {
  attemptAbandoned,
  attemptFailed,
  attemptStarted,
  attemptSucceeded,
  connectionEnded,
  handshakeFailed,
  leftEarly,
  secureUpstream,
} from '../endpoint-accounting.ts';
import type { IdlePool, Spare } from '../idle-pool.ts';
import type { Listener } from '../listener.ts';
import type { ControlChannel } from '../messages.ts';
import { Owner } from '../owners.ts';
import type { Endpoint, Route } from '../route.ts';
import { countSecured, countTrouble } from '../tls-series.ts';
import { account } from './account.ts';
import { InboundHandshake } from './inbound-handshake.ts';
import { Relay } from './relay.ts';
import { Flag, SessionTable, State, stateNames } from './session-table.ts';

const { ECANCELED, ETIMEDOUT, EMFILE } = constants.errno;

/** How a session ends that is cut off by a drain, by its state. */
const cutCodes: readonly EndCode[] = ['II', 'GD', 'HD', 'ND', 'CD', 'CD', 'RD', 'FD', 'FD'];

export class Sessions {
  readonly table = new SessionTable();
  readonly #context: WorkerContext;
  readonly #idle: IdlePool;
  readonly #handshake: InboundHandshake;
  readonly #relay: Relay;

  constructor(context: WorkerContext, spares: IdlePool, control: ControlChannel) {
    this.#context = context;
    this.#idle = spares;
    this.#handshake = new InboundHandshake(context, this, control);
    this.#relay = new Relay(context, this);
  }

  /** The control plane knows where a server name leads. */
  named(listener: number, name: string, route: Route | null): void {
    this.#handshake.named(listener, name, route);
  }

  forget(listener: number, name: string): void {
    this.#handshake.forget(listener, name);
  }

  // ---- before there is an upstream ------------------------------------------------------------------------------------

  /** The listener has a place for it: see {@link Listener.admit}. */
  accepted(listener: Listener, client: Handle): void {
    const { driver, owners, cells } = this.#context;
    const { table } = this;
    const { spec, route } = listener;
    const s = table.take();
    const now = driver.now();
    table.client[s] = client;
    table.listener[s] = listener;
    table.spec[s] = spec;
    table.acceptedAt[s] = now;
    table.activeAt[s] = now;
    table.waitUntil[s] = now + spec.connectTimeoutMs;
    table.liveUntil[s] = now + spec.lifetimeMs * (1 - spec.lifetimeJitter * this.#context.random());
    if (this.#context.recorder) table.peer[s] = driver.peer(client);
    owners.set(client, Owner.client, s);
    cells.add(spec.cells.accepts, 1);
    cells.add(spec.cells.active, 1);
    cells.add(spec.cells.waiters, 1);
    driver.reading(client, true);
    if (spec.hello) this.#handshake.greet(s, spec.hello);
    else this.direct(s, route as Route);
  }

  /** It is known where the session goes. */
  direct(s: Session, route: Route): void {
    const { table } = this;
    const { cells, counts } = this.#context;
    table.state[s] = State.Binding;
    table.route[s] = route;
    cells.add(table.specOf(s).cells.routeFound, 1);
    Atomics.add(counts, route.spec.waiters, 1);
    this.proceed(s);
  }

  /** Attempts to connect if the name is known by now, else waits for it: new, after a pause, or when the name is published. */
  proceed(s: Session): void {
    const { table } = this;
    const { driver, cells } = this.#context;
    const route = table.routeOf(s);
    if (route.spec.target.state === 'pending') {
      table.state[s] = State.Binding;
      if (!this.#queue(s)) return;
      route.waiting.add(s);
      this.setDeadline(s, table.waitUntil[s]);
      return;
    }
    route.waiting.delete(s);
    if (table.routedAt[s] === 0) {
      table.routedAt[s] = driver.now();
      cells.observe(table.specOf(s).cells.routeTimeUs, (table.routedAt[s] - table.acceptedAt[s]) * 1000);
    }
    this.#attempt(s, route);
  }

  /** Takes one of the `maxWaiters` places, or ends the session. @returns whether it may wait. */
  #queue(s: Session): boolean {
    const { table } = this;
    const { counts, cells } = this.#context;
    if (table.flags[s] & Flag.queued) return true;
    const { spec } = table.routeOf(s);
    if (Atomics.add(counts, spec.queued, 1) < spec.client.maxWaiters) {
      table.flags[s] |= Flag.queued;
      return true;
    }
    Atomics.sub(counts, spec.queued, 1);
    cells.add(spec.cells.waitersRejected, 1);
    this.end(s, 'NR');
    return false;
  }

  #attempt(s: Session, route: Route): void {
    const { table } = this;
    const { driver, owners, cells } = this.#context;
    const spare = this.#idle.take(route);
    if (spare) {
      this.#adopt(s, spare);
      return;
    }
    const now = driver.now();
    // A retry stays in its branch: the draw is per connection. After a publication the branch may be gone, then it draws anew.
    const before = table.branch[s];
    const branch = (before && route.branchOf(before.id)) ?? route.drawBranch();
    table.branch[s] = branch;
    const picked = branch ? branch.picker.pick(now, table.tried[s], table.tried[s].length) : noEndpoint;
    if (!branch || picked === noEndpoint) {
      const { target } = route.spec;
      if (table.specOf(s).nameFrom !== null && target.state === 'negative')
        return this.#handshake.fallBack(s, 'NN', Alert.unrecognizedName, target.reason);
      cells.add(route.spec.cells.unavailable, 1);
      this.end(s, 'NN');
      return;
    }
    const endpoint = branch.endpoints[picked];
    const upstream = driver.connect(endpoint, { keepAliveSecs: route.spec.client.keepAliveSecs });
    table.endpoint[s] = endpoint;
    table.attemptAt[s] = now;
    if (branch.picker.claimed) table.flags[s] |= Flag.probing;
    attemptStarted(this.#context, route.spec, endpoint);
    if (upstream === noHandle) {
      this.#attemptFailed(s, EMFILE, '');
      return;
    }
    table.upstream[s] = upstream;
    table.state[s] = State.Connecting;
    owners.set(upstream, Owner.upstream, s);
    this.setDeadline(s, Math.min(table.waitUntil[s], now + route.spec.client.connectTimeoutMs));
  }

  /**
   * Retries on another endpoint, the first time at once, then with growing, jittered pauses.
   * @param trouble what TLS says; '' where the errno says it
   */
  #attemptFailed(s: Session, errno: number, trouble: string): void {
    const { table } = this;
    const { driver, cells, random } = this.#context;
    const { spec } = table.routeOf(s);
    const endpoint = table.endpoint[s];
    const now = driver.now();
    const probing = (table.flags[s] & Flag.probing) !== 0;
    if (endpoint) attemptFailed(this.#context, spec, endpoint, now - table.attemptAt[s], { errno, trouble, probing });
    table.flags[s] &= ~(Flag.probing | Flag.upstreamSecuring);
    table.errno[s] = errno;
    table.upstreamTrouble[s] = trouble;
    table.state[s] = State.Backoff;
    if (now >= table.waitUntil[s]) return this.end(s, 'CT');
    if (table.retries[s] >= spec.client.maxRetries) return this.end(s, 'CU');
    if (!this.#queue(s)) return;
    if (endpoint) table.tried[s] = withSlot(table.tried[s], endpoint.slot);
    const { min, max } = spec.client.retryBackoffMs;
    const pause = table.retries[s] === 0 ? 0 : Math.min(max, min * 2 ** (table.retries[s] - 1)) * (0.5 + random() / 2);
    table.retries[s]++;
    cells.add(spec.cells.retries, 1);
    this.setDeadline(s, Math.min(table.waitUntil[s], now + pause));
  }

  connected(s: Session): void {
    const { table } = this;
    if (table.state[s] !== State.Connecting) return this.impossible(s, 'upConnected');
    const { tls } = table.routeOf(s).spec.client;
    if (!tls) return this.#succeeded(s);
    if (!this.#context.driver.hasTls(tls.context)) return this.#giveUp(s, ECANCELED, 'its TLS settings are gone');
    table.flags[s] |= Flag.upstreamSecuring;
    table.securingAt[s] = this.#context.driver.now();
    secureUpstream(this.#context, table.upstreamOf(s), tls, table.endpoint[s] as Endpoint);
  }

  clientSecured(s: Session, details: TlsDetails): void {
    if (this.table.state[s] === State.Securing) this.#handshake.secured(s, details);
    else this.impossible(s, 'clientSecured');
  }

  upstreamSecured(s: Session, details: TlsDetails): void {
    const { table } = this;
    if (table.state[s] !== State.Connecting) return this.impossible(s, 'upSecured');
    const { tlsCells } = table.routeOf(s).spec;
    const { cells, driver } = this.#context;
    table.upstreamTls[s] = details;
    if (tlsCells) countSecured(cells, tlsCells, details, driver.now() - table.securingAt[s]);
    this.#succeeded(s);
  }

  /** The upstream is there, and secured where it must be. */
  #succeeded(s: Session): void {
    const { table } = this;
    const endpoint = table.endpoint[s];
    if (endpoint) {
      const latencyMs = this.#context.driver.now() - table.attemptAt[s];
      attemptSucceeded(this.#context, table.routeOf(s).spec, endpoint, latencyMs);
    }
    table.flags[s] &= ~(Flag.probing | Flag.upstreamSecuring);
    this.#established(s);
  }

  #adopt(s: Session, spare: Spare): void {
    const { table } = this;
    const { driver, owners } = this.#context;
    table.upstream[s] = spare.handle;
    table.endpoint[s] = spare.endpoint;
    table.branch[s] = spare.branch;
    table.attemptAt[s] = spare.connectedAt;
    table.upstreamTls[s] = spare.tls;
    owners.set(spare.handle, Owner.upstream, s);
    this.#established(s);
    for (const { buffer, length } of spare.held) {
      this.countTx(s, length);
      driver.write(table.clientOf(s), buffer, 0, length);
    }
  }

  #established(s: Session): void {
    const { table } = this;
    const { driver, cells } = this.#context;
    const spec = table.specOf(s);
    const now = driver.now();
    table.connectedAt[s] = now;
    table.activeAt[s] = now;
    table.state[s] = State.Relaying;
    this.#waitOver(s);
    cells.observe(spec.cells.connectLatencyUs, (now - table.acceptedAt[s]) * 1000);
    const upstream = table.upstreamOf(s);
    driver.reading(upstream, true);
    if (table.heldBuffer[s] >= 0) {
      const buffer = table.heldBuffer[s];
      table.heldBuffer[s] = -1;
      const endpoint = table.endpoint[s];
      if (endpoint) cells.add(endpoint.cells.rxBytes, table.heldLength[s]);
      driver.write(upstream, buffer, 0, table.heldLength[s]);
    }
    if (table.flags[s] & Flag.clientEnded) {
      table.state[s] = State.HalfClosed;
      driver.shutdown(upstream);
    } else if (table.flags[s] & Flag.clientPaused && driver.pending(upstream) <= spec.bufferSizeBytes) {
      table.flags[s] &= ~Flag.clientPaused;
      driver.reading(table.clientOf(s), true);
    }
    this.#relay.watchQuiet(s);
  }

  /** Neither of {@link RouteSpec.waiters} any more nor of the queue among them. */
  #waitOver(s: Session): void {
    const { table } = this;
    const { cells, counts } = this.#context;
    cells.add(table.specOf(s).cells.waiters, -1);
    const spec = table.route[s]?.spec;
    if (!spec) return;
    const { queued, waiters } = spec;
    if (table.flags[s] & Flag.queued) Atomics.sub(counts, queued, 1);
    table.flags[s] &= ~Flag.queued;
    Atomics.sub(counts, waiters, 1);
  }

  // ---- bytes ----------------------------------------------------------------------------------------------------------

  clientData(s: Session, buffer: BufferId, offset: number, length: number): void {
    const { table } = this;
    const { driver } = this.#context;
    const state = table.state[s];
    table.activeAt[s] = driver.now();
    // Where TLS ends here, plaintext counts.
    if (state !== State.Peeking || !table.specOf(s).tls) this.#relay.countRx(s, length);
    if (state === State.Relaying || state === State.HalfClosed) this.#relay.clientData(s, buffer, offset, length);
    else if (state === State.Peeking) this.#handshake.peek(s, buffer, offset, length);
    else if (state <= State.Connecting && table.heldBuffer[s] < 0) {
      this.hold(s, driver.keep(buffer, offset, length), length);
    } else {
      driver.release(buffer);
      this.impossible(s, 'clientData');
    }
  }

  /** Keeps what the client said for its upstream, and reads no more until that is there. */
  hold(s: Session, buffer: BufferId, length: number): void {
    const { table } = this;
    table.heldBuffer[s] = buffer;
    table.heldLength[s] = length;
    table.flags[s] |= Flag.clientPaused;
    this.#context.driver.reading(table.clientOf(s), false);
  }

  upstreamData(s: Session, buffer: BufferId, offset: number, length: number): void {
    const state = this.table.state[s];
    if (state === State.Relaying || state === State.HalfClosed)
      return this.#relay.upstreamData(s, buffer, offset, length);
    this.#context.driver.release(buffer);
    this.impossible(s, 'upData');
  }

  clientMoved(s: Session, length: number): void {
    this.#relay.clientMoved(s, length);
  }

  upstreamMoved(s: Session, length: number): void {
    this.#relay.upstreamMoved(s, length);
  }

  clientDrained(s: Session): void {
    this.table.activeAt[s] = this.#context.driver.now();
    if (this.#handshake.isRefused(s)) this.#handshake.endRefused(s);
    else this.#relay.clientDrained(s);
  }

  upstreamDrained(s: Session): void {
    this.#relay.upstreamDrained(s);
  }

  countTx(s: Session, bytes: number): void {
    this.#relay.countTx(s, bytes);
  }

  // ---- ends -----------------------------------------------------------------------------------------------------------

  clientEnded(s: Session): void {
    const { table } = this;
    const state = table.state[s];
    table.flags[s] |= Flag.clientEnded;
    if (state === State.Peeking) return this.#handshake.endEarly(s, 'C');
    if (state <= State.Connecting) return;
    if (state === State.Flushing) return this.impossible(s, 'clientEnd');
    this.#relay.halfClosed(s, table.upstreamOf(s));
  }

  upstreamEnded(s: Session): void {
    const { table } = this;
    const state = table.state[s];
    if (state !== State.Relaying && state !== State.HalfClosed) return this.impossible(s, 'upEnd');
    table.flags[s] |= Flag.upstreamEnded;
    this.#relay.halfClosed(s, table.clientOf(s));
  }

  clientFailed(s: Session): void {
    const { table } = this;
    if (this.#handshake.isRefused(s)) return this.#handshake.endRefused(s);
    const trouble = this.#context.driver.trouble(table.clientOf(s));
    if (trouble) this.#handshake.troubled(s, trouble);
    switch (table.state[s]) {
      case State.Peeking:
        return this.#handshake.endEarly(s, 'C');
      case State.Securing:
        if (!trouble) this.#handshake.troubled(s, leftEarly);
        return this.end(s, trouble && trouble.kind !== 'left' ? 'HP' : 'HC');
      case State.Binding:
        return this.end(s, 'NC');
      case State.Backoff:
      case State.Connecting:
        return this.end(s, 'CC');
      default: {
        const code = this.#codeOf(s, 'C', trouble);
        this.drop(table.clientOf(s));
        table.client[s] = noHandle;
        return this.#relay.settle(s, code, (table.flags[s] & Flag.clientEnded) === 0);
      }
    }
  }

  upstreamFailed(s: Session, errno: number): void {
    const { table } = this;
    if (table.state[s] < State.Connecting) return this.impossible(s, 'upFail');
    const trouble = this.#upstreamTrouble(s, errno);
    this.drop(table.upstreamOf(s));
    table.upstream[s] = noHandle;
    switch (table.state[s]) {
      case State.Connecting:
        return this.#attemptFailed(s, errno, trouble?.text ?? '');
      default: {
        if (trouble && !table.isSettled(s)) table.why[s] = `TLS with the endpoint: ${trouble.text}`;
        const code = this.#codeOf(s, 'U', trouble);
        return this.#relay.settle(s, code, (table.flags[s] & Flag.upstreamEnded) === 0);
      }
    }
  }

  /** Of a session that relays when that side fails. A side that broke off is no failure of anybody's, as far as one can tell. */
  #codeOf(s: Session, side: 'C' | 'U', trouble: TlsTrouble | null): EndCode {
    const { table } = this;
    const isTruncated = trouble?.kind === 'truncated';
    if (isTruncated) table.flags[s] |= Flag.truncated;
    return `${table.state[s] === State.Relaying ? 'R' : 'F'}${isTruncated ? 'X' : side}`;
  }

  /** Counts what TLS says about the upstream's failure. @returns null when it says nothing */
  #upstreamTrouble(s: Session, errno: number): TlsTrouble | null {
    const { table } = this;
    const upstream = table.upstreamOf(s);
    const { spec } = table.routeOf(s);
    if (table.flags[s] & Flag.upstreamSecuring)
      return handshakeFailed(this.#context, spec, upstream, table.securingAt[s], errno);
    const trouble = this.#context.driver.trouble(upstream);
    if (trouble && spec.tlsCells) countTrouble(this.#context.cells, spec.tlsCells, trouble.kind);
    return trouble;
  }

  /** A deadline of the session has come. */
  due(s: Session): void {
    const { table } = this;
    const now = this.#context.driver.now();
    if (this.#handshake.isRefused(s)) return this.#handshake.endRefused(s);
    switch (table.state[s]) {
      case State.Peeking:
      case State.Securing:
        return this.#handshake.endEarly(s, 'T');
      case State.Binding:
        return this.end(s, 'NT');
      case State.Backoff:
        if (now >= table.waitUntil[s]) return this.end(s, 'CT');
        return this.proceed(s);
      case State.Connecting:
        return this.#giveUp(s, ETIMEDOUT, this.#upstreamTrouble(s, ETIMEDOUT)?.text ?? '');
      case State.Relaying:
        if (now >= table.liveUntil[s]) return this.end(s, 'RL');
        if (now >= table.activeAt[s] + table.specOf(s).idleTimeoutMs) return this.end(s, 'RT');
        return this.#relay.watchQuiet(s);
      default:
        if (table.flags[s] & Flag.resetWaits) return this.#relay.awaitArrival(s);
        if (now >= table.liveUntil[s]) return this.end(s, 'FL');
        if (now >= table.activeAt[s] + table.specOf(s).finTimeoutMs) return this.end(s, 'FT');
        return this.#relay.watchQuiet(s);
    }
  }

  /** The attempt fails without the driver saying so. */
  #giveUp(s: Session, errno: number, trouble: string): void {
    const { table } = this;
    this.drop(table.upstreamOf(s));
    table.upstream[s] = noHandle;
    this.#attemptFailed(s, errno, trouble);
  }

  /** Ends every session that is left, because the proxy stops. @returns how many there were. */
  cutAll(): number {
    let cut = 0;
    for (const s of this.table.live()) {
      if (this.#handshake.isRefused(s)) this.#handshake.endRefused(s);
      else if (this.table.state[s] <= State.Securing) this.#handshake.endEarly(s, 'D');
      else this.end(s, cutCodes[this.table.state[s]]);
      cut++;
    }
    return cut;
  }

  setDeadline(s: Session, time: number): void {
    this.#context.deadlines.set(firstSessionDeadline + s, time);
  }

  /** The one way out of every state: sockets, counts, metrics and record, then the row is free. */
  end(s: Session, code: EndCode, reset = false): void {
    const { table } = this;
    const context = this.#context;
    const { driver, deadlines } = context;
    const listener = table.listener[s] as Listener;
    const route = table.route[s];
    const endpoint = table.endpoint[s];
    const now = driver.now();
    deadlines.clear(firstSessionDeadline + s);
    if (table.heldBuffer[s] >= 0) driver.release(table.heldBuffer[s]);
    const isCut = code === 'RL' || code === 'RD' || code === 'FL' || code === 'FD';
    this.#part(table.clientOf(s), reset || (isCut && (table.flags[s] & Flag.upstreamEnded) === 0));
    this.#part(table.upstreamOf(s), reset || (isCut && (table.flags[s] & Flag.clientEnded) === 0));
    account(context, table, s, code, now);
    // Who sees one of these counts at 0 may give away what they guard: they come last.
    if (table.state[s] <= State.Connecting) {
      route?.waiting.delete(s);
      if (!route) this.#handshake.left(s);
      if (endpoint && table.state[s] === State.Connecting)
        attemptAbandoned(context, endpoint, (table.flags[s] & Flag.probing) !== 0);
      this.#waitOver(s);
    } else if (endpoint && route) connectionEnded(context, route.spec, endpoint, now - table.connectedAt[s]);
    table.release(s);
    listener.ended();
  }

  /** Lets a side go that may be there: with a RST also when it did not get all that was read for it. */
  #part(handle: Handle, reset: boolean): void {
    if (handle !== noHandle) this.drop(handle, reset || this.#context.driver.pending(handle) > 0);
  }

  drop(handle: Handle, reset = false): void {
    this.#context.owners.clear(handle);
    if (reset) this.#context.driver.reset(handle);
    else this.#context.driver.close(handle);
  }

  /** An event the table above excludes: a defect of the driver or of ours. The session ends; the proxy goes on. */
  impossible(s: Session, event: string): void {
    this.#context.notice(
      'error',
      `session in state ${stateNames[this.table.state[s]]} got ${event}, which cannot happen`,
    );
    this.end(s, 'II', true);
  }
}

function withSlot(tried: Int32Array, slot: number): Int32Array {
  const longer = new Int32Array(tried.length + 1);
  longer.set(tried);
  longer[tried.length] = slot;
  return longer;
}
