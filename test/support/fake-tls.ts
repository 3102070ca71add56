/**
 * TLS without TLS: ciphertext is the plaintext itself, and the test decides the outcome of a handshake.
 *
 * A peer's handshake is the first bytes it sends, its `preamble`: for a client the ClientHello and some more, for an endpoint as much
 * as the test sends. When all have arrived and the outcome is decided, it is reported: from within `receive` if it was decided before,
 * otherwise from the event loop. An engine made with `fromLoop` reports and encrypts only in the event loop.
 */
import type { BufferId, Driver } from '../../src/io/driver.ts';
import type { Handle } from '../../src/io/handle.ts';
import type { TlsContext, TlsContextId } from '../../src/io/tls/context.ts';
import type { TlsDetails, TlsEngine, TlsPeer, TlsSink, TlsStream } from '../../src/io/tls/engine.ts';
import type { TlsTrouble, TroubleKind } from '../../src/io/tls/trouble.ts';
import { Alert, alertRecord, type ClientHello } from '../../src/wire/client-hello.ts';
import type { Completion, FakeDriver, FakeSocket } from './fake-driver.ts';

/** Handshake bytes from a client after its ClientHello, and all handshake bytes from an endpoint. */
export const finishedBytes = 4;
export const serverFlightBytes = 8;
/** A context with this cipher list is unusable. */
export const unusableCiphers = 'none that OpenSSL knows';
/** The contexts that a worker receives, for the fake to know. */
export function fakeContext(role: 'server' | 'client', ciphers = ''): TlsContext {
  const versions = { leastVersion: 'TLSv1.2', mostVersion: 'TLSv1.3' } as const;
  const common = { ...versions, ciphers, cipherSuites: '', groups: '', trust: '', crls: '', protocols: [] };
  if (role === 'client') return { ...common, role, identity: null, verify: true, resume: false };
  return {
    ...common,
    role,
    identity: { chain: '', key: '' },
    staple: null,
    refuseOtherProtocols: false,
    clientAuth: 'none',
    binding: new Uint8Array(32),
    ticketKeys: [],
    sessionSecs: 0,
  };
}

/** The proxy's own words: flights of a handshake, and close_notify. */
const flight = Uint8Array.of(22, 3, 3, 0, 1, 0);
export const closeNotify = Uint8Array.of(21, 3, 3, 0, 2, 1, 0);
/** Chunks an engine of the event loop keeps before it takes no more. */
const mostKept = 2;

const agreed: TlsDetails = {
  version: 'TLSv1.3',
  cipher: 'TLS_AES_128_GCM_SHA256',
  group: 'X25519',
  resumed: false,
  protocol: '',
  peerCertificate: null,
};

type Item =
  | { readonly kind: 'plaintext'; readonly buffer: BufferId; readonly length: number }
  | { readonly kind: 'notify' }
  | { readonly kind: 'end' };

export class FakeTls implements TlsEngine {
  /** All there ever were, in the order they were made. */
  readonly streams: FakeTlsStream[] = [];
  readonly #bySocket = new Map<FakeSocket, FakeTlsStream>();
  readonly contexts = new Map<TlsContextId, TlsContext>();
  readonly fromLoop: boolean;
  readonly sink: TlsSink;
  readonly below: Driver;
  readonly #driver: FakeDriver;
  readonly live = new Set<FakeTlsStream>();

  constructor(sink: TlsSink, below: Driver, driver: FakeDriver, fromLoop = false) {
    this.sink = sink;
    this.below = below;
    this.#driver = driver;
    this.fromLoop = fromLoop;
    driver.others = () => [...this.live].flatMap(stream => stream.ready());
  }

  define(id: TlsContextId, context: TlsContext): void {
    if (context.ciphers === unusableCiphers) throw new Error('no cipher match');
    this.contexts.set(id, context);
  }

  forget(id: TlsContextId): void {
    this.contexts.delete(id);
  }

  accept(socket: Handle, context: TlsContextId, hello: ClientHello): FakeTlsStream {
    const fake = this.#driver.socket(socket);
    fake.preamble = fake.hello.length + finishedBytes;
    return this.#add(new FakeTlsStream(this, fake, context, hello));
  }

  connect(socket: Handle, context: TlsContextId, peer: TlsPeer): FakeTlsStream {
    const fake = this.#driver.socket(socket);
    fake.preamble = serverFlightBytes;
    return this.#add(new FakeTlsStream(this, fake, context, peer));
  }

