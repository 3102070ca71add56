/**
 * All proxied connections of one worker: one state machine, a row of {@link SessionTable} each.
 *
 *   state      | clientData | clientEnd | clientFail  | clientDrained | upData  | upEnd     | upFail       | upDrained | due
 *   -----------+------------+-----------+-------------+---------------+---------+-----------+--------------+-----------+---------------
 *   Peeking    | peek       | end GC    | end GC      | -             | -       | -         | -            | -         | end GT
 *   Securing   | -          | -         | end HP | HC | -             | -       | -         | -            | -         | end HT
 *   Refusing   | -          | -         | end decided | end decided   | -       | -         | -            | -         | end decided
 *   Binding    | hold       | note      | end NC      | -             | -       | -         | -            | -         | end NT
 *   Backoff    | hold       | note      | end CC      | -             | -       | -         | -            | -         | proceed | end CT
 *   Connecting | hold       | note      | end CC      | -             | -       | -         | Backoff | CU | -         | Backoff | end CT
 *   SecuringUp | hold       | note      | end CC      | -             | -       | -         | Backoff | CU | -         | Backoff | end CT
 *   Relaying   | forward    | → HalfCl. | flush RC    | resume up     | forward | → HalfCl. | flush RU     | resume cl | end RT, RL: flush
 *   HalfClosed | forward    | flush --  | flush FC    | resume up     | forward | flush --  | flush FU     | resume cl | end FT, FL: flush
 *   Flushing   | discard RU | note RU   | flush FC    | → AwaitingAck | -       | -         | flush FU     | → Awaiting| end FT | FL
 *   AwaitingAck| discard RU | note RU   | end decided | -             | -       | -         | end decided  | -         | awaitAck
 *
 * Three more events have one state each: clientSecured in Securing, upConnected in Connecting (→ Relaying, or SecuringUpstream
 * where the endpoint speaks TLS) and upSecured in SecuringUpstream (→ Relaying).
 *
 * `-` cannot happen: the socket is closed, or reading is off. It ends the session with II.
 * peek: collects the ClientHello until it is whole. Where TLS is terminated here it is then answered (→ Securing), and H stands
 *   for G in the codes. Then the session asks the control plane where the client's name leads (→ Binding), follows the listener's
 *   default, or is refused with an alert (→ Refusing), which ends with GP, HP or NN.
 * proceed: → Binding while the name is not resolved; → Relaying on an idle connection; → Connecting; end NN without an endpoint.
 *   Binding and Backoff take one of the `maxWaiters` places, once, or end with NR; → Relaying or the end returns it.
 * forward: writes to the other side and, when that has `bufferSizeBytes` pending, pauses this one. A side that sends large chunks
 *   in a row is spliced to the other; the driver then reports `moved` instead of data.
 * hold: keeps one chunk and stops reading. A client may speak first, and send its FIN, before there is an upstream (note).
 *   Relaying becomes HalfClosed at once where the client's FIN was noted.
 * A side that ends without TLS's close_notify fails, with X for C or U.
 * flush: closes the side that failed and delivers to the other what was read for it. That side then gets a RST, or a FIN where the
 *   failed side had already ended. The first code stays, but FC and FU replace `--`. After an upstream's reset (RU) the client is
 *   still read, and its bytes discarded, to learn whether it was done too: then that is no failure.
 * awaitAck: neither a RST nor a close may destroy bytes that were read for a side. After a failure both wait until the peer has
 *   acknowledged everything, for as long as it takes anything.
 * Never let a truncated stream look complete: a side gets a RST when bytes for it are left unflushed, and when the session is cut
 *   (RL, RD, FL, FD) before the other side has ended. A session that both sides leave idle (RT, FT) ends with FINs.
 * Idle means that nothing moves: bytes that a peer takes count like bytes that come.
 * Every session ends with exactly one code of end-codes.ts. waitUntil bounds the states up to SecuringUpstream, the idle or fin
 *   timeout and liveUntil the later ones.
 */

import { constants } from 'node:os';
import type { BufferId } from '../../io/driver.ts';
import { type Handle, noHandle } from '../../io/handle.ts';
import type { TlsDetails } from '../../io/tls/engine.ts';
import type { TlsTrouble } from '../../io/tls/trouble.ts';
import { Alert } from '../../wire/client-hello.ts';
import type { Session, WorkerContext } from '../context.ts';
import type { EndCode } from '../end-codes.ts';
import type { IdlePool } from '../idle-pool.ts';
import type { Listener } from '../listener.ts';
import type { ControlChannel } from '../messages.ts';
import { Owner } from '../owners.ts';
import type { Route } from '../route.ts';
import { countTrouble } from '../tls-series.ts';
import { handshakeFailed, leftEarly } from '../upstream-tls.ts';
import { Connector } from './connector.ts';
import { InboundHandshake } from './inbound-handshake.ts';
import { Relay } from './relay.ts';
import { SessionCore } from './session-core.ts';
import { Flag, type SessionTable, State } from './session-table.ts';

