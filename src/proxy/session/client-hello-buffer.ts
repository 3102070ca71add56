/** The bytes a client sends before its route is known: read for the server's name, and kept to be passed on. */
import { Alert, type ClientHello, ClientHelloReader } from '../../wire/client-hello.ts';
import type { HelloSpec } from '../messages.ts';

/** The client is answered with an alert and closed. */
export interface Refusal {
  readonly kind: 'refused';
  readonly alert: Alert;
  /** For the access log. */
  readonly reason: string;
}

export type Heard = { readonly kind: 'more' } | ClientHello | Refusal;

export class ClientHelloBuffer {
  readonly #reader: ClientHelloReader;
  readonly #mostBytes: number;
  #bytes = new Uint8Array(0);
  #length = 0;

  constructor({ mostBytes }: HelloSpec) {
    this.#mostBytes = mostBytes;
    this.#reader = new ClientHelloReader({ mostBytes });
  }

  /** Reads a chunk without keeping it. */
  read(chunk: Uint8Array): Heard {
    const heard = this.#reader.read(chunk);
    // The headers of all records count too, however many.
    if (heard.kind === 'more' && this.#length + chunk.length > this.#mostBytes)
      return {
        kind: 'refused',
        alert: Alert.handshakeFailure,
        reason: `more than ${this.#mostBytes} bytes and no ClientHello`,
      };
    return heard;
  }

  keep(chunk: Uint8Array): void {
    const length = this.#length + chunk.length;
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(chunk, this.#length);
    this.#length = length;
  }

  /** Kept so far. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}
