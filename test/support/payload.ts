/**
 * Endless pseudo-random bytes, a function of (seed, offset) alone.
 *
 * A receiver that knows the seed can check every byte at its place, so one that is lost, repeated, reordered, invented or
 * taken from another connection is found at its offset, without keeping what was sent.
 */

const wordBytes = 4;

/** Bytes `offset … offset + length` of the stream `seed`. */
export function payload(seed: number, offset: number, length: number): Buffer {
  const firstWord = Math.floor(offset / wordBytes);
  const words = new Int32Array(Math.ceil((offset + length) / wordBytes) - firstWord);
  const salt = Math.imul(seed | 0, 0x9e37_79b1) ^ 0x85eb_ca6b;
  for (let i = 0; i < words.length; i++) {
    let word = (firstWord + i) ^ salt;
    word = Math.imul(word ^ (word >>> 16), 0x21f0_aaad);
    word = Math.imul(word ^ (word >>> 15), 0x735a_2d97);
    words[i] = word ^ (word >>> 15);
  }
  return Buffer.from(words.buffer, offset - firstWord * wordBytes, length);
}

/** Index in `chunk` of the first byte that is not the one of the stream `seed` at `offset`; -1 when all are right. */
export function firstMismatch(seed: number, offset: number, chunk: Buffer): number {
  const expected = payload(seed, offset, chunk.length);
  return expected.equals(chunk) ? -1 : expected.findIndex((byte, i) => byte !== chunk[i]);
}

/** `10k`, `1M`, `37`: k is 1024, M is 1024². */
export function byteCount(text: string): number {
  const match = /^(\d+)([kM]?)$/.exec(text);
  if (match === null) throw new TypeError(`${text} is not a number of bytes`);
  return Number(match[1]) * ({ '': 1, k: 1024, M: 1024 * 1024 }[match[2] as '' | 'k' | 'M'] as number);
}
