/**
 * A driver without sockets or time: the test plays the peers and the clock, and chooses which completion comes next.
 *
 * No completion is delivered before the test asks for it: `ready` lists the completions that may come, `deliver` delivers one. Bytes
 * are positions in the stream of the peer that sent them, so that a test can identify every byte that arrives elsewhere.
 */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import type {
  BufferId,
  Driver,
  DriverEvents,
  ListenerSettings,
  ListenOptions,
  SocketAddress,
} from '../../src/io/driver.ts';
import { showAddress } from '../../src/io/driver.ts';
import { type Handle, HandleTable, noHandle } from '../../src/io/handle.ts';

/** Bytes of a peer, by their place in what it sends; or the proxy's own. */
type Chunk =
  | { readonly source: FakeSocket; readonly start: number; readonly length: number }
  | { readonly source: undefined; readonly own: Uint8Array; readonly length: number };

/** A socket of the driver, seen from both ends. */
export class FakeSocket {
  readonly handle: Handle;
  readonly address: SocketAddress;
  readonly isOutgoing: boolean;
  connecting: boolean;
  /** The outcome of the connect, once the test has decided: 0 or an errno. */
  outcome: number | undefined;
  reading = false;
  /** The peer's bytes: sent, and of them delivered as data. */
  sent = 0;
  delivered = 0;
  peerFinished: 'no' | 'sent' | 'delivered' = 'no';
  /** The peer reset the connection; the errno until it is reported. */
  failure = 0;
  hasFailed = false;
  /** Bytes the kernel takes before writes have to wait; Infinity for a peer that keeps up. */
  room = Number.POSITIVE_INFINITY;
  pending = 0;
  /** Bytes the kernel has taken that the peer has not. */
  unacknowledged = 0;
  drained = false;
  /** The peer whose bytes were written here, and how many: always a prefix of what it sent, after its {@link preamble}. */
  source: FakeSocket | undefined;
  written = 0;
  isShut = false;
  /** The first bytes it sends, where they mean something; the others are 0. */
  hello = new Uint8Array(0);
  /** How many of the first bytes it sends are for TLS, where that ends at this socket. */
  preamble = 0;
  /** Where, in what it sends, its close_notify stands: one byte; less than 0 without. */
  notifyAt = -1;
  /** Bytes that the proxy itself sent to it, TLS included. */
  readonly told: number[] = [];
  /** Its first bytes were put together again, once. */
  isTaken = false;
  /** Where its bytes go without passing by. */
  splicedTo: FakeSocket | undefined;
  /** How its owner let go of it, and with how many bytes unflushed. */
  released: 'close' | 'reset' | undefined;
  pendingWhenReleased = 0;
  unacknowledgedWhenReleased = 0;

  constructor(handle: Handle, address: SocketAddress, isOutgoing: boolean) {
    this.handle = handle;
    this.address = address;
    this.isOutgoing = isOutgoing;
    this.connecting = isOutgoing;
  }

  get name(): string {
    return showAddress(this.address);
  }

  /** Whether the peer can still act on the connection. */
  get isOpen(): boolean {
    return !this.connecting && this.released === undefined && this.failure === 0 && !this.hasFailed;
  }

  /** The bytes it has sent for the other side of its session. */
  get payload(): number {
    return this.sent - this.preamble - (this.notifyAt < 0 ? 0 : 1);
  }

  send(bytes: number): void {
    if (this.isOpen && this.peerFinished === 'no' && this.notifyAt < 0) this.sent += bytes;
  }

  /** Sends close_notify: nothing but a FIN comes after it. */
  notify(): void {
    if (!this.isOpen || this.peerFinished !== 'no' || this.notifyAt >= 0) return;
    this.notifyAt = this.sent++;
  }

  finish(): void {
    if (this.isOpen && this.peerFinished === 'no') this.peerFinished = 'sent';
  }

  reset(): void {
    if (this.isOpen) this.failure = constants.errno.ECONNRESET;
  }

  /** The kernel takes so many of the pending bytes. */
  take(bytes: number): void {
    if (!this.isOpen || this.pending === 0) return;
    this.pending = Math.max(0, this.pending - bytes);
    if (this.pending === 0) this.drained = true;
  }
}

export interface FakeListener {
  readonly handle: Handle;
  options: ListenOptions;
  accepting: boolean;
  told: boolean;
  released: boolean;
}

export type Completion = () => void;

export class FakeDriver implements Driver {
  readonly kind = 'epoll';
  readonly isBehind = false;
  /** All there ever were, in the order they were made. */
  readonly sockets: FakeSocket[] = [];
  readonly listeners: FakeListener[] = [];
  /** Bytes of the largest chunk. */
  readonly chunkBytes: number;
  /** Out of handles: connects give none. */
  isFull = false;
  /** Cannot tell what peers have acknowledged. */
  isBlind = false;
  /** Whether it has a pipe for who asks. */
  canSplice = false;
  time = 1_000;
  alarm = Number.POSITIVE_INFINITY;
  /** Completions of what is played beside the driver. */
  others: () => readonly Completion[] = () => [];
  readonly #events: DriverEvents;
  readonly #handles = new HandleTable();
  readonly #sockets = new Map<Handle, FakeSocket>();
  readonly #listeners = new Map<Handle, FakeListener>();
  readonly #chunks = new Map<BufferId, Chunk>();
  #nextPort = 1;

