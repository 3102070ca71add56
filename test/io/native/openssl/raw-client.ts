/** A TLS client that is nothing but OpenSSL calls, for cases that OpensslStream never produces. */
import * as ffi from 'node:ffi';

const { functions: ssl } = ffi.dlopen(null, {
  TLS_client_method: { arguments: [], return: 'pointer' },
  SSL_CTX_new: { arguments: ['pointer'], return: 'pointer' },
  SSL_CTX_free: { arguments: ['pointer'], return: 'void' },
  SSL_CTX_set_cipher_list: { arguments: ['pointer', 'string'], return: 'i32' },
  SSL_new: { arguments: ['pointer'], return: 'pointer' },
  SSL_free: { arguments: ['pointer'], return: 'void' },
  SSL_set_bio: { arguments: ['pointer', 'pointer', 'pointer'], return: 'void' },
  SSL_set_connect_state: { arguments: ['pointer'], return: 'void' },
  SSL_do_handshake: { arguments: ['pointer'], return: 'i32' },
  SSL_key_update: { arguments: ['pointer', 'i32'], return: 'i32' },
  SSL_read: { arguments: ['pointer', 'buffer', 'i32'], return: 'i32' },
  SSL_write: { arguments: ['pointer', 'buffer', 'i32'], return: 'i32' },
  BIO_s_mem: { arguments: [], return: 'pointer' },
  BIO_new: { arguments: ['pointer'], return: 'pointer' },
  BIO_read: { arguments: ['pointer', 'buffer', 'i32'], return: 'i32' },
  BIO_write: { arguments: ['pointer', 'buffer', 'i32'], return: 'i32' },
});

const updateRequested = 1;

export class RawClient {
  readonly #context = ssl.SSL_CTX_new(ssl.TLS_client_method());
  readonly #ssl = ssl.SSL_new(this.#context);
  readonly #in = ssl.BIO_new(ssl.BIO_s_mem());
  readonly #out = ssl.BIO_new(ssl.BIO_s_mem());
  readonly #room = Buffer.alloc(1 << 20);
  isSecure = false;

  constructor() {
    ssl.SSL_set_bio(this.#ssl, this.#in, this.#out);
    ssl.SSL_set_connect_state(this.#ssl);
  }

  /** Some failure of another one on this thread, whose error stays in the queue. */
  static leaveError(): void {
    const context = ssl.SSL_CTX_new(ssl.TLS_client_method());
    ssl.SSL_CTX_set_cipher_list(context, 'NO-SUCH-CIPHER');
    ssl.SSL_CTX_free(context);
  }

  receive(bytes: Buffer): void {
    ssl.BIO_write(this.#in, bytes, bytes.length);
  }

  shakeHands(): Buffer {
    this.isSecure = ssl.SSL_do_handshake(this.#ssl) === 1;
    return this.#sent();
  }

  updateKeys(): void {
    ssl.SSL_key_update(this.#ssl, updateRequested);
  }

  /** The message, without data after it. */
  updateKeysNow(): Buffer {
    this.updateKeys();
    ssl.SSL_do_handshake(this.#ssl);
    return this.#sent();
  }

  write(bytes: Buffer): Buffer {
    ssl.SSL_write(this.#ssl, bytes, bytes.length);
    return this.#sent();
  }

  read(): Buffer {
    let filled = 0;
    for (let count: number; ; filled += count) {
      count = ssl.SSL_read(this.#ssl, this.#room.subarray(filled), this.#room.length - filled);
      if (count <= 0) return Buffer.from(this.#room.subarray(0, filled));
    }
  }

  #sent(): Buffer {
    const count = ssl.BIO_read(this.#out, this.#room, this.#room.length);
    return Buffer.from(this.#room.subarray(0, Math.max(0, count)));
  }

  free(): void {
    ssl.SSL_free(this.#ssl);
    ssl.SSL_CTX_free(this.#context);
  }
}