const { ETIMEDOUT } = constants.errno;

export class Sessions {
  readonly #core: SessionCore;
  readonly #context: WorkerContext;
  readonly #table: SessionTable;
  readonly #handshake: InboundHandshake;
  readonly #connector: Connector;
  readonly #relay: Relay;

  constructor(context: WorkerContext, idle: IdlePool, control: ControlChannel) {
    const core = new SessionCore(context);
    this.#core = core;
    this.#context = context;
    this.#table = core.table;
    this.#relay = new Relay(core);
    this.#connector = new Connector(core, idle, this.#relay, (s, reason) =>
      this.#handshake.fallBack(s, 'NN', Alert.unrecognizedName, reason),
    );
    this.#handshake = new InboundHandshake(core, control, (s, route) => this.#connector.direct(s, route));
  }

  get size(): number {
    return this.#table.size;
  }

  // ---- from the control plane -----------------------------------------------------------------------------------------

  /** A server name of a listener leads to this route. */
  named(listener: number, name: string, route: Route | null): void {
    this.#handshake.named(listener, name, route);
  }

  forget(listener: number, name: string): void {
    this.#core.names.forget(listener, name);
  }

  /** The route of waiting sessions is published. */
  published(route: Route): void {
    for (const s of [...route.waiting]) this.#connector.proceed(s);
  }

  // ---- before there is an upstream ------------------------------------------------------------------------------------

  /** The listener has admitted it: see {@link Listener.admit}. */
  accepted(listener: Listener, client: Handle): void {
    const { driver, owners, cells } = this.#context;
    const table = this.#table;
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
    if (spec.hello) this.#handshake.peekFirst(s, spec.hello);
    else this.#connector.direct(s, route as Route);
  }

  clientSecured(s: Session, details: TlsDetails): void {
    if (this.#table.state[s] === State.Securing) this.#handshake.secured(s, details);
    else this.#core.impossible(s, 'clientSecured');
  }

  upstreamConnected(s: Session): void {
    this.#connector.connected(s);
  }

  upstreamSecured(s: Session, details: TlsDetails): void {
    this.#connector.secured(s, details);
  }

  // ---- bytes ----------------------------------------------------------------------------------------------------------

  clientData(s: Session, buffer: BufferId, offset: number, length: number): void {
    const table = this.#table;
    const { driver } = this.#context;
    const state = table.state[s];
    table.activeAt[s] = driver.now();
    // Where TLS is terminated here, plaintext counts.
    if (state !== State.Peeking || !table.specOf(s).tls) this.#core.countRx(s, length);
    if (state === State.Relaying || state === State.HalfClosed) this.#relay.clientData(s, buffer, offset, length);
    else if (state >= State.Flushing && this.#relay.readsOn(s)) driver.release(buffer);
    else if (state === State.Peeking) this.#handshake.peek(s, buffer, offset, length);
    else if (state < State.Relaying && table.heldBuffer[s] < 0) {
      this.#core.hold(s, driver.keep(buffer, offset, length), length);
    } else {
      driver.release(buffer);
      this.#core.impossible(s, 'clientData');
    }
  }

  upstreamData(s: Session, buffer: BufferId, offset: number, length: number): void {
    const state = this.#table.state[s];
    if (state === State.Relaying || state === State.HalfClosed)
      return this.#relay.upstreamData(s, buffer, offset, length);
    this.#context.driver.release(buffer);
    this.#core.impossible(s, 'upData');
  }

  clientMoved(s: Session, length: number): void {
    this.#relay.clientMoved(s, length);
  }

  upstreamMoved(s: Session, length: number): void {
    this.#relay.upstreamMoved(s, length);
  }

  clientDrained(s: Session): void {
    this.#table.activeAt[s] = this.#context.driver.now();
    if (this.#table.state[s] === State.Refusing) this.#core.endDecided(s);
    else this.#relay.clientDrained(s);
  }

  upstreamDrained(s: Session): void {
    this.#relay.upstreamDrained(s);
  }

  // ---- ends -----------------------------------------------------------------------------------------------------------

  clientEnded(s: Session): void {
    const table = this.#table;
    const state = table.state[s];
    table.flags[s] |= state >= State.Flushing ? Flag.clientDone : Flag.clientEnded;
    if (state === State.Peeking) return this.#handshake.endEarly(s, 'C');
    if (state < State.Relaying) return;
    if (state >= State.Flushing) return;
    this.#relay.halfClosed(s, table.upstreamOf(s));
  }

  upstreamEnded(s: Session): void {
    const table = this.#table;
    const state = table.state[s];
    if (state !== State.Relaying && state !== State.HalfClosed) return this.#core.impossible(s, 'upEnd');
    this.#core.upstreamOver(s);
    table.flags[s] |= Flag.upstreamEnded;
    this.#relay.halfClosed(s, table.clientOf(s));
  }

  clientFailed(s: Session): void {
    const table = this.#table;
    const state = table.state[s];
    if (state === State.Refusing) return this.#core.endDecided(s);
    const trouble = this.#context.driver.trouble(table.clientOf(s));
    if (trouble) this.#handshake.troubled(s, trouble);
    switch (state) {
      case State.Peeking:
        return this.#handshake.endEarly(s, 'C');
      case State.Securing:
        if (!trouble) this.#handshake.troubled(s, leftEarly);
        return this.#core.end(s, trouble && trouble.kind !== 'left' ? 'HP' : 'HC');
      case State.Binding:
        return this.#core.end(s, 'NC');
      case State.Backoff:
      case State.Connecting:
      case State.SecuringUpstream:
        return this.#core.end(s, 'CC');
      default: {
        const code = this.#codeOf(s, 'C', trouble);
        const hasEnded = (table.flags[s] & Flag.clientEnded) !== 0;
        const isOwed = table.flags[s] & Flag.upstreamPaused || this.#context.driver.pending(table.clientOf(s)) > 0;
        table.flags[s] |= isOwed ? Flag.clientOwed : 0;
        if (state >= State.Flushing) table.flags[s] |= Flag.clientDone;
        this.#core.dropClient(s);
        return this.#relay.beginFlush(s, code, !hasEnded);
      }
    }
  }

  upstreamFailed(s: Session, errno: number): void {
    const table = this.#table;
    const state = table.state[s];
    if (state < State.Connecting) return this.#core.impossible(s, 'upFail');
    const trouble = this.#upstreamTrouble(s, errno);
    if (state < State.Relaying) return this.#connector.giveUp(s, errno, trouble?.text ?? '');
    if (state === State.Relaying) this.#core.upstreamOver(s);
    this.#core.drop(table.upstreamOf(s));
    table.upstream[s] = noHandle;
    if (trouble && !table.hasFailed(s)) table.why[s] = `TLS with the endpoint: ${trouble.text}`;
    const code = this.#codeOf(s, 'U', trouble);
    this.#relay.beginFlush(s, code, (table.flags[s] & Flag.upstreamEnded) === 0);
  }

  /** The code of a session that relays when that side fails. A missing close_notify is not blamed on either side. */
  #codeOf(s: Session, side: 'C' | 'U', trouble: TlsTrouble | null): EndCode {
    return `${this.#table.state[s] === State.Relaying ? 'R' : 'F'}${trouble?.kind === 'truncated' ? 'X' : side}`;
  }

  /** Counts what TLS reports about the upstream's failure. @returns null when the errno is all there is */
  #upstreamTrouble(s: Session, errno: number): TlsTrouble | null {
    const table = this.#table;
    const upstream = table.upstreamOf(s);
    const { spec } = table.routeOf(s);
    if (table.state[s] === State.SecuringUpstream)
      return handshakeFailed(this.#context, spec, upstream, table.securingAt[s], errno);
    const trouble = this.#context.driver.trouble(upstream);
    if (trouble && spec.tlsCells) countTrouble(this.#context.cells, spec.tlsCells, trouble.kind);
    return trouble;
  }

  /** A deadline of the session has come. */
  due(s: Session): void {
    const table = this.#table;
    const now = this.#context.driver.now();
    switch (table.state[s]) {
      case State.Peeking:
      case State.Securing:
        return this.#handshake.endEarly(s, 'T');
      case State.Refusing:
        return this.#core.endDecided(s);
      case State.Binding:
        return this.#core.end(s, 'NT');
      case State.Backoff:
        return now >= table.waitUntil[s] ? this.#core.end(s, 'CT') : this.#connector.proceed(s);
      case State.Connecting:
      case State.SecuringUpstream:
        return this.#connector.giveUp(s, ETIMEDOUT, this.#upstreamTrouble(s, ETIMEDOUT)?.text ?? '');
      case State.AwaitingAck:
        return this.#relay.awaitAck(s);
      default:
        if (now >= table.liveUntil[s]) return this.#relay.expire(s);
        if (!this.#relay.isStalled(s, this.#relay.quietMs(s))) return this.#relay.watchQuiet(s);
        return this.#core.end(s, table.state[s] === State.Relaying ? 'RT' : 'FT');
    }
  }

  /** Ends every session that is left, because the proxy stops. @returns how many there were */
  cutAll(): number {
    let cut = 0;
    for (const s of this.#table.live()) {
      this.#cut(s);
      cut++;
    }
    return cut;
  }

  #cut(s: Session): void {
    switch (this.#table.state[s]) {
      case State.Peeking:
      case State.Securing:
        return this.#handshake.endEarly(s, 'D');
      case State.Refusing:
        return this.#core.endDecided(s);
      case State.Binding:
        return this.#core.end(s, 'ND');
      case State.Backoff:
      case State.Connecting:
      case State.SecuringUpstream:
        return this.#core.end(s, 'CD');
      case State.Relaying:
        return this.#core.end(s, 'RD');
      default:
        return this.#core.end(s, 'FD');
    }
  }
}
