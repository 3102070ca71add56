/**
 * The common part of all stages of a session: deadlines, byte counts, releasing sockets, and the only way to end.
 *
 * The stages (inbound-handshake, connector, relay) share one core and know only the stage after them.
 */
import type { BufferId } from '../../io/driver.ts';
import { type Handle, noHandle } from '../../io/handle.ts';
import { firstSessionDeadline, type Session, type WorkerContext } from '../context.ts';
import type { EndCode } from '../end-codes.ts';
import { attemptAbandoned, closedUnanswered, connectionEnded, firstAnswer } from '../endpoint-accounting.ts';
import type { Listener } from '../listener.ts';
import { account } from './account.ts';
import { ServerNameRoutes } from './server-name-routes.ts';
import { Flag, SessionTable, State, stateNames } from './session-table.ts';

export class SessionCore {
  readonly table = new SessionTable();
  readonly names = new ServerNameRoutes();
  readonly context: WorkerContext;

  constructor(context: WorkerContext) {
    this.context = context;
  }

  setDeadline(s: Session, time: number): void {
    this.context.deadlines.set(firstSessionDeadline + s, time);
  }

  /** Keeps what the client said for its upstream, and stops reading from the client until the upstream is connected. */
  hold(s: Session, buffer: BufferId, length: number): void {
    const { table } = this;
    table.heldBuffer[s] = buffer;
    table.heldLength[s] = length;
    table.flags[s] |= Flag.clientPaused;
    this.context.driver.reading(table.clientOf(s), false);
  }

  /** Bytes held for an endpoint that is not connected yet are counted for it when they are written to it. */
  countRx(s: Session, bytes: number): void {
    const { table } = this;
    const { cells } = this.context;
    table.rx[s] += bytes;
    cells.add(table.specOf(s).cells.rxBytes, bytes);
    const endpoint = table.endpoint[s];
    if (endpoint && table.state[s] >= State.Relaying) cells.add(endpoint.cells.rxBytes, bytes);
  }

  countTx(s: Session, bytes: number): void {
    const { table } = this;
    const { cells } = this.context;
    table.tx[s] += bytes;
    cells.add(table.specOf(s).cells.txBytes, bytes);
    const endpoint = table.endpoint[s];
    if (endpoint) cells.add(endpoint.cells.txBytes, bytes);
  }

  /** The endpoint sends its first byte. */
  answered(s: Session): void {
    const endpoint = this.table.endpoint[s];
    if (endpoint) firstAnswer(this.context, this.table.routeOf(s).spec, endpoint);
  }

  /** The upstream has ended or failed first. A client that left first may be the reason that it had no answer. */
  upstreamOver(s: Session): void {
    const { table } = this;
    const endpoint = table.endpoint[s];
    if (!endpoint || table.tx[s] > 0 || table.flags[s] & (Flag.clientEnded | Flag.upstreamEnded)) return;
    closedUnanswered(this.context, table.routeOf(s).spec, endpoint, this.context.driver.now() - table.connectedAt[s]);
  }

  /** The session no longer counts as a waiter of its route, nor as one of the queued among them. */
  waitOver(s: Session): void {
    const { table } = this;
    const { cells, counts } = this.context;
    cells.add(table.specOf(s).cells.waiters, -1);
    const spec = table.route[s]?.spec;
    if (!spec) return;
    const { queued, waiters } = spec;
    if (table.flags[s] & Flag.queued) Atomics.sub(counts, queued, 1);
    table.flags[s] &= ~Flag.queued;
    Atomics.sub(counts, waiters, 1);
  }

  /** Ends with the code that the refusal or the flush has decided on. */
  endDecided(s: Session): void {
    const { table } = this;
    this.end(s, table.outcomeOf(s), (table.flags[s] & Flag.resetLast) !== 0);
  }

  /** The one way out of every state: sockets, counts, metrics and record, then the row is free. */
  end(s: Session, code: EndCode, reset = false): void {
    const { table, context } = this;
    const { driver, deadlines } = context;
    const listener = table.listener[s] as Listener;
    const route = table.route[s];
    const endpoint = table.endpoint[s];
    const state = table.state[s];
    const now = driver.now();
    deadlines.clear(firstSessionDeadline + s);
    if (table.heldBuffer[s] >= 0) driver.release(table.heldBuffer[s]);
    if (context.recorder) this.#knowPeer(s);
    account(context, table, s, code, now);
    const isCut = code === 'RL' || code === 'RD' || code === 'FL' || code === 'FD';
    this.#part(table.clientOf(s), reset || (isCut && (table.flags[s] & Flag.upstreamEnded) === 0));
    this.#part(table.upstreamOf(s), reset || (isCut && (table.flags[s] & Flag.clientEnded) === 0));
    // Decrement the shared counts last: at 0 the control plane may reuse the row or the cells they protect.
    if (state < State.Relaying) {
      route?.waiting.delete(s);
      if (!route && table.name[s] !== '') this.names.leave(table.specOf(s).id, table.name[s], s);
      if (endpoint && (state === State.Connecting || state === State.SecuringUpstream))
        attemptAbandoned(context, endpoint, (table.flags[s] & Flag.probing) !== 0);
      this.waitOver(s);
    } else if (endpoint && route) connectionEnded(context, route.spec, endpoint, now - table.connectedAt[s]);
    table.release(s);
    listener.ended();
  }

  /** Lets go of a client that has failed, and keeps its address for the record. */
  dropClient(s: Session): void {
    const { table } = this;
    this.#knowPeer(s);
    this.drop(table.clientOf(s));
    table.client[s] = noHandle;
  }

  /** A session that was accepted before connections were recorded has not been asked for its peer. */
  #knowPeer(s: Session): void {
    const { table } = this;
    if (table.peer[s] === '' && table.client[s] !== noHandle)
      table.peer[s] = this.context.driver.peer(table.clientOf(s));
  }

  /** Lets go of a side, if there is one. A side that did not get all that was read for it is reset. */
  #part(handle: Handle, reset: boolean): void {
    if (handle !== noHandle) this.drop(handle, reset || this.context.driver.pending(handle) > 0);
  }

  drop(handle: Handle, reset = false): void {
    this.context.owners.clear(handle);
    if (reset) this.context.driver.reset(handle);
    else this.context.driver.close(handle);
  }

  /** An event that the table in sessions.ts excludes: a bug in the driver or here. The session ends; the proxy continues. */
  impossible(s: Session, event: string): void {
    this.context.notice(
      'error',
      `session in state ${stateNames[this.table.state[s]]} got ${event}, which cannot happen`,
    );
    this.end(s, 'II', true);
  }
}
