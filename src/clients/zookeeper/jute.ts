/**
 * Jute, in which ZooKeeper's messages are written: big-endian numbers, bytes and texts with their length before them, -1 for none.
 * Each message is a frame: its length in 4 bytes, then so many bytes.
 */

export class JuteWriter {
  readonly #parts: Buffer[] = [];

  int(value: number): this {
    const part = Buffer.alloc(4);
    part.writeInt32BE(value);
    return this.#add(part);
  }

  long(value: bigint): this {
    const part = Buffer.alloc(8);
    part.writeBigInt64BE(value);
    return this.#add(part);
  }

  flag(value: boolean): this {
    return this.#add(Buffer.of(value ? 1 : 0));
  }

  bytes(value: Uint8Array): this {
    return this.int(value.length).#add(Buffer.from(value));
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value));
  }

  written(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #add(part: Buffer): this {
    this.#parts.push(part);
    return this;
  }
}

/** Reads what a server sent: whatever is not so long or not so many as it says throws. */
export class JuteReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int(): number {
    return this.#take(4).readInt32BE();
  }

  long(): bigint {
    return this.#take(8).readBigInt64BE();
  }

  bytes(): Buffer {
    return this.#take(Math.max(0, this.int()));
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  texts(): readonly string[] {
    const texts: string[] = [];
    for (let left = this.int(); left > 0; left--) texts.push(this.text());
    return texts;
  }

  #take(length: number): Buffer {
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw new RangeError('a message ends before it is complete');
    const taken = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return taken;
  }
}

/** Puts frames together from whatever pieces of them come. */
export class Frames {
  readonly #longest: number;
  #pieces: Buffer[] = [];
  #held = 0;
  /** Bytes without which there is nothing to do: those of the length, then those of the frame too. */
  #needed = 4;

  constructor(longest: number) {
    this.#longest = longest;
  }

  /** @returns the frames that `piece` completes. @throws RangeError where a length makes no sense. */
  *take(piece: Buffer): Generator<Buffer> {
    this.#pieces.push(piece);
    this.#held += piece.length;
    while (this.#held >= this.#needed) {
      const all = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
      const length = all.readInt32BE();
      if (length < 0 || length > this.#longest) throw new RangeError(`a message of ${length} bytes`);
      this.#pieces = [all];
      this.#needed = 4 + length;
      if (all.length < this.#needed) return;
      this.#pieces = [all.subarray(this.#needed)];
      this.#held -= this.#needed;
      this.#needed = 4;
      yield all.subarray(4, 4 + length);
    }
  }
}
