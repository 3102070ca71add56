/**
 * TLS over any driver: sockets that were secured go through a stream of a {@link TlsEngine}, all others straight through.
 *
 * Commands never call back, so what an engine reports at once is delivered by `woken` in the next turn. That work and the time the worker
 * asks to be woken share the one alarm of the driver below.
 */
import { constants } from 'node:os';
import type { ClientHello } from '../../wire/client-hello.ts';
import type {
  BufferId,
  Driver,
  DriverEvents,
  ListenerSettings,
  ListenOptions,
  SocketAddress,
  SocketOptions,
} from '../driver.ts';
import { type Handle, slotOf } from '../handle.ts';
import type { TlsContext, TlsContextId } from './context.ts';
import type { TlsDetails, TlsEngine, TlsPeer, TlsSink, TlsStream } from './engine.ts';
import type { SecureDriver, SecureEvents } from './secure-driver.ts';
import type { TlsTrouble } from './trouble.ts';

/** How long an alert or close_notify may wait for room in the kernel. */
const lastWordsMs = 1_000;
/**
 * The most bytes a stream sends by itself, in answer to what it reads, that may wait to be sent. Beyond that nothing more is read:
 * otherwise a peer that asks and never reads the answers could fill the memory.
 */
const mostAnswerBytes = 64 * 1024;

/** A socket that was secured. */
interface Row {
  readonly socket: Handle;
  stream: TlsStream;
  secured: boolean;
  /** Whether the worker wants to read; off when the handshake begins. */
  reading: boolean;
  /** The stream takes ciphertext. */
  taking: boolean;
  readingBelow: boolean;
  /** Too many answers wait to be sent. */
  isChoked: boolean;
  trouble: TlsTrouble | null;
  /** `failed` was delivered, or the worker has closed the socket: no event but `closed` may follow, whatever the stream reports. */
  over: boolean;
  /** The socket below has failed: nothing more can be written to it. */
  failed: boolean;
  /** A FIN is to follow what the stream still encrypts. */
  finWaits: boolean;
  /** close_notify is on its way. */
  notified: boolean;
  /** Closed by the worker; the socket stays open until its alert or close_notify is sent. */
  lingering: boolean;
  /** When that wait ends. */
  until: number;
  queued: boolean;
}

export class TlsDriver implements SecureDriver, DriverEvents, TlsSink {
  readonly #events: SecureEvents;
  readonly #below: Driver;
  readonly #makeEngine: (sink: TlsSink) => TlsEngine;
  #engine: TlsEngine | undefined;
  readonly #contexts = new Set<TlsContextId>();
  /** By slot. */
  readonly #rows: (Row | undefined)[] = [];
  /** Rows with work in the next turn. */
  #work: Row[] = [];
  /** Rows whose alert or close_notify waits to be sent. */
  readonly #waiting = new Set<Row>();
  /** Not later than the end of the first of those waits. */
  #waitsEnd = Number.POSITIVE_INFINITY;
  /** The row whose owner is writing plaintext just now. */
  #writing: Row | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;

  /** @param engine made when the first context is defined */
  constructor(
    events: SecureEvents,
    below: (events: DriverEvents) => Driver,
    engine: (sink: TlsSink, below: Driver) => TlsEngine,
  ) {
    this.#events = events;
    this.#below = below(this);
    this.#makeEngine = sink => engine(sink, this.#below);
  }

  get kind(): Driver['kind'] {
    return this.#below.kind;
  }

  get below(): Driver {
    return this.#below;
  }

  get isBehind(): boolean {
    return this.#below.isBehind;
  }

  // ---- contexts and handshakes ------------------------------------------------------------------------------------------

  defineTls(id: TlsContextId, context: TlsContext): void {
    this.#engine ??= this.#makeEngine(this);
    this.#engine.define(id, context);
    this.#contexts.add(id);
  }

  forgetTls(id: TlsContextId): void {
    this.#contexts.delete(id);
    this.#engine?.forget(id);
  }

  hasTls(id: TlsContextId): boolean {
    return this.#contexts.has(id);
  }

