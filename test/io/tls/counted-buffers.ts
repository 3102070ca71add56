/** Buffers that count how many of them are in use, and are overwritten when they are released. */
import type { BufferId } from '../../../src/io/driver.ts';
import type { TlsBuffers } from '../../../src/io/tls/engine.ts';

export class CountedBuffers implements TlsBuffers {
  readonly #live = new Map<BufferId, Uint8Array>();
  #next = 1;

  get outstanding(): number {
    return this.#live.size;
  }

  bytes(buffer: BufferId): Uint8Array {
    const bytes = this.#live.get(buffer);
    if (!bytes) throw new Error(`buffer ${buffer} was given back`);
    return bytes;
  }

  release(buffer: BufferId): void {
    this.bytes(buffer).fill(0xdd);
    this.#live.delete(buffer);
  }

  wrap(bytes: Uint8Array): BufferId {
    const id = this.#next++;
    this.#live.set(id, Uint8Array.from(bytes));
    return id;
  }
}
