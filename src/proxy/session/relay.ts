/**
 * What a session does once its upstream is connected: bytes both ways, half-close, and the flush at the end. The rows Relaying,
 * HalfClosed, Flushing and AwaitingAck of the table in sessions.ts.
 */
import type { BufferId } from '../../io/driver.ts';
import { type Handle, noHandle } from '../../io/handle.ts';
import { runAfter } from '../bulk.ts';
import type { Session, WorkerContext } from '../context.ts';
import type { EndCode } from '../end-codes.ts';
import type { SessionCore } from './session-core.ts';
import { Flag, type SessionTable, State } from './session-table.ts';

/** The last bytes of a side that broke off have this long to reach the other. */
const arrivalMs = 1_000;
const arrivalCheckMs = 20;

export class Relay {
  readonly #core: SessionCore;
  readonly #context: WorkerContext;
  readonly #table: SessionTable;

  constructor(core: SessionCore) {
    this.#core = core;
    this.#context = core.context;
    this.#table = core.table;
  }

  /** The upstream is connected. What the client said before goes to it first. */
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
    this.#core.countRx(s, length);
  }

  upstreamMoved(s: Session, length: number): void {
    this.#table.activeAt[s] = this.#context.driver.now();
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

  /** Nothing more is read. What was read is flushed, then the session ends. */
  beginFlush(s: Session, code: EndCode, reset: boolean): void {
    const table = this.#table;
    const { driver } = this.#context;
    if (!table.hasFailed(s)) {
      table.setOutcome(s, code);
      if (reset) table.flags[s] |= Flag.resetLast;
      else table.flags[s] &= ~Flag.resetLast;
    }
    table.state[s] = State.Flushing;
    for (const handle of [table.clientOf(s), table.upstreamOf(s)])
      if (handle !== noHandle) driver.reading(handle, false);
    this.#finishFlush(s);
    if (table.state[s] === State.Flushing) this.watchQuiet(s);
  }

  #finishFlush(s: Session): void {
    const table = this.#table;
    const { driver } = this.#context;
    const client = table.clientOf(s);
    const upstream = table.upstreamOf(s);
    if (client !== noHandle && driver.pending(client) > 0) return;
    if (upstream !== noHandle && driver.pending(upstream) > 0) return;
    const isReset = (table.flags[s] & Flag.resetLast) !== 0;
    const isAlone = client === noHandle && upstream === noHandle;
    if (!isReset || isAlone || (table.flags[s] & Flag.truncated) === 0) return this.#core.endDecided(s);
    table.state[s] = State.AwaitingAck;
    table.activeAt[s] = driver.now();
    this.awaitAck(s);
  }

  /** A RST discards what the peer's system has not received yet, so it waits for that, for a while. */
  awaitAck(s: Session): void {
    const table = this.#table;
    const { driver } = this.#context;
    const last = table.clientOf(s) !== noHandle ? table.clientOf(s) : table.upstreamOf(s);
    const unacknowledged = driver.unacknowledged(last);
    const until = table.activeAt[s] + arrivalMs;
    const now = driver.now();
    if (unacknowledged === 0 || now >= until) return this.#core.endDecided(s);
    this.#core.setDeadline(s, unacknowledged === undefined ? until : Math.min(now + arrivalCheckMs, until));
  }

  watchQuiet(s: Session): void {
    const table = this.#table;
    const { idleTimeoutMs, finTimeoutMs } = table.specOf(s);
    const quiet = table.state[s] === State.Relaying ? idleTimeoutMs : finTimeoutMs;
    this.#core.setDeadline(s, Math.min(table.activeAt[s] + quiet, table.liveUntil[s]));
  }
}