  acceptTls(
    socket: Handle,
    context: TlsContextId,
    hello: ClientHello,
    buffer: BufferId,
    offset: number,
    length: number,
  ): void {
    const row = this.#begin(socket, (this.#engine as TlsEngine).accept(socket, context, hello), true);
    // A ClientHello alone completes no handshake: the only event for the worker can be a failure, and that is delivered later.
    row.stream.receive(buffer, offset, length);
  }

  connectTls(socket: Handle, context: TlsContextId, peer: TlsPeer): void {
    const row = this.#begin(socket, (this.#engine as TlsEngine).connect(socket, context, peer), false);
    row.stream.start();
    this.#readBelow(row);
  }

  trouble(socket: Handle): TlsTrouble | null {
    return this.#rows[slotOf(socket)]?.trouble ?? null;
  }

  #begin(socket: Handle, stream: TlsStream, readingBelow: boolean): Row {
    const slot = slotOf(socket);
    // V8 turns an array with holes into a hash table.
    while (this.#rows.length <= slot) this.#rows.push(undefined);
    const row: Row = {
      socket,
      stream,
      secured: false,
      reading: false,
      taking: true,
      readingBelow,
      isChoked: false,
      trouble: null,
      over: false,
      failed: false,
      finWaits: false,
      notified: false,
      lingering: false,
      until: Number.POSITIVE_INFINITY,
      queued: false,
    };
    this.#rows[slot] = row;
    return row;
  }

  // ---- commands ---------------------------------------------------------------------------------------------------------

  now(): number {
    return this.#below.now();
  }

  wakeAt(time: number): void {
    this.#wakeAt = time;
    this.#arm();
  }

  listen(options: ListenOptions): Handle {
    return this.#below.listen(options);
  }

  accepting(listener: Handle, on: boolean): void {
    this.#below.accepting(listener, on);
  }

  adjust(listener: Handle, options: ListenerSettings): void {
    this.#below.adjust(listener, options);
  }

  connect(address: SocketAddress, options: SocketOptions): Handle {
    return this.#below.connect(address, options);
  }

  reading(socket: Handle, on: boolean): void {
    const row = this.#rows[slotOf(socket)];
    if (!row) return this.#below.reading(socket, on);
    if (row.reading === on) return;
    row.reading = on;
    row.stream.reading(on);
    if (on && row.stream.holds) this.#queue(row);
    this.#readBelow(row);
  }

  write(socket: Handle, buffer: BufferId, offset: number, length: number): void {
    const row = this.#rows[slotOf(socket)];
    if (!row) this.#below.write(socket, buffer, offset, length);
    else if (row.trouble || row.over) this.#below.release(buffer);
    else {
      this.#writing = row;
      row.stream.write(buffer, offset, length);
      this.#writing = undefined;
    }
  }

  /**
   * After a failure the stream discards its output. Report a pending byte until `failed` is delivered, so discarded data is not taken for
   * flushed data.
   */
  pending(socket: Handle): number {
    const row = this.#rows[slotOf(socket)];
    return this.#unsent(socket) + (row?.trouble && !row.over ? 1 : 0);
  }