  #add(stream: FakeTlsStream): FakeTlsStream {
    if (!this.contexts.has(stream.context)) throw new Error(`there is no context ${stream.context}`);
    this.streams.push(stream);
    this.#bySocket.set(stream.socket, stream);
    this.live.add(stream);
    return stream;
  }

  /** The stream of a socket. */
  of(socket: FakeSocket): FakeTlsStream {
    const stream = this.find(socket);
    if (!stream) throw new Error(`${socket.name} was not secured`);
    return stream;
  }

  find(socket: FakeSocket): FakeTlsStream | undefined {
    return this.#bySocket.get(socket);
  }

  /** Handshakes whose outcome is to be decided. */
  get undecided(): readonly FakeTlsStream[] {
    return [...this.live].filter(stream => stream.outcome === undefined);
  }

  /** Chunks that streams hold. */
  get held(): number {
    return [...this.live].reduce((sum, stream) => sum + stream.held, 0);
  }
}

export class FakeTlsStream implements TlsStream {
  readonly socket: FakeSocket;
  readonly context: TlsContextId;
  /** Its start: a client's ClientHello, or the name of the endpoint. */
  readonly about: ClientHello | TlsPeer;
  outcome: TlsDetails | TlsTrouble | undefined;
  isSecured = false;
  isBroken = false;
  /** The peer's close_notify was reported. */
  isFinished = false;
  /** Bytes delivered as plaintext. */
  told = 0;
  pendingWhenDestroyed = 0;
  readonly #engine: FakeTls;
  #later: TlsTrouble | undefined;
  #isOver = false;
  #isReading = false;
  #isTaking = true;
  #hasEnded = false;
  #received = 0;
  #inbox: Item[] = [];
  #outbox: { readonly buffer: BufferId; readonly offset: number; readonly length: number }[] = [];

  constructor(engine: FakeTls, socket: FakeSocket, context: TlsContextId, about: ClientHello | TlsPeer) {
    this.#engine = engine;
    this.socket = socket;
    this.context = context;
    this.about = about;
  }

  // ---- the test's side ------------------------------------------------------------------------------------------------

  /** The peer does its part, and the handshake succeeds. */
  agree(details: Partial<TlsDetails> = {}): void {
    this.outcome ??= { ...agreed, ...details };
    this.#playPeer();
  }

  /** The handshake fails or, after it, the connection. */
  fail(kind: TroubleKind, text: string): void {
    if (this.isSecured) this.#later = { kind, text };
    else this.outcome ??= { kind, text };
    this.#playPeer();
  }

