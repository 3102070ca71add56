/**
 * A bench for TLS engines: streams under test on one side, TLS peers of node:tls or other streams on the other, and no sockets.
 *
 * Lanes carry the ciphertext, in later turns and cut as the test wants. Events that a sink must not receive are collected and fail the
 * test at its end, and so do buffers that were not released.
 */
import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BufferId } from '../../../src/io/driver.ts';
import type { Handle } from '../../../src/io/handle.ts';
import type { TlsContext, TlsContextId } from '../../../src/io/tls/context.ts';
import type { TlsBuffers, TlsDetails, TlsEngine, TlsPeer, TlsSink, TlsStream } from '../../../src/io/tls/engine.ts';
import type { TlsTrouble } from '../../../src/io/tls/trouble.ts';
import { type ClientHello, ClientHelloReader } from '../../../src/wire/client-hello.ts';
import type { Scope } from '../../support/scope.ts';
import { within } from '../../support/waiting.ts';

export interface EngineUnderTest {
  readonly engine: TlsEngine;
  readonly buffers: TlsBuffers;
  /** Buffers not released. */
  outstanding(): number;
}

export type CreateEngine = (sink: TlsSink) => EngineUnderTest;

/** The receiver at the end of a lane. */
export interface Receiver {
  deliver(bytes: Uint8Array): void;
  deliverEnd(): void;
  /** Whether bytes may come now. */
  readonly takes: boolean;
}

/** One direction of a connection. */
export class Lane {
  readonly #bench: Bench;
  readonly #queue: Uint8Array[] = [];
  #isFinished = false;
  #isPumping = false;
  to: Receiver | undefined;
  /** Sizes of the pieces that arrive, over and over; empty: as they were sent. */
  sizes: readonly number[] = [];
  #nextSize = 0;
  /** Changes bytes on their way. */
  tap: (bytes: Uint8Array) => Uint8Array = bytes => bytes;
  isHeld = false;
  carried = 0;

  constructor(bench: Bench) {
    this.#bench = bench;
  }

  send(bytes: Uint8Array): void {
    this.#queue.push(this.tap(Uint8Array.from(bytes)));
    this.pump();
  }

  finish(): void {
    this.#isFinished = true;
    this.pump();
  }

  release(): void {
    this.isHeld = false;
    this.pump();
  }

  pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    setImmediate(() => {
      this.#isPumping = false;
      while (this.#queue.length > 0 && this.#canGoOn) this.#deliver();
      if (this.#queue.length > 0 || !this.#isFinished || !this.#canGoOn) return;
      this.#isFinished = false;
      this.#bench.changed();
      this.to?.deliverEnd();
    });
  }

  get #canGoOn(): boolean {
    return !this.isHeld && this.to?.takes === true;
  }

  #deliver(): void {
    const bytes = this.#queue.shift() as Uint8Array;
    const size = this.sizes.length === 0 ? bytes.length : this.sizes[this.#nextSize++ % this.sizes.length];
    if (size < bytes.length) this.#queue.unshift(bytes.subarray(size));
    this.carried += Math.min(size, bytes.length);
    this.#bench.changed();
    this.to?.deliver(bytes.subarray(0, size));
  }
}

/** Of all benches: one may wait for what happens on another. */
let changes = 0;
let waiters: (() => void)[] = [];

export class Bench {
  readonly engine: TlsEngine;
  readonly buffers: TlsBuffers;
  readonly outstanding: () => number;
  readonly #ends = new Map<Handle, EngineEnd>();
  readonly #closing: (() => void)[] = [];
  readonly violations: string[] = [];
  #nextContext = 1;
  #nextHandle = 0;
  /** The command in progress: some events must not be delivered from within it. */
  #command = '';

  readonly scope: Scope;