  constructor(events: DriverEvents, chunkBytes = 50) {
    this.#events = events;
    this.chunkBytes = chunkBytes;
  }

  // ---- the test's side ------------------------------------------------------------------------------------------------

  /** A client comes. */
  accept(listener: FakeListener): FakeSocket {
    const client = this.#add({ ip: '10.0.0.1', port: this.#nextPort++ }, false);
    this.#events.accepted(listener.handle, client.handle);
    return client;
  }

  acceptFailed(listener: FakeListener, errno: number): void {
    this.#events.acceptFailed(listener.handle, errno);
  }

  /** Advances the clock, stopping at each alarm on the way. */
  advance(ms: number): void {
    const end = this.time + ms;
    for (let alarms = 0; this.alarm <= end; alarms++) {
      assert.ok(alarms < 10_000, `the alarm is set again and again, at ${this.time}`);
      this.time = Math.max(this.time, this.alarm);
      this.alarm = Number.POSITIVE_INFINITY;
      this.#events.woken();
    }
    this.time = end;
  }

  /** The completions that may come next, in any order. */
  ready(): Completion[] {
    return [
      ...[...this.#listeners.values()].flatMap(listener => this.#completionsOfListener(listener)),
      ...[...this.#sockets.values()].flatMap(socket => this.#completionsOf(socket)),
      ...this.others(),
      ...(this.alarm <= this.time ? [() => this.advance(0)] : []),
    ];
  }

  /** Lets completions come until there are none. */
  settle(): void {
    for (let next = this.ready()[0]; next; next = this.ready()[0]) next();
  }

  /** Sockets connected or being connected to that port, and not yet let go of. */
  upstreams(port?: number): FakeSocket[] {
    const isWanted = (one: FakeSocket): boolean => port === undefined || one.address.port === port;
    return this.sockets.filter(one => one.isOutgoing && one.released === undefined && isWanted(one));
  }

  socket(handle: Handle): FakeSocket {
    return this.#sockets.get(handle) as FakeSocket;
  }

  // ---- the driver -----------------------------------------------------------------------------------------------------

  now(): number {
    return this.time;
  }

  wakeAt(time: number): void {
    this.alarm = time;
  }

  listen(options: ListenOptions): Handle {
    const handle = this.#handles.take();
    const listener = { handle, options, accepting: true, told: false, released: false };
    this.#listeners.set(handle, listener);
    this.listeners.push(listener);
    return handle;
  }

  accepting(handle: Handle, on: boolean): void {
    (this.#listeners.get(handle) as FakeListener).accepting = on;
  }

  adjust(handle: Handle, options: ListenerSettings): void {
    const listener = this.#listeners.get(handle) as FakeListener;
    listener.options = { ...listener.options, ...options };
  }

  connect(address: SocketAddress): Handle {
    return this.isFull ? noHandle : this.#add(address, true).handle;
  }

  reading(handle: Handle, on: boolean): void {
    this.socket(handle).reading = on;
  }

  write(handle: Handle, buffer: BufferId, offset: number, length: number): void {
    const socket = this.socket(handle);
    const chunk = this.#chunks.get(buffer) as Chunk;
    this.#chunks.delete(buffer);
    assert.ok(!socket.connecting && !socket.isShut && !socket.hasFailed, `write to ${socket.name}`);
    assert.equal(offset, 0);
    assert.equal(length, chunk.length);
    this.#take(socket, chunk);
  }

  splice(from: Handle, to: Handle): boolean {
    if (this.canSplice) this.socket(from).splicedTo = this.socket(to);
    return this.canSplice;
  }

  unacknowledged(handle: Handle): number | undefined {
    return this.isBlind ? undefined : this.socket(handle).unacknowledged;
  }

  bulkRead(handle: Handle): void {
    this.socket(handle);
  }

  pending(handle: Handle): number {
    return this.socket(handle).pending;
  }

  shutdown(handle: Handle): void {
    const socket = this.socket(handle);
    assert.ok(!socket.isShut && !socket.connecting, `shutdown of ${socket.name}`);
    socket.isShut = true;
  }

  close(handle: Handle): void {
    const listener = this.#listeners.get(handle);
    if (listener) listener.released = true;
    else this.#release(handle, 'close');
  }

  reset(handle: Handle): void {
    this.#release(handle, 'reset');
  }

  bytes(buffer: BufferId): Uint8Array {
    const chunk = this.#chunks.get(buffer) as Chunk;
    if (!chunk.source) return chunk.own;
    const bytes = new Uint8Array(chunk.length);
    bytes.set(chunk.source.hello.subarray(chunk.start, chunk.start + chunk.length));
    return bytes;
  }

  /** Recognises the first bytes of a peer, also after they were reassembled. */
  wrap(bytes: Uint8Array): BufferId {
    const isHello = ({ hello }: FakeSocket): boolean =>
      hello.length > 0 && bytes.length >= hello.length && Buffer.from(hello).equals(bytes.subarray(0, hello.length));
    const source = this.sockets.find(socket => isHello(socket) && socket.written === 0 && !socket.isTaken);
    if (source) source.isTaken = true;
    const { length } = bytes;
    return this.#put(source ? { source, start: 0, length } : { source: undefined, own: bytes.slice(), length });
  }

  keep(buffer: BufferId, offset: number, length: number): BufferId {
    const chunk = this.#chunks.get(buffer) as Chunk;
    if (chunk.source) this.#chunks.set(buffer, { source: chunk.source, start: chunk.start + offset, length });
    return buffer;
  }

  release(buffer: BufferId): void {
    this.#chunks.delete(buffer);
  }

  peer(handle: Handle): string {
    return this.socket(handle).name;
  }

  ledger(): { readonly sockets: number; readonly buffers: number } {
    return { sockets: this.#handles.live, buffers: this.#chunks.size };
  }

  #add(address: SocketAddress, isOutgoing: boolean): FakeSocket {
    const socket = new FakeSocket(this.#handles.take(), address, isOutgoing);
    this.#sockets.set(socket.handle, socket);
    this.sockets.push(socket);
    return socket;
  }

  #release(handle: Handle, how: 'close' | 'reset'): void {
    const socket = this.socket(handle);
    socket.released = how;
    socket.pendingWhenReleased = socket.pending;
    socket.unacknowledgedWhenReleased = socket.unacknowledged;
  }

  /** Bytes for a socket's peer: what the kernel has no room for is pending. */
  #take(socket: FakeSocket, chunk: Chunk): void {
    const { length } = chunk;
    if (chunk.source) {
      socket.source ??= chunk.source;
      assert.equal(chunk.source, socket.source, `bytes of two connections are written to ${socket.name}`);
      assert.equal(chunk.start - chunk.source.preamble, socket.written, `bytes to ${socket.name} out of order`);
      socket.written += length;
    } else socket.told.push(...chunk.own);
    const taken = socket.pending > 0 ? 0 : Math.min(socket.room, length);
    socket.pending += length - taken;
  }

  #completionsOfListener(listener: FakeListener): Completion[] {
    const { handle } = listener;
    const closed = (): void => {
      this.#listeners.delete(handle);
      this.#handles.release(handle);
      this.#events.closed(handle);
    };
    if (listener.released) return [closed];
    const listening = (): void => {
      listener.told = true;
      this.#events.listening(handle, { ip: listener.options.ip, port: 80 });
    };
    return listener.told ? [] : [listening];
  }

  #completionsOf(socket: FakeSocket): Completion[] {
    const { handle } = socket;
    if (socket.released) {
      const closed = (): void => {
        this.#sockets.delete(handle);
        this.#handles.release(handle);
        this.#events.closed(handle);
      };
      return [closed];
    }
    if (socket.hasFailed) return [];
    const fail = (errno: number): void => {
      socket.hasFailed = true;
      this.#events.failed(handle, errno);
    };
    if (socket.connecting) {
      const { outcome } = socket;
      if (outcome === undefined) return [];
      if (outcome !== 0) return [() => fail(outcome)];
      const connected = (): void => {
        socket.connecting = false;
        this.#events.connected(handle);
      };
      return [connected];
    }
    const ready: Completion[] = [];
    if (socket.failure !== 0) ready.push(() => fail(socket.failure));
    if (socket.drained && socket.pending === 0) {
      ready.push(() => {
        socket.drained = false;
        this.#events.drained(handle);
      });
    }
    if (socket.reading && socket.delivered < socket.sent) ready.push(...this.#waysOn(socket));
    else if (socket.reading && socket.peerFinished === 'sent') {
      ready.push(() => {
        socket.peerFinished = 'delivered';
        this.#events.ended(handle);
      });
    }
    return ready;
  }

  /** A spliced socket's bytes are moved when there is nothing before them; they may also go back to come as data. */
  #waysOn(socket: FakeSocket): Completion[] {
    const { splicedTo: to } = socket;
    const deliver = (): void => this.#deliver(socket);
    if (!to || to.released !== undefined || to.hasFailed) return [deliver];
    if (to.pending > 0) return [];
    const goBack = (): void => {
      socket.splicedTo = undefined;
      this.#deliver(socket);
    };
    return [() => this.#move(socket, to), goBack];
  }

  #move(source: FakeSocket, to: FakeSocket): void {
    const length = Math.min(this.chunkBytes, source.sent - source.delivered);
    this.#take(to, { source, start: source.delivered, length });
    source.delivered += length;
    this.#events.moved(source.handle, length);
  }

  #deliver(socket: FakeSocket): void {
    const length = Math.min(this.chunkBytes, socket.sent - socket.delivered);
    const buffer = this.#put({ source: socket, start: socket.delivered, length });
    socket.delivered += length;
    this.#events.data(socket.handle, buffer, 0, length);
  }

  #put(chunk: Chunk): BufferId {
    let buffer = 0;
    while (this.#chunks.has(buffer)) buffer++;
    this.#chunks.set(buffer, chunk);
    return buffer;
  }
}
