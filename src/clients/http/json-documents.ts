/**
 * Cuts a byte stream into JSON documents: one per line, several on a line, or one over many lines; blank lines are heartbeats.
 *
 * A document is an object or an array and is complete at its closing bracket, so it is delivered before its newline arrives.
 * Anything else between documents is text a server writes when it fails; it ends the stream with that text as the reason.
 * Works on bytes (JSON's structure is ASCII), so a chunk may end anywhere, also inside a character.
 */

const newline = 0x0a;
const quote = 0x22;
const backslash = 0x5c;
const openers = [0x7b, 0x5b];
const closers = [0x7d, 0x5d];
const blanks = [0x20, 0x09, newline, 0x0d];
const shownText = 300;

export class JsonDocuments {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #held = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #isText = false;

  /** @param maxBytes the longest document that is kept in memory */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Calls `emit` for every document that `chunk` completes. @throws where the bytes cannot be JSON; nothing may follow. */
  push(chunk: Buffer, emit: (document: unknown) => void): void {
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i];
      if (this.#isText) {
        if (byte === newline) throw this.#textError(chunk.subarray(start, i));
      } else if (this.#inString) {
        this.#stringByte(byte);
      } else if (this.#depth === 0) {
        if (blanks.includes(byte)) start = i + 1;
        else if (openers.includes(byte)) this.#depth = 1;
        else this.#isText = true;
      } else if (byte === quote) {
        this.#inString = true;
      } else if (openers.includes(byte)) {
        this.#depth++;
      } else if (closers.includes(byte) && --this.#depth === 0) {
        this.#hold(chunk.subarray(start, i + 1));
        start = i + 1;
        emit(this.#take());
      }
    }
    if (start < chunk.length) this.#hold(chunk.subarray(start));
  }

  /** The stream has ended. @throws when it did so inside a document or text */
  end(): void {
    if (this.#isText) throw this.#textError(Buffer.alloc(0));
    if (this.#depth > 0) throw new Error(`the stream ended inside a document of ${this.#held} bytes so far`);
  }

  /** A raw line break cannot be inside a string, so a cut-off document does not swallow the ones after it. */
  #stringByte(byte: number): void {
    if (byte === newline) throw new Error('a line ends inside a JSON string');
    if (this.#escaped) this.#escaped = false;
    else if (byte === backslash) this.#escaped = true;
    else if (byte === quote) this.#inString = false;
  }

  #hold(part: Buffer): void {
    this.#held += part.length;
    if (this.#held > this.#maxBytes) throw new Error(`a document is longer than ${this.#maxBytes} bytes`);
    this.#parts.push(part);
  }

  #take(): unknown {
    const text = Buffer.concat(this.#parts).toString('utf8');
    this.#parts = [];
    this.#held = 0;
    return JSON.parse(text);
  }

  #textError(rest: Buffer): Error {
    const text = Buffer.concat([...this.#parts, rest])
      .toString('utf8')
      .trim();
    return new Error(text.length > shownText ? `${text.slice(0, shownText)}…` : text);
  }
}
