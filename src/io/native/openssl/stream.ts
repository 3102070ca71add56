/**
 * TLS of one connection, by OpenSSL: every call does all of its work at once, so nothing is ever pending.
 *
 * Each received chunk is decrypted where it lies into one buffer, if the plaintext fits, and delivered as one. It waits as
 * ciphertext while reading is off. The stream calls the sink only when the memory that all connections share is empty again, so
 * the sink may use any connection in these calls, and may destroy the stream in any of them.
 *
 *   phase       | ciphertext          | FIN               | close_notify        | error
 *   ------------+---------------------+-------------------+---------------------+-----------
 *   Handshaking | handshake           | troubled left     | troubled left       | troubled
 *   Secured     | decrypt when reading| troubled truncated| → Closed            | troubled
 *   Closed      | dropped             | -                 | finished, if reading| -
 *   Over        | dropped             | -                 | -                   | -
 */
import type { BufferId } from '../../driver.ts';
import type { Handle } from '../../handle.ts';
import type { TlsSink, TlsStream } from '../../tls/engine.ts';
import { flood, opensslTrouble, renegotiation, type TlsTrouble } from '../../tls/trouble.ts';
import type { BufferPool } from '../base/buffer-pool.ts';
import type { OpensslBios } from './bios.ts';
import type { Caller, OpensslCallbacks } from './callbacks.ts';
import type { OpensslContext } from './context.ts';
import { readDetails } from './details.ts';
import { takeReason, verificationName } from './errors.ts';
import { openssl } from './library.ts';

