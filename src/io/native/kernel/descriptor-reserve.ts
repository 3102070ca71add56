/** Whether descriptors of this process lie in the reserve of its control plane: see ../../descriptor-reserve.ts. */
import { reserveCeiling } from '../../descriptor-reserve.ts';
import { EFD_CLOEXEC, EFD_NONBLOCK, RLIMIT_NOFILE } from './constants.ts';
import { libc } from './libc.ts';
import { mapMemory } from './memory.ts';

/** A multishot accept takes up to 32 connections in one turn. */
const acceptedPerTurn = 64;

class DescriptorReserve {
  readonly #limits = mapMemory(16);
  readonly #soft = new BigUint64Array(this.#limits.buffer);
  #ceiling = this.#readCeiling();

  /** Of a descriptor that was opened just now. */
  isReserved(fd: number): boolean {
    if (fd < this.#ceiling) return false;
    // The limit may have been raised meanwhile.
    this.#ceiling = this.#readCeiling();
    return fd >= this.#ceiling;
  }

  /** Of a descriptor that was opened just now: whether as many as one turn may accept would reach the reserve. */
  isNear(fd: number): boolean {
    return fd >= this.#ceiling - acceptedPerTurn;
  }

  /** Whether a descriptor opened now would lie below the reserve. */
  hasRoom(): boolean {
    const fd = libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return false;
    libc.close(fd);
    return !this.isReserved(fd);
  }

  #readCeiling(): number {
    const isKnown = libc.getrlimit(RLIMIT_NOFILE, this.#limits.pointer) === 0;
    return isKnown ? reserveCeiling(Number(this.#soft[0])) : Number.POSITIVE_INFINITY;
  }
}

export const reserve = new DescriptorReserve();
