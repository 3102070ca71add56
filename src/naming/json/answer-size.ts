/**
 * A bound on the addresses that one answer repeats.
 *
 * A tree is bounded by what binding and explaining may cost, but each of its leaves shows all of its addresses: a rule that names
 * one large service five thousand times would make an answer of gigabytes.
 */
import { LinkerdTcpError } from '../../errors.ts';
import type { Addr } from '../addr.ts';

export const maxAnswerBytes = 8_000_000;

/** `{"ip":"","port":65535,"meta":{}},` */
const bytesPerAddress = 40;
const bytesPerMeta = 30;

export class AnswerSize {
  readonly #what: string;
  readonly #limit: number;
  #bytes = 0;

  /** @param what the document, for the message */
  constructor(what: string, limit = maxAnswerBytes) {
    this.#what = what;
    this.#limit = limit;
  }

  /** @throws LinkerdTcpError ANSWER_TOO_LARGE */
  add(addr: Addr): void {
    if (addr.state !== 'bound') return;
    for (const { ip, meta } of addr.addresses)
      this.#bytes += bytesPerAddress + ip.length + bytesPerMeta * Object.keys(meta).length;
    if (this.#bytes > this.#limit)
      throw new LinkerdTcpError('ANSWER_TOO_LARGE', { what: this.#what, limit: this.#limit });
  }
}
