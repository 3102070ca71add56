/**
 * The memory OpenSSL reads from and writes to instead of sockets: one pair for all connections of a thread.
 *
 * OpenSSL reads the received chunk itself: the BUF_MEM of a read-only memory BIO points at it. The length in the BUF_MEM of the other
 * BIO tells, without a call, how much OpenSSL has written. As all connections share them, nothing stays in either beyond one call: see
 * `rest` and `written`.
 */
import type { BufferId } from '../../driver.ts';
import type { BufferPool } from '../base/buffer-pool.ts';
import { mapMemory, type NativeMemory } from '../kernel/memory.ts';
import { opensslError } from './errors.ts';
import { bytesAt, nullPointer, openssl } from './library.ts';

const setEndOfFile = 130;
const getBufMem = 115;
/** BUF_MEM: size_t length; char *data; size_t max; unsigned long flags. */
const bufMemBytes = 32;
const Word = { length: 0, lengthHigh: 1, dataLow: 2, dataHigh: 3 } as const;

export class OpensslBios {
  readonly #pool: BufferPool;
  readonly #reader: bigint;
  readonly #writer: bigint;
  readonly #input: Int32Array;
  readonly #output: Int32Array;
  /** Where bytes are when the pool has no buffer for them. */
  readonly #scratch: NativeMemory;

  constructor(pool: BufferPool) {
    this.#pool = pool;
    this.#scratch = mapMemory(pool.room);
    this.#reader = openssl.BIO_new_mem_buf(this.#scratch.pointer, 1);
    this.#writer = openssl.BIO_new(openssl.BIO_s_mem());
    if (this.#reader === nullPointer || this.#writer === nullPointer) throw opensslError('memory');
    // Empty means: later, not: the end.
    openssl.BIO_ctrl(this.#reader, setEndOfFile, -1n, nullPointer);
    this.#input = this.#bufMemOf(this.#reader);
    this.#output = this.#bufMemOf(this.#writer);
    this.#input[Word.length] = 0;
  }

  attach(ssl: bigint): void {
    openssl.BIO_up_ref(this.#reader);
    openssl.BIO_up_ref(this.#writer);
    openssl.SSL_set_bio(ssl, this.#reader, this.#writer);
  }

  /** Lets the next call read this; the buffer must stay until `rest`. */
  feed(buffer: BufferId, offset: number, length: number): void {
    const low = (this.#pool.low(buffer) >>> 0) + offset;
    this.#input[Word.dataLow] = low;
    this.#input[Word.dataHigh] = this.#pool.high(buffer) + (low > 0xffff_ffff ? 1 : 0);
    this.#input[Word.length] = length;
    this.#input[Word.lengthHigh] = 0;
  }

  /** The bytes fed that OpenSSL has not read yet. */
  get unread(): number {
    return this.#input[Word.length];
  }

  /** The same, and nothing of it will be read any more. */
  rest(): number {
    const unread = this.#input[Word.length];
    this.#input[Word.length] = 0;
    return unread;
  }

  /** Bytes that were written and are not taken yet. */
  get written(): number {
    return this.#output[Word.length];
  }

  /** Moves what was written to a buffer, up to its size. @returns how much that is is `length` */
  take(length: number): BufferId {
    const buffer = this.target();
    openssl.BIO_read(this.#writer, this.pointer(buffer), length);
    // OpenSSL itself brings it up to date only with the next write.
    this.#output[Word.length] -= length;
    return this.settle(buffer, length);
  }

  /** A buffer to be written to, or -1 for the scratch. */
  target(): BufferId {
    return this.#pool.take();
  }

  pointer(target: BufferId): bigint {
    return target < 0 ? this.#scratch.pointer : this.#pool.pointer(target);
  }

  /** @returns the buffer with the bytes that were written to a target; the caller owns it */
  settle(target: BufferId, length: number): BufferId {
    return target < 0 ? this.#pool.copyIn(this.#scratch.bytes.subarray(0, length)) : target;
  }

  #bufMemOf(bio: bigint): Int32Array {
    const cell = new BigUint64Array(this.#scratch.buffer, 0, 1);
    openssl.BIO_ctrl(bio, getBufMem, 0n, this.#scratch.pointer);
    const bytes = bytesAt(cell[0], bufMemBytes);
    return new Int32Array(bytes.buffer);
  }
}