  constructor(t: Scope, create: CreateEngine) {
    this.scope = t;
    const { engine, buffers, outstanding } = create(this.#sink());
    this.engine = engine;
    this.buffers = buffers;
    this.outstanding = outstanding;
    t.after(async () => {
      for (const end of this.#ends.values()) end.destroy();
      const left = outstanding();
      for (const close of this.#closing) close();
      await nextTurn();
      await nextTurn();
      assert.deepEqual(this.violations, []);
      assert.equal(left, 0, 'buffers not given back');
      assert.equal(outstanding(), 0, 'buffers taken after the end');
    });
  }

  define(context: TlsContext): TlsContextId {
    const id = this.#nextContext++;
    this.engine.define(id, context);
    return id;
  }

  /** A stream that begins when the first ClientHello arrives. */
  server(context: TlsContextId, out: Lane): EngineEnd {
    const handle = this.#nextHandle++ as Handle;
    return this.#add(new EngineEnd(this, handle, out, hello => this.engine.accept(handle, context, hello)));
  }

  client(context: TlsContextId, peer: TlsPeer, out: Lane): EngineEnd {
    const handle = this.#nextHandle++ as Handle;
    const end = this.#add(new EngineEnd(this, handle, out, undefined));
    end.stream = this.engine.connect(handle, context, peer);
    this.during('start', () => end.live.start());
    return end;
  }

  #add(end: EngineEnd): EngineEnd {
    this.#ends.set(end.handle, end);
    return end;
  }

  atEnd(close: () => void): void {
    this.#closing.push(close);
  }

  during(command: string, run: () => void): void {
    const outer = this.#command;
    this.#command = command;
    try {
      run();
    } finally {
      this.#command = outer;
    }
  }

  /** Something has happened. */
  changed(): void {
    changes++;
    const woken = waiters;
    waiters = [];
    for (const wake of woken) wake();
  }

  async until(condition: () => unknown, what: string): Promise<void> {
    await within(
      (async () => {
        while (!condition()) await new Promise<void>(resolve => waiters.push(resolve));
      })(),
      what,
    ).catch((error: Error) => {
      const told = [...this.#ends.values()].map(end => `${end.handle}: ${end.told.join(' ')}`);
      throw new Error(`${error.message}\n${told.join('\n')}\n${this.violations.join('\n')}`);
    });
    assert.deepEqual(this.violations, []);
  }

  /** When nothing has happened for some turns: for what must not happen. */
  async quiet(): Promise<void> {
    for (let turns = 0; turns < 10; ) {
      const before = changes;
      await nextTurn();
      turns = before === changes ? turns + 1 : 0;
    }
    assert.deepEqual(this.violations, []);
  }

  #sink(): TlsSink {
    const tell = (socket: Handle, event: string, isFromLoop: boolean, note: (end: EngineEnd) => void): void => {
      const end = this.#ends.get(socket);
      if (!end) return void this.violations.push(`${event} for nobody`);
      if (end.isDestroyed) this.violations.push(`${event} after destroy`);
      if (end.trouble) this.violations.push(`${event} after trouble`);
      // The other end of an in-process lane acts in turns of its own.
      if (isFromLoop && this.#command !== '') this.violations.push(`${event} from within ${this.#command}`);
      end.told.push(event);
      this.during('', () => {
        note(end);
        end.onTold(event);
      });
      this.changed();
    };
    const takeOver = (buffer: BufferId, offset: number, length: number): Uint8Array => {
      const bytes = Uint8Array.from(this.buffers.bytes(buffer).subarray(offset, offset + length));
      if (bytes.length !== length) this.violations.push(`a chunk of ${bytes.length} bytes, said to be ${length}`);
      this.buffers.release(buffer);
      return bytes;
    };
    return {
      ciphertext: (socket, buffer, offset, length) => {
        const bytes = takeOver(buffer, offset, length);
        tell(socket, 'ciphertext', false, end => end.out.send(bytes));
      },
      plaintext: (socket, buffer, offset, length) => {
        const bytes = takeOver(buffer, offset, length);
        tell(socket, 'plaintext', true, end => end.notePlaintext(bytes));
      },
      secured: (socket, details) => tell(socket, 'secured', true, end => end.noteSecured(details)),
      finished: socket => tell(socket, 'finished', true, end => end.noteFinished()),
      troubled: (socket, trouble) => tell(socket, 'troubled', false, end => end.noteTrouble(trouble)),
      taking: (socket, on) => tell(socket, `taking ${on}`, false, end => end.noteTaking(on)),
      encrypted: socket => tell(socket, 'encrypted', false, end => end.noteEncrypted()),
    };
  }
}

/** A stream under test, and what it has told. */
export class EngineEnd implements Receiver {
  readonly #bench: Bench;
  readonly #accept: ((hello: ClientHello) => TlsStream) | undefined;
  readonly #reader = new ClientHelloReader();
  #hello: Uint8Array[] = [];
  readonly handle: Handle;
  readonly out: Lane;
  stream: TlsStream | undefined;
  /** Events in the order they came. */
  readonly told: string[] = [];
  #plaintext: Uint8Array[] = [];
  receivedBytes = 0;
  details: TlsDetails | undefined;
  trouble: TlsTrouble | undefined;
  isFinished = false;
  isReading = false;
  isTaking = true;
  isDestroyed = false;
  #finWaits = false;
  onTold: (event: string) => void = () => {};

  constructor(bench: Bench, handle: Handle, out: Lane, accept: ((hello: ClientHello) => TlsStream) | undefined) {
    this.#bench = bench;
    this.handle = handle;
    this.out = out;
    this.#accept = accept;
  }

  get live(): TlsStream {
    return this.stream as TlsStream;
  }

  get received(): Buffer {
    return Buffer.concat(this.#plaintext);
  }

  get text(): string {
    return this.received.toString('latin1');
  }

  /** Ciphertext comes as long as the stream takes it, though reading is off: some is always on its way when it is turned off. */
  readsAhead = false;

  get takes(): boolean {
    return this.isDestroyed || (this.isTaking && (this.readsAhead || this.details === undefined || this.isReading));
  }

  deliver(bytes: Uint8Array): void {
    if (this.isDestroyed || this.trouble) return;
    if (this.stream) return this.#receive(bytes);
    this.#hello.push(bytes);
    const result = this.#reader.read(bytes);
    assert.notEqual(result.kind, 'refused', 'not a ClientHello');
    if (result.kind !== 'hello') return;
    this.stream = this.#accept?.(result);
    if (this.isReading) this.live.reading(true);
    this.#receive(Buffer.concat(this.#hello));
    this.#hello = [];
  }

  /** In a buffer that has other bytes around them. */
  #receive(bytes: Uint8Array): void {
    this.live.receive(this.#wrap(bytes), 3, bytes.length);
  }

  #wrap(bytes: Uint8Array): BufferId {
    return this.#bench.buffers.wrap(Buffer.concat([Buffer.from('xxx'), bytes, Buffer.from('yy')]));
  }

  deliverEnd(): void {
    if (!this.isDestroyed && !this.trouble && this.stream) this.stream.receivedEnd();
  }

  read(on = true): void {
    this.isReading = on;
    const { stream } = this;
    if (!stream) return;
    this.#bench.during('reading', () => stream.reading(on));
    if (on && stream.holds) setImmediate(() => this.isReading && !this.isDestroyed && stream.holds && stream.tell());
    if (on) this.pumpIn();
  }

  /** Set by who connects the lanes. */
  pumpIn: () => void = () => {};

  write(bytes: Uint8Array | string): void {
    const all = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    for (let at = 0; at < all.length; at += 16_384) {
      const piece = all.subarray(at, at + 16_384);
      this.#bench.during('write', () => this.live.write(this.#wrap(piece), 3, piece.length));
    }
  }

  /** close_notify. */
  end(): void {
    this.#bench.during('end', () => this.live.end());
  }

  /** close_notify, then FIN. */
  shutdown(): void {
    this.#finWaits = true;
    this.end();
    this.#sendFin();
  }

  #sendFin(): void {
    if (!this.#finWaits || this.live.pending > 0) return;
    this.#finWaits = false;
    this.out.finish();
  }

  destroy(): void {
    if (this.isDestroyed) return;
    this.isDestroyed = true;
    this.#bench.during('destroy', () => this.stream?.destroy());
    this.pumpIn();
  }

  notePlaintext(bytes: Uint8Array): void {
    if (!this.isReading) this.#bench.violations.push('plaintext while reading is off');
    if (!this.details) this.#bench.violations.push('plaintext before secured');
    if (this.isFinished) this.#bench.violations.push('plaintext after finished');
    if (bytes.length === 0) this.#bench.violations.push('no plaintext at all');
    this.#plaintext.push(bytes);
    this.receivedBytes += bytes.length;
  }

  noteSecured(details: TlsDetails): void {
    if (this.details) this.#bench.violations.push('secured twice');
    this.details = details;
    this.pumpIn();
  }

  noteFinished(): void {
    if (!this.isReading) this.#bench.violations.push('finished while reading is off');
    if (this.isFinished) this.#bench.violations.push('finished twice');
    this.isFinished = true;
  }

  noteTrouble(trouble: TlsTrouble): void {
    this.trouble = trouble;
  }

  noteTaking(on: boolean): void {
    this.isTaking = on;
    this.pumpIn();
  }

  noteEncrypted(): void {
    if (this.live.pending !== 0) this.#bench.violations.push(`encrypted with ${this.live.pending} bytes pending`);
    this.#sendFin();
  }
}