  #unsent(socket: Handle): number {
    const row = this.#rows[slotOf(socket)];
    return this.#below.pending(socket) + (row ? row.stream.pending : 0);
  }

  unacknowledged(socket: Handle): number | undefined {
    return this.#below.unacknowledged(socket);
  }

  splice(from: Handle, to: Handle): boolean {
    if (!this.#rows[slotOf(from)] && !this.#rows[slotOf(to)]) return this.#below.splice(from, to);
    this.#below.bulkRead(from);
    return false;
  }

  bulkRead(socket: Handle): void {
    this.#below.bulkRead(socket);
  }

  shutdown(socket: Handle): void {
    const row = this.#rows[slotOf(socket)];
    if (!row) return this.#below.shutdown(socket);
    if (row.trouble || row.over) return;
    row.finWaits = true;
    this.#notify(row);
    this.#sendFin(row);
  }

  close(socket: Handle): void {
    const row = this.#rows[slotOf(socket)];
    if (!row) return this.#below.close(socket);
    const isClean = row.secured && !row.trouble && !row.over && this.#unsent(socket) === 0;
    row.over = true;
    if (isClean) this.#notify(row);
    if (!isClean || this.#unsent(socket) === 0) return this.#closeBelow(row);
    row.lingering = true;
    this.#readBelow(row);
    this.#wait(row);
  }

  reset(socket: Handle): void {
    const row = this.#rows[slotOf(socket)];
    if (row) this.#drop(row);
    this.#below.reset(socket);
  }

  bytes(buffer: BufferId): Uint8Array {
    return this.#below.bytes(buffer);
  }

  keep(buffer: BufferId, offset: number, length: number): BufferId {
    return this.#below.keep(buffer, offset, length);
  }

  release(buffer: BufferId): void {
    this.#below.release(buffer);
  }

  wrap(bytes: Uint8Array): BufferId {
    return this.#below.wrap(bytes);
  }

  peer(socket: Handle): string {
    return this.#below.peer(socket);
  }

  ledger(): { readonly sockets: number; readonly buffers: number } {
    return this.#below.ledger();
  }

  // ---- events of the driver below ---------------------------------------------------------------------------------------

  listening(listener: Handle, address: SocketAddress): void {
    this.#events.listening(listener, address);
  }

  accepted(listener: Handle, socket: Handle): void {
    this.#events.accepted(listener, socket);
  }

  acceptFailed(listener: Handle, errno: number): void {
    this.#events.acceptFailed(listener, errno);
  }

  connected(socket: Handle): void {
    this.#events.connected(socket);
  }

  data(socket: Handle, buffer: BufferId, offset: number, length: number): void {
    const row = this.#rows[slotOf(socket)];
    if (!row) this.#events.data(socket, buffer, offset, length);
    else if (row.trouble || row.over) this.#below.release(buffer);
    else row.stream.receive(buffer, offset, length);
  }

  moved(socket: Handle, length: number): void {
    this.#events.moved(socket, length);
  }

  drained(socket: Handle): void {
    const row = this.#rows[slotOf(socket)];
    if (!row) return this.#events.drained(socket);
    row.isChoked = false;
    this.#written(row);
    if (this.#isThere(row)) this.#readBelow(row);
  }

  ended(socket: Handle): void {
    const row = this.#rows[slotOf(socket)];
    if (!row) this.#events.ended(socket);
    else if (!row.trouble && !row.over) row.stream.receivedEnd();
  }

  failed(socket: Handle, errno: number): void {
    const row = this.#rows[slotOf(socket)];
    if (!row) return this.#events.failed(socket, errno);
    if (row.lingering) return this.#closeBelow(row);
    row.failed = true;
    if (row.over) return;
    row.over = true;
    this.#waiting.delete(row);
    this.#events.failed(socket, row.trouble ? constants.errno.EPROTO : errno);
  }

  closed(socket: Handle): void {
    this.#events.closed(socket);
  }

  woken(): void {
    this.#runWork();
    if (!this.#below.isBehind) this.#judge();
    this.#arm();
  }

  #judge(): void {
    if (this.#below.now() >= this.#waitsEnd) this.#endWaits();
    if (this.#below.now() >= this.#wakeAt) {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      this.#events.woken();
    }
  }

  // ---- reports of the streams -------------------------------------------------------------------------------------------

  ciphertext(socket: Handle, buffer: BufferId, offset: number, length: number): void {
    const row = this.#rowOf(socket);
    if (row.failed) return this.#below.release(buffer);
    this.#below.write(socket, buffer, offset, length);
    const isAnswer = row !== this.#writing && row.stream.pending === 0;
    if (!isAnswer || row.isChoked || this.#below.pending(socket) <= mostAnswerBytes) return;
    row.isChoked = true;
    this.#readBelow(row);
  }

  plaintext(socket: Handle, buffer: BufferId, offset: number, length: number): void {
    if (this.#rowOf(socket).over) this.#below.release(buffer);
    else this.#events.data(socket, buffer, offset, length);
  }

  secured(socket: Handle, details: TlsDetails): void {
    const row = this.#rowOf(socket);
    if (row.over) return;
    row.secured = true;
    this.#events.secured(socket, details);
    if (this.#isThere(row)) this.#readBelow(row);
  }

  finished(socket: Handle): void {
    if (!this.#rowOf(socket).over) this.#events.ended(socket);
  }

  encrypted(socket: Handle): void {
    const row = this.#rowOf(socket);
    if (row.failed) return;
    this.#sendFin(row);
    this.#written(row);
  }

  taking(socket: Handle, on: boolean): void {
    const row = this.#rowOf(socket);
    row.taking = on;
    this.#readBelow(row);
  }

  /** `failed` is delivered when the alert is sent. */
  troubled(socket: Handle, trouble: TlsTrouble): void {
    const row = this.#rowOf(socket);
    if (row.failed) return;
    row.trouble = trouble;
    if (row.lingering) return this.#queue(row);
    this.#readBelow(row);
    if (this.#unsent(socket) > 0) this.#wait(row);
    else this.#queue(row);
  }

  // ---- turns ------------------------------------------------------------------------------------------------------------

  #rowOf(socket: Handle): Row {
    return this.#rows[slotOf(socket)] as Row;
  }

  #queue(row: Row): void {
    if (row.queued) return;
    row.queued = true;
    this.#work.push(row);
    this.#arm();
  }

  /** For an alert or close_notify to be sent. */
  #wait(row: Row): void {
    row.until = this.#below.now() + lastWordsMs;
    if (this.#waiting.size === 0) this.#waitsEnd = row.until;
    this.#waiting.add(row);
    this.#arm();
  }

  #arm(): void {
    this.#below.wakeAt(this.#work.length > 0 ? 0 : Math.min(this.#wakeAt, this.#waitsEnd));
  }

  #runWork(): void {
    if (this.#work.length === 0) return;
    const work = this.#work;
    this.#work = [];
    for (const row of work) {
      row.queued = false;
      if (this.#isThere(row)) this.#step(row);
    }
  }

  #isThere(row: Row): boolean {
    return this.#rows[slotOf(row.socket)] === row;
  }

  #step(row: Row): void {
    if (row.trouble) return row.lingering ? this.#closeBelow(row) : this.#tellTrouble(row);
    if (row.over) return;
    if (row.reading && row.stream.holds) row.stream.tell();
    if (this.#isThere(row)) this.#readBelow(row);
  }

  #endWaits(): void {
    const now = this.#below.now();
    // All wait equally long, so the set is in the order in which the waits end.
    for (const row of this.#waiting) {
      this.#waitsEnd = row.until;
      if (now < row.until) return;
      if (row.lingering) this.#closeBelow(row);
      else this.#tellTrouble(row);
    }
    this.#waitsEnd = Number.POSITIVE_INFINITY;
  }

  /** The kernel has taken all that was written. */
  #written(row: Row): void {
    if (this.#unsent(row.socket) > 0) return;
    if (row.lingering) this.#closeBelow(row);
    else if (row.trouble) this.#tellTrouble(row);
    else if (row.secured && !row.over) this.#events.drained(row.socket);
  }

  #tellTrouble(row: Row): void {
    this.#waiting.delete(row);
    if (row.over) return;
    row.over = true;
    this.#events.failed(row.socket, constants.errno.EPROTO);
  }

  #readBelow(row: Row): void {
    const on = (row.reading || !row.secured) && row.taking && !row.isChoked && !row.trouble && !row.over;
    if (on === row.readingBelow) return;
    row.readingBelow = on;
    this.#below.reading(row.socket, on);
  }

  #notify(row: Row): void {
    if (row.notified) return;
    row.notified = true;
    row.stream.end();
  }

  #sendFin(row: Row): void {
    if (!row.finWaits || row.stream.pending > 0) return;
    row.finWaits = false;
    this.#below.shutdown(row.socket);
  }

  #closeBelow(row: Row): void {
    this.#drop(row);
    this.#below.close(row.socket);
  }

  #drop(row: Row): void {
    row.stream.destroy();
    this.#waiting.delete(row);
    this.#rows[slotOf(row.socket)] = undefined;
  }
}
