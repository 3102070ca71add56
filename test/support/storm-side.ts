/**
 * One side of a connection in a storm: it follows its script and checks every byte it receives.
 *
 * It sends its id, then bytes that are a function of that id alone: so the receiver knows whose bytes they are and which come next.
 */
import type net from 'node:net';
import { firstMismatch, payload } from './payload.ts';
import { headerBytes, type Script } from './storm-plan.ts';

/** How the direction towards it came to its end; `dropped`: it let go of the connection itself before. */
export type Inbound = 'open' | 'end' | 'reset' | 'dropped';

const resetCodes = new Set(['ECONNRESET', 'EPIPE']);

export class StormSide {
  readonly id: number;
  readonly script: Script;
  /** Its own port, when it is connected. */
  port = 0;
  /** Handed to its socket; what the kernel has taken may be less until it has finished. */
  sent = 0;
  received = 0;
  /** Id of the other side; -1 until it has been heard. */
  from = -1;
  inbound: Inbound = 'open';
  /** Its FIN is sent, after everything it had to send. */
  hasFinished = false;
  /** It was ended from outside its script. */
  isKilled = false;
  /** It had to be closed in the middle of a shutdown, where Node cannot reset: what it sent may end anywhere, with a FIN. */
  isCut = false;
  /** Impossible observations: wrong bytes, or an error that is not an end. */
  fault: string | undefined;

  readonly #socket: net.Socket;
  readonly #header = Buffer.alloc(headerBytes);
  readonly #onOver: () => void;
  #isFlushed = false;
  #hasStalled = false;
  #stall: NodeJS.Timeout | undefined;
  #patience: NodeJS.Timeout | undefined;

  constructor(id: number, script: Script, socket: net.Socket, onOver: () => void) {
    this.id = id;
    this.script = script;
    this.#socket = socket;
    this.#onOver = onOver;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('end', () => this.#heardEnd());
    socket.on('finish', () => {
      this.hasFinished = true;
      if (script.ending === 'reset-finished') this.#letGo();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!resetCodes.has(error.code ?? '')) this.fault ??= error.message;
      else if (this.inbound === 'open') this.inbound = 'reset';
    });
    socket.on('close', () => this.#over());
    if (socket.connecting) socket.once('connect', () => this.#begin());
    else this.#begin();
    if (script.ending === 'reset-connecting') this.#letGo();
  }

  /** Ends it from outside its script, with a reset wherever one can be sent. */
  kill(): void {
    this.isKilled = true;
    this.#letGo();
  }

  get isOver(): boolean {
    return this.#socket.destroyed;
  }

  #begin(): void {
    const { script } = this;
    this.port = this.#socket.localPort ?? 0;
    if (script.ending === 'reset-connected') return this.#letGo();
    if (script.stall?.after === 0) this.#startStall();
    if (!script.isShy) this.#send();
  }

  #send(): void {
    const { script } = this;
    while (this.sent < script.bytes) {
      if (script.ending === 'reset-sending' && this.sent >= script.resetAfter) return this.#letGo();
      const length = Math.min(script.piece, script.bytes - this.sent);
      const chunk = this.#bytes(this.sent, length);
      this.sent += length;
      const isLast = this.sent === script.bytes;
      const hasRoom = this.#socket.write(chunk, isLast ? error => error ?? this.#flushed() : undefined);
      if (!hasRoom && !isLast) {
        this.#socket.once('drain', () => this.#send());
        return;
      }
    }
  }

  #bytes(offset: number, length: number): Buffer {
    if (offset > 0) return payload(this.id, offset - headerBytes, length);
    const header = Buffer.alloc(headerBytes);
    header.writeUInt32BE(this.id);
    return Buffer.concat([header, payload(this.id, 0, length - headerBytes)]);
  }

  /** The kernel has everything. */
  #flushed(): void {
    const { ending, patienceMs } = this.script;
    this.#isFlushed = true;
    if (this.#socket.destroyed) return;
    if (ending === 'finish' || ending === 'reset-finished') this.#socket.end();
    else if (ending === 'close') {
      this.hasFinished = true;
      this.#socket.destroy();
    } else if (ending === 'reset-sending') this.#letGo();
    else if (this.inbound === 'end') this.#endInTurn();
    else this.#patience = setTimeout(() => this.#endInTurn(), patienceMs);
  }

  /** After the other side, or without it when it took too long. */
  #endInTurn(): void {
    if (this.script.ending === 'answer') this.#socket.end();
    else this.#letGo();
  }

  #heardEnd(): void {
    this.inbound = 'end';
    clearTimeout(this.#patience);
    if (this.received < headerBytes && this.script.isShy && this.sent === 0) this.#send();
    if (this.script.ending === 'reset-hearing') this.#letGo();
    else if (this.#isFlushed && (this.script.ending === 'answer' || this.script.ending === 'reset-ended'))
      this.#endInTurn();
  }

  #take(chunk: Buffer): void {
    const { script } = this;
    let rest = chunk;
    if (this.received < headerBytes) {
      const length = chunk.copy(this.#header, this.received);
      this.received += length;
      rest = chunk.subarray(length);
      if (this.received === headerBytes) this.from = this.#header.readUInt32BE();
    }
    if (rest.length > 0) {
      const at = firstMismatch(this.from, this.received - headerBytes, rest);
      if (at >= 0) this.fault ??= `byte ${this.received + at} is not the one that ${this.from} sent there`;
      this.received += rest.length;
    }
    if (script.isShy && this.sent === 0) this.#send();
    if (script.ending === 'reset-hearing' && this.received >= script.resetAfter) return this.#letGo();
    if (script.stall && !this.#hasStalled && this.received >= script.stall.after) this.#startStall();
  }

  #startStall(): void {
    const { ms, isFatal } = this.script.stall as NonNullable<Script['stall']>;
    this.#hasStalled = true;
    this.#socket.pause();
    this.#stall = setTimeout(() => {
      if (isFatal) this.#letGo();
      else this.#socket.resume();
    }, ms);
  }

  #letGo(): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    if (socket.connecting) socket.destroy();
    else if (socket.writableEnded && !socket.writableFinished) {
      this.isCut = true;
      socket.destroy();
    } else socket.resetAndDestroy();
  }

  #over(): void {
    clearTimeout(this.#stall);
    clearTimeout(this.#patience);
    if (this.inbound === 'open') this.inbound = 'dropped';
    this.#onOver();
  }
}
