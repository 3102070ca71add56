/**
 * The stage of a session after its upstream is connected: bytes both ways, half-close, and the flush at the end. The rows Relaying,
 * HalfClosed, Flushing and AwaitingAck of the table in sessions.ts.
 */
import type { BufferId } from '../../io/driver.ts';
import { type Handle, noHandle } from '../../io/handle.ts';
import { runAfter } from '../bulk.ts';
import type { Session, WorkerContext } from '../context.ts';
import type { EndCode } from '../end-codes.ts';
import type { SessionCore } from './session-core.ts';
import { Flag, type SessionTable, State } from './session-table.ts';

/** Between two looks at what a peer has acknowledged: the first, and the others. */
const firstAckCheckMs = 20;
const ackCheckMs = 100;
/** The wait where the driver cannot tell what is acknowledged. */
const blindAckMs = 1_000;

export class Relay {
  readonly #core: SessionCore;
  readonly #context: WorkerContext;
  readonly #table: SessionTable;

  constructor(core: SessionCore) {
    this.#core = core;
    this.#context = core.context;
    this.#table = core.table;
  }

  /** The upstream is connected. Bytes the client sent before go to it first. */
  begin(s: Session): void {
    const table = this.#table;
    const { driver, cells } = this.#context;
    const spec = table.specOf(s);
    const now = driver.now();
    table.connectedAt[s] = now;
    table.activeAt[s] = now;
    table.state[s] = State.Relaying;
    this.#core.waitOver(s);
    cells.observe(spec.cells.connectLatencyUs, (now - table.acceptedAt[s]) * 1000);
    const upstream = table.upstreamOf(s);
    driver.reading(upstream, true);
    this.#writeHeld(s);
    if (table.flags[s] & Flag.clientEnded) {
      table.state[s] = State.HalfClosed;
      driver.shutdown(upstream);
    } else if (table.flags[s] & Flag.clientPaused && driver.pending(upstream) <= spec.bufferSizeBytes)
      this.#resumeClient(s);
    this.watchQuiet(s);
  }

