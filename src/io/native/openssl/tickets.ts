/**
 * Keys of session tickets: AES-256-CBC and HMAC-SHA-256, as RFC 5077 §4 recommends.
 *
 * OpenSSL asks which key to use for each ticket it makes or is shown. All threads have the same keys, so any of them resumes what
 * another one has begun.
 */
import { mapMemory, pointerOf } from '../kernel/memory.ts';
import { bytesAt, nullPointer, openssl } from './library.ts';

const keyBytes = 80;
const nameBytes = 16;
const macKeyAt = 16;
const macKeyBytes = 32;
const cipherKeyAt = 48;
const ivBytes = 16;

/** The answers to OpenSSL's ticket callback. */
export const TicketAnswer = { failed: -1, unknown: 0, use: 1, useAndRenew: 2 } as const;

// OSSL_PARAM: name, type, value, size, size returned.
const paramBytes = 40;
const utf8String = 4;
const octetString = 5;

const texts = mapMemory(64);
const keyName = putText(0, 'key');
const digestName = putText(8, 'digest');
const sha256 = putText(16, 'SHA256');

function putText(at: number, text: string): bigint {
  new TextEncoder().encodeInto(text, texts.bytes.subarray(at));
  return texts.pointer + BigInt(at);
}

let fetchedCipher = nullPointer;

/** Never freed: one for each thread. */
function cipher(): bigint {
  if (fetchedCipher === nullPointer) fetchedCipher = openssl.EVP_CIPHER_fetch(nullPointer, 'AES-256-CBC', nullPointer);
  return fetchedCipher;
}

export class TicketKeys {
  readonly #count: number;
  readonly #bytes: Uint8Array;
  readonly #start: bigint;
  /** Three OSSL_PARAMs for each key: the MAC's key, its digest, and the end. */
  readonly #params: BigUint64Array;
  readonly #paramsStart: bigint;

  constructor(keys: readonly Uint8Array[]) {
    this.#count = keys.length;
    // OpenSSL keeps pointers into both, and the memory of an ArrayBuffer never moves.
    this.#bytes = new Uint8Array(new ArrayBuffer(keys.length * keyBytes));
    this.#start = pointerOf(this.#bytes);
    this.#params = new BigUint64Array(new ArrayBuffer(keys.length * 3 * paramBytes));
    this.#paramsStart = pointerOf(new Uint8Array(this.#params.buffer));
    keys.forEach((key, index) => {
      if (key.length !== keyBytes) throw new Error(`ticket keys: ${key.length} bytes, not ${keyBytes}`);
      this.#bytes.set(key, index * keyBytes);
      this.#setParams(index);
    });
  }

  /** The ticket is to be encrypted: fills in the key's name and the IV. */
  encrypt(name: bigint, iv: bigint, cipherContext: bigint, macContext: bigint): number {
    if (openssl.RAND_bytes(iv, ivBytes) !== 1) return TicketAnswer.failed;
    bytesAt(name, nameBytes).set(this.#bytes.subarray(0, nameBytes));
    const key = this.#start + BigInt(cipherKeyAt);
    return openssl.EVP_EncryptInit_ex(cipherContext, cipher(), nullPointer, key, iv) === 1 &&
      openssl.EVP_MAC_CTX_set_params(macContext, this.#paramsStart) === 1
      ? TicketAnswer.use
      : TicketAnswer.failed;
  }

  /** @param always whether even a ticket of the newest key is used only once */
  decrypt(name: bigint, iv: bigint, cipherContext: bigint, macContext: bigint, always: boolean): number {
    const index = this.#find(bytesAt(name, nameBytes));
    if (index < 0) return TicketAnswer.unknown;
    const key = this.#start + BigInt(index * keyBytes + cipherKeyAt);
    const params = this.#paramsStart + BigInt(index * 3 * paramBytes);
    if (openssl.EVP_DecryptInit_ex(cipherContext, cipher(), nullPointer, key, iv) !== 1) return TicketAnswer.failed;
    if (openssl.EVP_MAC_CTX_set_params(macContext, params) !== 1) return TicketAnswer.failed;
    return index > 0 || always ? TicketAnswer.useAndRenew : TicketAnswer.use;
  }

  #find(name: Uint8Array): number {
    for (let index = 0; index < this.#count; index++) {
      const start = index * keyBytes;
      if (name.every((byte, at) => byte === this.#bytes[start + at])) return index;
    }
    return -1;
  }

  #setParams(index: number): void {
    const macKey = this.#start + BigInt(index * keyBytes + macKeyAt);
    const at = (index * 3 * paramBytes) / 8;
    this.#params.set([keyName, BigInt(octetString), macKey, BigInt(macKeyBytes), 0n], at);
    this.#params.set([digestName, BigInt(utf8String), sha256, 6n, 0n], at + 5);
  }
}
