/**
 * A great many bytes in one direction, and the proof that they arrived as they were sent: both ends know the stream, which repeats a
 * random block of a length that is no multiple of any record or buffer.
 */
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex, Readable, Writable } from 'node:stream';

const blockBytes = 1_048_573;

/** The block twice, so that any part of it that is no longer than itself is in one piece. */
function twoBlocks(): Buffer {
  const block = randomFillSync(Buffer.alloc(blockBytes));
  return Buffer.concat([block, block]);
}

export class Bulk {
  readonly bytes: number;
  readonly #blocks = twoBlocks();
  /** So far. */
  received = 0;

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  /** Writes it all, and ends. */
  async send(to: Writable): Promise<void> {
    for (let sent = 0; sent < this.bytes; ) {
      const from = sent % blockBytes;
      const length = Math.min(256 * 1024, this.bytes - sent, this.#blocks.length - from);
      sent += length;
      if (!to.write(this.#blocks.subarray(from, from + length))) await once(to, 'drain');
    }
    to.end();
  }

  /** Reads to the end. @throws Error when anything else comes, or less, or more */
  async receive(from: Readable): Promise<void> {
    const over = Promise.withResolvers<void>();
    from.on('data', (chunk: Buffer) => {
      try {
        this.#compare(chunk);
      } catch (error) {
        over.reject(error);
      }
    });
    from.once('end', over.resolve).once('error', over.reject).resume();
    await over.promise;
    if (this.received !== this.bytes) throw new Error(`${this.received} of ${this.bytes} bytes came`);
  }

  #compare(chunk: Buffer): void {
    for (let start = 0; start < chunk.length; ) {
      const from = this.received % blockBytes;
      const end = Math.min(chunk.length, start + this.#blocks.length - from);
      if (this.#blocks.compare(chunk, start, end, from, from + end - start) !== 0)
        throw new Error(`after ${this.received} bytes comes what was not sent`);
      this.received += end - start;
      start = end;
    }
  }
}

/** Both ends of one connection. */
export async function carry(bulk: Bulk, from: Duplex, to: Duplex): Promise<void> {
  await Promise.all([bulk.send(from), bulk.receive(to)]);
}