  #writeHeld(s: Session): void {
    const table = this.#table;
    const buffer = table.heldBuffer[s];
    if (buffer < 0) return;
    table.heldBuffer[s] = -1;
    const endpoint = table.endpoint[s];
    if (endpoint) this.#context.cells.add(endpoint.cells.rxBytes, table.heldLength[s]);
    this.#context.driver.write(table.upstreamOf(s), buffer, 0, table.heldLength[s]);
  }

  // ---- bytes ----------------------------------------------------------------------------------------------------------

  clientData(s: Session, buffer: BufferId, offset: number, length: number): void {
    const table = this.#table;
    const { driver, bulk } = this.#context;
    const upstream = table.upstreamOf(s);
    table.flags[s] |= Flag.clientSpokeLast;
    driver.write(upstream, buffer, offset, length);
    if (driver.pending(upstream) > table.specOf(s).bufferSizeBytes) {
      table.flags[s] |= Flag.clientPaused;
      driver.reading(table.clientOf(s), false);
    }
    table.rxRun[s] = runAfter(table.rxRun[s], length, bulk);
    if (table.rxRun[s] === bulk.chunks) driver.splice(table.clientOf(s), upstream);
  }

  upstreamData(s: Session, buffer: BufferId, offset: number, length: number): void {
    const table = this.#table;
    const { driver, bulk } = this.#context;
    table.activeAt[s] = driver.now();
    table.flags[s] &= ~Flag.clientSpokeLast;
    if (table.tx[s] === 0) this.#core.answered(s);
    this.#core.countTx(s, length);
    const client = table.clientOf(s);
    driver.write(client, buffer, offset, length);
    if (driver.pending(client) > table.specOf(s).bufferSizeBytes) {
      table.flags[s] |= Flag.upstreamPaused;
      driver.reading(table.upstreamOf(s), false);
    }
    table.txRun[s] = runAfter(table.txRun[s], length, bulk);
    if (table.txRun[s] === bulk.chunks) driver.splice(table.upstreamOf(s), client);
  }

  /** Bytes of a spliced client have gone to its upstream: the driver pauses by itself. */
  clientMoved(s: Session, length: number): void {
    this.#table.activeAt[s] = this.#context.driver.now();
    this.#table.flags[s] |= Flag.clientSpokeLast;
    this.#core.countRx(s, length);
  }

  upstreamMoved(s: Session, length: number): void {
    this.#table.activeAt[s] = this.#context.driver.now();
    this.#table.flags[s] &= ~Flag.clientSpokeLast;
    this.#core.countTx(s, length);
  }

  clientDrained(s: Session): void {
    const table = this.#table;
    if (table.state[s] === State.Flushing) this.#finishFlush(s);
    else if (table.flags[s] & Flag.upstreamPaused) {
      table.flags[s] &= ~Flag.upstreamPaused;
      this.#context.driver.reading(table.upstreamOf(s), true);
    }
  }

  upstreamDrained(s: Session): void {
    const table = this.#table;
    table.activeAt[s] = this.#context.driver.now();
    if (table.state[s] === State.Flushing) this.#finishFlush(s);
    else if (table.flags[s] & Flag.clientPaused) this.#resumeClient(s);
  }

  #resumeClient(s: Session): void {
    this.#table.flags[s] &= ~Flag.clientPaused;
    this.#context.driver.reading(this.#table.clientOf(s), true);
  }

  // ---- ends -----------------------------------------------------------------------------------------------------------

  /** `other` is the side that did not end just now. */
  halfClosed(s: Session, other: Handle): void {
    const table = this.#table;
    const { driver } = this.#context;
    const both = Flag.clientEnded | Flag.upstreamEnded;
    const bothEnded = (table.flags[s] & both) === both;
    // When nothing is left to flush, the close that follows sends the FIN and saves a system call.
    const closesNow = bothEnded && driver.pending(table.clientOf(s)) + driver.pending(table.upstreamOf(s)) === 0;
    if (!closesNow) driver.shutdown(other);
    if (bothEnded) return this.beginFlush(s, '--', false);
    table.state[s] = State.HalfClosed;
    table.activeAt[s] = driver.now();
    this.watchQuiet(s);
  }

  /**
   * Delivers the bytes already read, then ends the session. Nothing more is read, except from a client whose upstream has reset the
   * connection: whether it was done, too, decides whether that was a failure.
   */
  beginFlush(s: Session, code: EndCode, reset: boolean): void {
    const table = this.#table;
    const { driver } = this.#context;
    if (!table.hasFailed(s)) {
      table.setOutcome(s, code);
      if (reset) table.flags[s] |= Flag.resetLast;
      else table.flags[s] &= ~Flag.resetLast;
    }
    table.state[s] = State.Flushing;
    const client = table.clientOf(s);
    const upstream = table.upstreamOf(s);
    if (client !== noHandle) driver.reading(client, this.readsOn(s));
    if (upstream !== noHandle) driver.reading(upstream, false);
    this.#finishFlush(s);
    if (table.state[s] === State.Flushing) this.watchQuiet(s);
  }

  /** Whether the client is still read from, and what it sends discarded. */
  readsOn(s: Session): boolean {
    const table = this.#table;
    return table.outcomeOf(s) === 'RU' && (table.flags[s] & Flag.clientDone) === 0;
  }

  #finishFlush(s: Session): void {
    const table = this.#table;
    const { driver } = this.#context;
    const client = table.clientOf(s);
    const upstream = table.upstreamOf(s);
    if (client !== noHandle && driver.pending(client) > 0) return;
    if (upstream !== noHandle && driver.pending(upstream) > 0) return;
    const isAlone = client === noHandle && upstream === noHandle;
    if (isAlone || !table.hasFailed(s)) return this.#core.endDecided(s);
    table.state[s] = State.AwaitingAck;
    if (this.#outstanding(s) === 0 && !this.readsOn(s)) return this.#core.endDecided(s);
    table.activeAt[s] = driver.now();
    this.#core.setDeadline(s, driver.now() + firstAckCheckMs);
  }

  /**
   * A RST discards what the peer's system has not acknowledged, and so does a close while bytes of the peer are unread. So both wait
   * for the acknowledgement, for as long as the peer takes anything.
   */
  awaitAck(s: Session): void {
    const table = this.#table;
    const now = this.#context.driver.now();
    const outstanding = this.#outstanding(s);
    const quietMs = outstanding === undefined ? blindAckMs : table.specOf(s).finTimeoutMs;
    if (outstanding === 0 || now >= table.liveUntil[s] || this.isStalled(s, quietMs)) return this.#core.endDecided(s);
    this.#core.setDeadline(s, now + ackCheckMs);
  }

  /** Bytes on their way to either side; undefined where the driver cannot tell. */
  #outstanding(s: Session): number | undefined {
    const table = this.#table;
    const { driver } = this.#context;
    let sum = 0;
    for (const handle of [table.clientOf(s), table.upstreamOf(s)]) {
      if (handle === noHandle) continue;
      const unacknowledged = driver.unacknowledged(handle);
      if (unacknowledged === undefined) return undefined;
      sum += driver.pending(handle) + unacknowledged;
    }
    return sum;
  }

  /** Whether nothing has moved for so long. Bytes that a peer takes count like bytes that come. */
  isStalled(s: Session, quietMs: number): boolean {
    const table = this.#table;
    const now = this.#context.driver.now();
    if (now < table.activeAt[s] + quietMs) return false;
    const outstanding = this.#outstanding(s) ?? this.#pending(s);
    const isKnown = table.outstandingAt[s] === table.activeAt[s];
    if (outstanding === 0 || (isKnown && outstanding === table.outstanding[s])) return true;
    table.outstanding[s] = outstanding;
    table.outstandingAt[s] = now;
    table.activeAt[s] = now;
    return false;
  }

  #pending(s: Session): number {
    const table = this.#table;
    const { driver } = this.#context;
    const of = (handle: Handle): number => (handle === noHandle ? 0 : driver.pending(handle));
    return of(table.clientOf(s)) + of(table.upstreamOf(s));
  }

  watchQuiet(s: Session): void {
    const table = this.#table;
    this.#core.setDeadline(s, Math.min(table.activeAt[s] + this.quietMs(s), table.liveUntil[s]));
  }

  /** How long nothing may move. */
  quietMs(s: Session): number {
    const { idleTimeoutMs, finTimeoutMs } = this.#table.specOf(s);
    return this.#table.state[s] === State.Relaying ? idleTimeoutMs : finTimeoutMs;
  }

  /** The session has reached its lifetime. Bytes already read for either side are still delivered, for up to the fin timeout. */
  expire(s: Session): void {
    const table = this.#table;
    const code = table.state[s] === State.Relaying ? 'RL' : 'FL';
    if (table.state[s] >= State.Flushing)
      return table.hasFailed(s) ? this.#core.endDecided(s) : this.#core.end(s, code);
    table.liveUntil[s] = this.#context.driver.now() + table.specOf(s).finTimeoutMs;
    this.beginFlush(s, code, false);
  }
}
