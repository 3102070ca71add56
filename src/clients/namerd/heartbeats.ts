/**
 * Whether a server sends heartbeats, and how long its silence may be.
 *
 * Our namerd writes a blank line after 20 s without a document, so three missed ones mean that nothing arrives any more, while
 * the connection looks open. The original writes nothing: its silence says nothing. What a server does is learned by watching it.
 */

/** Three beats of our namerd. */
const silenceMs = 60_000;

/** A blank chunk closer to what came before it is the end of a document's line. */
const minGapMs = 5000;

export class Heartbeats {
  readonly #silenceMs: number;
  readonly #minGapMs: number;
  #isBeating = false;

  constructor(limits: { readonly silenceMs?: number; readonly minGapMs?: number } = {}) {
    this.#silenceMs = limits.silenceMs ?? silenceMs;
    this.#minGapMs = limits.minGapMs ?? minGapMs;
  }

  /** How long a stream may be silent before it counts as lost; undefined where the server is not known to send heartbeats. */
  get boundMs(): number | undefined {
    return this.#isBeating ? this.#silenceMs : undefined;
  }

  /** @param gapMs since the bytes before, or since the stream was opened */
  heard(chunk: Buffer, gapMs: number): void {
    this.#isBeating ||= gapMs >= this.#minGapMs && chunk.every(byte => byte === 0x0a || byte === 0x0d);
  }
}
