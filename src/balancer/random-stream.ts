/**
 * Random numbers for the hot path: seeded once from the randomness passed in, then without a call that could allocate
 * (a function from outside returns its number boxed on the heap).
 *
 * Source: C. Doty-Humphrey's sfc32, PractRand.
 */

/** Turns that mix the seed before the first number is used; the author's choice for 32-bit words. */
const warmUp = 12;

export class RandomStream {
  readonly #state: Int32Array;

  /** @param random uniform in [0, 1) */
  constructor(random: () => number) {
    this.#state = Int32Array.from([random() * 2 ** 32, random() * 2 ** 32, random() * 2 ** 32, 1]);
    for (let turn = 0; turn < warmUp; turn++) this.next();
  }

  /** Uniform in [0, 1), in steps of 2^-32. */
  next(): number {
    const state = this.#state;
    const a = state[0];
    const b = state[1];
    const c = state[2];
    const counter = state[3];
    const sum = (((a + b) | 0) + counter) | 0;
    state[0] = b ^ (b >>> 9);
    state[1] = (c + (c << 3)) | 0;
    state[2] = (((c << 21) | (c >>> 11)) + sum) | 0;
    state[3] = (counter + 1) | 0;
    return (sum >>> 0) / 2 ** 32;
  }
}
