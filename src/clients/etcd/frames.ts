/** Messages of gRPC on a stream of bytes: a flag (compressed or not), the length in four bytes, protobuf. */
import type { Type } from 'protobufjs/light.js';

const headBytes = 5;
const mostBytes = 64 * 1024 * 1024;

export function frame(type: Type, message: object): Buffer {
  const body = type.encode(type.fromObject(message)).finish();
  const head = Buffer.alloc(headBytes);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

export class FrameReader {
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Of the frame that has begun, its head included. */
  #wanted = headBytes;

  /** @returns the messages that are complete with this chunk. @throws Error when the bytes are no frames, or one is too large */
  read(chunk: Buffer): readonly Buffer[] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const messages: Buffer[] = [];
    if (this.#bytes < this.#wanted) return messages;
    // Copied once for a chunk, not for each message in it.
    let rest = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    while (rest.length >= this.#wanted) {
      this.#wanted = frameBytes(rest);
      if (rest.length < this.#wanted) break;
      messages.push(rest.subarray(headBytes, this.#wanted));
      rest = rest.subarray(this.#wanted);
      this.#wanted = headBytes;
    }
    this.#chunks = [rest];
    this.#bytes = rest.length;
    return messages;
  }
}

function frameBytes(head: Buffer): number {
  if (head[0] !== 0) throw new Error('a compressed message, which was not asked for');
  const bytes = headBytes + head.readUInt32BE(1);
  if (bytes > mostBytes) throw new Error(`a message of ${bytes} bytes; at most ${mostBytes} are taken`);
  return bytes;
}