  #playPeer(): void {
    this.socket.send(Math.max(0, this.socket.preamble - this.socket.sent));
  }

  /** Events that the event loop may report next. */
  ready(): Completion[] {
    if (this.#isOver) return [];
    const { fromLoop } = this.#engine;
    const { outcome } = this;
    const later = this.#later;
    const ready: Completion[] = [];
    if (later) ready.push(() => this.#break(later));
    const isDone = outcome !== undefined && this.#received >= this.socket.preamble;
    if (!this.isSecured && isDone) ready.push(() => this.#run());
    if (!fromLoop) return ready;
    const next = this.#inbox[0];
    if (next && (this.isSecured ? this.#isReading : !isDone && next.kind === 'end')) ready.push(() => this.#run());
    if (this.#outbox.length > 0) ready.push(() => this.#encrypt());
    return ready;
  }

  get held(): number {
    return this.#outbox.length + this.#inbox.filter(item => item.kind === 'plaintext').length;
  }

  // ---- the stream -----------------------------------------------------------------------------------------------------

  start(): void {
    this.#say(flight);
  }

  receive(buffer: BufferId, offset: number, length: number): void {
    const { below, fromLoop } = this.#engine;
    const { preamble, notifyAt } = this.socket;
    const start = this.#received;
    const end = start + length;
    if (start === 0 && !this.socket.isOutgoing) this.#say(flight);
    this.#received = end;
    const from = Math.max(start, preamble);
    const to = notifyAt < 0 ? end : Math.min(end, notifyAt);
    if (to > from) {
      const kept = below.keep(buffer, offset + from - start, to - from);
      this.#inbox.push({ kind: 'plaintext', buffer: kept, length: to - from });
    } else below.release(buffer);
    if (notifyAt >= start && notifyAt < end) this.#inbox.push({ kind: 'notify' });
    if (fromLoop) this.#takeAsMuch();
    // Bytes after the ClientHello arrive within a command, which reports nothing.
    else if (start > 0 || this.socket.isOutgoing) this.#run();
  }

  receivedEnd(): void {
    this.#inbox.push({ kind: 'end' });
    if (!this.#engine.fromLoop) this.#run();
  }

  reading(on: boolean): void {
    this.#isReading = on;
  }

  get holds(): boolean {
    return !this.#engine.fromLoop && !this.#isOver && this.isSecured && this.#inbox.length > 0;
  }

  tell(): void {
    this.#run();
  }

  write(buffer: BufferId, offset: number, length: number): void {
    if (this.#hasEnded || !this.isSecured) throw new Error(`write to ${this.socket.name} at the wrong time`);
    this.#put(buffer, offset, length);
  }

  get pending(): number {
    return this.#outbox.reduce((sum, { length }) => sum + length, 0);
  }

  end(): void {
    this.#hasEnded = true;
    this.#put(this.#engine.below.wrap(closeNotify), 0, closeNotify.length);
  }

  destroy(): void {
    this.pendingWhenDestroyed = this.pending;
    this.#isOver = true;
    this.#engine.live.delete(this);
    this.#giveBack();
  }

  /** Reports all events that may be reported. */
  #run(): void {
    if (!this.isSecured && !this.#handshake()) return;
    while (!this.#isOver && this.#isReading && this.#inbox.length > 0) {
      this.#tellNext(this.#inbox.shift() as Item);
      // The event loop comes back for the next one.
      if (this.#engine.fromLoop) break;
    }
    if (this.#engine.fromLoop && !this.#isOver) this.#takeAsMuch();
  }

  /** @returns whether it is done now, and well */
  #handshake(): boolean {
    const { outcome } = this;
    if (outcome === undefined || this.#received < this.socket.preamble) {
      if (this.#inbox.some(({ kind }) => kind === 'end'))
        this.#break({ kind: 'left', text: 'the peer closed the connection during the handshake' });
      return false;
    }
    if ('kind' in outcome) {
      this.#break(outcome);
      return false;
    }
    this.isSecured = true;
    this.#engine.sink.secured(this.socket.handle, outcome);
    return true;
  }

  #tellNext(item: Item): void {
    const { sink } = this.#engine;
    const { handle } = this.socket;
    if (item.kind === 'plaintext') {
      this.told += item.length;
      sink.plaintext(handle, item.buffer, 0, item.length);
    } else if (item.kind === 'notify') {
      this.isFinished = true;
      sink.finished(handle);
    } else if (!this.isFinished)
      this.#break({ kind: 'truncated', text: 'unexpected eof while reading; something may be missing' });
  }

  #break(trouble: TlsTrouble): void {
    this.isBroken = true;
    this.#giveBack();
    const isGone = trouble.kind === 'left' || trouble.kind === 'truncated';
    if (!isGone && !this.#hasEnded) this.#say(alertRecord(Alert.handshakeFailure));
    this.#isOver = true;
    this.#engine.sink.troubled(this.socket.handle, trouble);
  }

  #say(bytes: Uint8Array): void {
    const { sink, below } = this.#engine;
    sink.ciphertext(this.socket.handle, below.wrap(bytes), 0, bytes.length);
  }

  #put(buffer: BufferId, offset: number, length: number): void {
    if (this.#engine.fromLoop) this.#outbox.push({ buffer, offset, length });
    else this.#engine.sink.ciphertext(this.socket.handle, buffer, offset, length);
  }

  #encrypt(): void {
    const next = this.#outbox.shift();
    if (!next) return;
    this.#engine.sink.ciphertext(this.socket.handle, next.buffer, next.offset, next.length);
    if (this.#outbox.length === 0) this.#engine.sink.encrypted(this.socket.handle);
  }

  #takeAsMuch(): void {
    const isTaking = this.#inbox.length < mostKept;
    if (isTaking === this.#isTaking) return;
    this.#isTaking = isTaking;
    this.#engine.sink.taking(this.socket.handle, isTaking);
  }

  #giveBack(): void {
    const { below } = this.#engine;
    for (const { buffer } of this.#outbox.splice(0)) below.release(buffer);
    for (const item of this.#inbox.splice(0)) if (item.kind === 'plaintext') below.release(item.buffer);
  }
}
