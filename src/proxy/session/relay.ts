/**
 * What a session does from the moment its upstream is there: bytes both ways, half-close, and the flush at the end. The rows
 * Relaying, HalfClosed and Flushing of the table in session.ts.
 */
import type { BufferId } from '../../io/driver.ts';
import { type Handle, noHandle } from '../../io/handle.ts';
import { runAfter } from '../bulk.ts';
import type { Session, WorkerContext } from '../context.ts';
import { type EndCode, endCodes, endIndex } from '../end-codes.ts';
import { Flag, type SessionTable, State } from './session-table.ts';

/** The last bytes of a side that broke off have this long to reach the other. */
const arrivalMs = 1_000;
const arrivalCheckMs = 20;

/** What is done the same way in every state. */
export interface RelayHost {
  readonly table: SessionTable;
  setDeadline(s: Session, time: number): void;
  /** The table excludes the event: the session ends. */
  impossible(s: Session, event: string): void;
  end(s: Session, code: EndCode, reset?: boolean): void;
  drop(handle: Handle): void;
}

export class Relay {
  readonly #context: WorkerContext;
  readonly #host: RelayHost;

  constructor(context: WorkerContext, host: RelayHost) {
    this.#context = context;
    this.#host = host;
  }

  // ---- bytes ----------------------------------------------------------------------------------------------------------

  clientData(s: Session, buffer: BufferId, offset: number, length: number): void {
    const { table } = this.#host;
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
    const { table } = this.#host;
    const { driver, bulk } = this.#context;
    table.activeAt[s] = driver.now();
    this.countTx(s, length);
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
    const { table } = this.#host;
    table.activeAt[s] = this.#context.driver.now();
    this.countRx(s, length);
  }

  upstreamMoved(s: Session, length: number): void {
    const { table } = this.#host;
    table.activeAt[s] = this.#context.driver.now();
    this.countTx(s, length);
  }

  clientDrained(s: Session): void {
    const { table } = this.#host;
    if (table.state[s] === State.Flushing) this.#finishFlushed(s);
    else if (table.flags[s] & Flag.upstreamPaused) {
      table.flags[s] &= ~Flag.upstreamPaused;
      this.#context.driver.reading(table.upstreamOf(s), true);
    }
  }

  upstreamDrained(s: Session): void {
    const { table } = this.#host;
    table.activeAt[s] = this.#context.driver.now();
    if (table.state[s] === State.Flushing) this.#finishFlushed(s);
    else if (table.flags[s] & Flag.clientPaused) {
      table.flags[s] &= ~Flag.clientPaused;
      this.#context.driver.reading(table.clientOf(s), true);
    }
  }

  // ---- ends -----------------------------------------------------------------------------------------------------------

  /** `other` is the side that did not end just now. */
  halfClosed(s: Session, other: Handle): void {
    const { table } = this.#host;
    const { driver } = this.#context;
    const both = Flag.clientEnded | Flag.upstreamEnded;
    const bothEnded = (table.flags[s] & both) === both;
    // When nothing is left to flush the close that follows sends the FIN, and spares a system call.
    const closesNow = bothEnded && driver.pending(table.clientOf(s)) + driver.pending(table.upstreamOf(s)) === 0;
    if (!closesNow) driver.shutdown(other);
    if (bothEnded) return this.settle(s, '--', false);
    table.state[s] = State.HalfClosed;
    table.activeAt[s] = driver.now();
    this.watchQuiet(s);
  }

  /** Nothing more will be read; what was read is flushed, then the session ends. */
  settle(s: Session, code: EndCode, reset: boolean): void {
    const { table } = this.#host;
    const { driver } = this.#context;
    if (!table.isSettled(s)) {
      table.settled[s] = 1 + endIndex[code];
      if (reset) table.flags[s] |= Flag.resetLast;
      else table.flags[s] &= ~Flag.resetLast;
    }
    table.state[s] = State.Flushing;
    for (const handle of [table.clientOf(s), table.upstreamOf(s)])
      if (handle !== noHandle) driver.reading(handle, false);
    this.#finishFlushed(s);
    if (table.state[s] === State.Flushing && (table.flags[s] & Flag.resetWaits) === 0) this.watchQuiet(s);
  }

  #finishFlushed(s: Session): void {
    const { table } = this.#host;
    const { driver } = this.#context;
    const client = table.clientOf(s);
    const upstream = table.upstreamOf(s);
    if (client !== noHandle && driver.pending(client) > 0) return;
    if (upstream !== noHandle && driver.pending(upstream) > 0) return;
    const isReset = (table.flags[s] & Flag.resetLast) !== 0;
    const isLast = client === noHandle && upstream === noHandle;
    if (!isReset || isLast || (table.flags[s] & Flag.truncated) === 0) return this.endFlushed(s);
    if (table.flags[s] & Flag.resetWaits) return;
    table.flags[s] |= Flag.resetWaits;
    table.activeAt[s] = driver.now();
    this.awaitArrival(s);
  }

  /** A RST throws away what the peer's system does not have yet: it waits for that, for a while. */
  awaitArrival(s: Session): void {
    const { table } = this.#host;
    const { driver } = this.#context;
    const last = table.clientOf(s) !== noHandle ? table.clientOf(s) : table.upstreamOf(s);
    const unacknowledged = driver.unacknowledged(last);
    const until = table.activeAt[s] + arrivalMs;
    const now = driver.now();
    if (unacknowledged === 0 || now >= until) return this.endFlushed(s);
    this.#host.setDeadline(s, unacknowledged === undefined ? until : Math.min(now + arrivalCheckMs, until));
  }

  /** There is nothing more to wait for. */
  endFlushed(s: Session): void {
    const { table } = this.#host;
    this.#host.end(s, endCodes[table.settled[s] - 1], (table.flags[s] & Flag.resetLast) !== 0);
  }

  watchQuiet(s: Session): void {
    const { table } = this.#host;
    const { idleTimeoutMs, finTimeoutMs } = table.specOf(s);
    const quiet = table.state[s] === State.Relaying ? idleTimeoutMs : finTimeoutMs;
    this.#host.setDeadline(s, Math.min(table.activeAt[s] + quiet, table.liveUntil[s]));
  }

  /** What is held for an endpoint not yet connected counts as its bytes when it gets them. */
  countRx(s: Session, bytes: number): void {
    const { table } = this.#host;
    const { cells } = this.#context;
    table.rx[s] += bytes;
    cells.add(table.specOf(s).cells.rxBytes, bytes);
    const endpoint = table.endpoint[s];
    if (endpoint && table.state[s] >= State.Relaying) cells.add(endpoint.cells.rxBytes, bytes);
  }

  countTx(s: Session, bytes: number): void {
    const { table } = this.#host;
    const { cells } = this.#context;
    table.tx[s] += bytes;
    cells.add(table.specOf(s).cells.txBytes, bytes);
    const endpoint = table.endpoint[s];
    if (endpoint) cells.add(endpoint.cells.txBytes, bytes);
  }
}