const Phase = { handshaking: 0, secured: 1, closed: 2, over: 3 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

const wantsToRead = 3;
const errorWantRead = 2;
const receivedShutdown = 2;
const bothShutDown = 3;
const noBuffer: BufferId = -1;
/** As BoringSSL: more messages in a row without data are an attack. A server may send a few tickets at once. */
const mostMessagesWithoutData = 32;

const left: TlsTrouble = { kind: 'left', text: 'the peer left during the handshake' };

/** The state that all streams of an engine share. */
export interface StreamSetting {
  readonly sink: TlsSink;
  readonly pool: BufferPool;
  readonly bios: OpensslBios;
  readonly callbacks: OpensslCallbacks;
}

interface Chunk {
  readonly buffer: BufferId;
  readonly offset: number;
  readonly length: number;
}

export class OpensslStream implements TlsStream, Caller {
  readonly context: OpensslContext;
  readonly peer: string;
  readonly pending = 0;
  readonly #socket: Handle;
  readonly #setting: StreamSetting;
  readonly #ssl: bigint;
  #phase: Phase = Phase.handshaking;
  #isDestroyed = false;
  #reading = false;
  #taking = true;
  /** Guards against a sink that passes more bytes to the stream from within a call about earlier ones. */
  #isRunning = false;
  /** Ciphertext that is not read yet: the first chunk, and those behind it. */
  #buffer = noBuffer;
  #offset = 0;
  #length = 0;
  #behind: Chunk[] | undefined;
  /** OpenSSL has decrypted more than there was room for. */
  #hasPlaintext = false;
  #isFinished = false;
  /** FIN came. */
  #isEnded = false;
  /** close_notify is to be sent when the handshake is done. */
  #endWaits = false;
  /** Messages without data since there was some. */
  #messages = 0;
  #isRenegotiating = false;

  /** @param ssl taken over */
  constructor(socket: Handle, context: OpensslContext, peer: string, ssl: bigint, setting: StreamSetting) {
    this.#socket = socket;
    this.context = context;
    this.peer = peer;
    this.#ssl = ssl;
    this.#setting = setting;
  }

  // ---- calls by the driver ------------------------------------------------------------------------------------------------

  start(): void {
    if (this.context.role === 'client' && this.#phase === Phase.handshaking) this.#shakeHands();
  }

  receive(buffer: BufferId, offset: number, length: number): void {
    if (this.#phase === Phase.over || this.#isFinished || length === 0) return this.#setting.pool.give(buffer);
    if (this.#buffer === noBuffer) this.#hold(buffer, offset, length);
    else {
      this.#behind ??= [];
      this.#behind.push(this.#kept({ buffer, offset, length }));
    }
    this.#run();
  }

  receivedEnd(): void {
    this.#isEnded = true;
    this.#run();
  }

  reading(on: boolean): void {
    this.#reading = on;
  }

  get holds(): boolean {
    if (this.#phase === Phase.over || this.#isFinished) return false;
    return this.#buffer !== noBuffer || this.#hasPlaintext || this.#phase === Phase.closed;
  }

  tell(): void {
    this.#run();
  }

  write(buffer: BufferId, offset: number, length: number): void {
    const { pool, callbacks } = this.#setting;
    if (this.#phase === Phase.over || length === 0) return pool.give(buffer);
    callbacks.caller = undefined;
    const start = pool.pointer(buffer);
    const written = openssl.SSL_write(this.#ssl, offset === 0 ? start : start + BigInt(offset), length);
    pool.give(buffer);
    // It also fails while a message about keys or tickets is there only in part: what cannot be sent must not be lost in silence.
    const trouble = written > 0 ? undefined : this.#failure();
    this.#flush();
    if (trouble) this.#fail(trouble);
  }

  end(): void {
    if (this.#phase === Phase.over) return;
    if (this.#phase === Phase.handshaking) {
      this.#endWaits = true;
      return;
    }
    this.#setting.callbacks.caller = undefined;
    if (openssl.SSL_shutdown(this.#ssl) < 0) openssl.ERR_clear_error();
    this.#flush();
  }

  destroy(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    // OpenSSL takes the session of a connection without close_notify for one that must not be resumed.
    if (this.context.sessions) openssl.SSL_set_shutdown(this.#ssl, bothShutDown);
    this.#phase = Phase.over;
    this.#dropInput();
    openssl.SSL_free(this.#ssl);
  }

  // ---- steps --------------------------------------------------------------------------------------------------------------

  #run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    while (this.#step());
    this.#isRunning = false;
    if (this.#phase === Phase.over) return;
    const taking = !this.holds;
    if (taking === this.#taking) return;
    this.#taking = taking;
    if (!taking && this.#buffer !== noBuffer) {
      const kept = this.#kept({ buffer: this.#buffer, offset: this.#offset, length: this.#length });
      this.#hold(kept.buffer, kept.offset, kept.length);
    }
    this.#setting.sink.taking(this.#socket, taking);
  }

  /** @returns whether there may be more to do */
  #step(): boolean {
    if (this.#phase === Phase.over || this.#isFinished) return false;
    if (this.#phase === Phase.closed) return this.#finish();
    if (this.#buffer === noBuffer && !this.#hasPlaintext) return this.#checkEnd();
    if (this.#phase === Phase.handshaking) this.#shakeHands();
    else if (this.#reading) this.#read();
    else return false;
    return true;
  }

  #finish(): false {
    this.#dropInput();
    if (!this.#reading) return false;
    this.#isFinished = true;
    this.#setting.sink.finished(this.#socket);
    return false;
  }

  #checkEnd(): false {
    if (!this.#isEnded) return false;
    if (this.#phase === Phase.handshaking) this.#fail(left);
    else this.#fail(opensslTrouble(this.context.role, 'unexpected eof while reading', ''));
    return false;
  }

  #shakeHands(): void {
    const { bios, callbacks } = this.#setting;
    callbacks.caller = this;
    if (this.#buffer !== noBuffer) bios.feed(this.#buffer, this.#offset, this.#length);
    openssl.ERR_clear_error();
    const result = openssl.SSL_do_handshake(this.#ssl);
    const trouble = result === 1 ? undefined : this.#findTrouble(result);
    this.#advance(bios.rest());
    this.#flush();
    if (this.#isOver) return;
    if (trouble) this.#fail(trouble);
    else if (result === 1) this.#secure();
  }

  #secure(): void {
    this.#phase = Phase.secured;
    openssl.SSL_set_info_callback(this.#ssl, this.#setting.callbacks.info);
    this.#setting.sink.secured(this.#socket, readDetails(this.#ssl, this.context));
    if (this.#endWaits && !this.#isOver) this.end();
  }

  #read(): void {
    const { pool, bios, callbacks, sink } = this.#setting;
    callbacks.caller = this;
    if (this.#buffer !== noBuffer) bios.feed(this.#buffer, this.#offset, this.#length);
    const target = bios.target();
    const start = bios.pointer(target);
    let filled = 0;
    let trouble: TlsTrouble | undefined;
    do {
      const to = filled === 0 ? start : start + BigInt(filled);
      const result = openssl.SSL_read(this.#ssl, to, pool.room - filled);
      if (result <= 0) {
        trouble = this.#findTrouble(result);
        break;
      }
      filled += result;
      // A record that is read as a whole leaves nothing behind in OpenSSL.
    } while (bios.unread > 0 && filled < pool.room);
    trouble = this.#abuse(filled) ?? trouble;
    this.#hasPlaintext = filled === pool.room && openssl.SSL_pending(this.#ssl) > 0;
    this.#advance(bios.rest());
    const plaintext = this.#plaintextIn(target, filled);
    this.#flush();
    if (this.#isOver) {
      if (plaintext !== noBuffer) pool.give(plaintext);
      return;
    }
    if (plaintext !== noBuffer) sink.plaintext(this.#socket, plaintext, 0, filled);
    if (trouble && !this.#isOver) this.#fail(trouble);
  }

  messageReceived(isRenegotiation: boolean): void {
    this.#messages++;
    if (isRenegotiation) this.#isRenegotiating = true;
    // OpenSSL would read all that was fed before it returns.
    if (isRenegotiation || this.#messages > mostMessagesWithoutData) this.#setting.bios.rest();
  }

  /** @param filled bytes of data that came with the messages */
  #abuse(filled: number): TlsTrouble | undefined {
    if (this.#isRenegotiating) return renegotiation;
    if (this.#messages > mostMessagesWithoutData) return flood;
    if (filled > 0) this.#messages = 0;
    return undefined;
  }

  #plaintextIn(target: BufferId, filled: number): BufferId {
    const { pool, bios } = this.#setting;
    if (filled > 0) return bios.settle(target, filled);
    if (target !== noBuffer) pool.give(target);
    return noBuffer;
  }

  // ---- after a call -------------------------------------------------------------------------------------------------------

  /** Sinks are called in between, and may destroy the stream. */
  get #isOver(): boolean {
    return this.#phase === Phase.over;
  }

  /**
   * The failure of a call that tried to read without success. After the handshake, close_notify is not a failure.
   *
   * SSL_get_error reads the thread's error queue, where other code leaves its errors, and emptying it first takes as long as
   * decrypting a small record. So it is asked only in handshakes, where what is wanted may be out of date after a failure, and
   * after anything fatal a connection is back in its handshake.
   */
  #findTrouble(result: number): TlsTrouble | undefined {
    const ssl = this.#ssl;
    const isShakingHands = openssl.SSL_in_init(ssl) === 1;
    if (openssl.SSL_want(ssl) === wantsToRead && this.#setting.bios.unread === 0) {
      if (!isShakingHands || openssl.SSL_get_error(ssl, result) === errorWantRead) return undefined;
    } else if (!isShakingHands && openssl.SSL_get_shutdown(ssl) & receivedShutdown) {
      this.#phase = Phase.closed;
      return undefined;
    }
    return this.#failure();
  }

  #failure(): TlsTrouble {
    const reason = takeReason();
    if (reason === '' && this.#phase === Phase.handshaking) return left;
    const isVerification = reason === 'certificate verify failed';
    const verification = isVerification ? verificationName(openssl.SSL_get_verify_result(this.#ssl)) : '';
    return opensslTrouble(this.context.role, reason || 'unexpected message', verification);
  }

  /** Gives to the sink what OpenSSL has written. */
  #flush(): void {
    const { bios, pool, sink } = this.#setting;
    const { written } = bios;
    if (written === 0) return;
    if (written <= pool.room) return sink.ciphertext(this.#socket, bios.take(written), 0, written);
    const chunks: Chunk[] = [];
    for (let length = pool.room; bios.written > 0; ) {
      length = Math.min(length, bios.written);
      chunks.push({ buffer: bios.take(length), offset: 0, length });
    }
    for (const { buffer, offset, length } of chunks) {
      if (this.#isDestroyed) pool.give(buffer);
      else sink.ciphertext(this.#socket, buffer, offset, length);
    }
  }

  #fail(trouble: TlsTrouble): void {
    if (this.#isOver) return;
    this.#phase = Phase.over;
    this.#dropInput();
    this.#setting.sink.troubled(this.#socket, trouble);
  }

  // ---- ciphertext that is not read yet ------------------------------------------------------------------------------------

  #hold(buffer: BufferId, offset: number, length: number): void {
    this.#buffer = buffer;
    this.#offset = offset;
    this.#length = length;
  }

  /** @param unread how much of the first chunk */
  #advance(unread: number): void {
    if (this.#buffer === noBuffer) return;
    this.#offset += this.#length - unread;
    this.#length = unread;
    if (unread > 0) return;
    this.#setting.pool.give(this.#buffer);
    const next = this.#behind?.shift();
    if (next) this.#hold(next.buffer, next.offset, next.length);
    else this.#buffer = noBuffer;
  }

  /** It may wait for long: where buffers run short it moves to memory of its own. */
  #kept(chunk: Chunk): Chunk {
    const { pool } = this.#setting;
    const { buffer, offset, length } = chunk;
    if (!pool.underPressure || pool.isCopy(buffer)) return chunk;
    return { buffer: pool.copyOut(buffer, offset, length), offset: 0, length };
  }

  #dropInput(): void {
    this.#hasPlaintext = false;
    if (this.#buffer === noBuffer) return;
    this.#setting.pool.give(this.#buffer);
    this.#buffer = noBuffer;
    for (const { buffer } of this.#behind ?? []) this.#setting.pool.give(buffer);
    this.#behind = undefined;
  }
}
