/**
 * Handles name sockets of one driver: `generation << 20 | slot`.
 *
 * Slots are small and dense, so that per-socket state lives in arrays. The generation changes at each reuse of a slot: a stale handle
 * differs from the handle of its slot's new owner.
 */
declare const brand: unique symbol;
export type Handle = number & { readonly [brand]: 'handle' };

export const noHandle = -1 as Handle;
export const maxSlots = 1 << 20;
const generations = 1 << 11;

export const slotOf = (handle: Handle): number => handle & (maxSlots - 1);

/** Allocates slots, the most recently freed first, and stamps each use with a new generation. */
export class HandleTable {
  readonly #generation: number[] = [];
  readonly #free: number[] = [];

  /** @returns a handle that no open socket has, or {@link noHandle} when 2^20 sockets are open. */
  take(): Handle {
    let slot = this.#free.pop();
    if (slot === undefined) {
      slot = this.#generation.length;
      if (slot === maxSlots) return noHandle;
      this.#generation.push(0);
    }
    return ((this.#generation[slot] << 20) | slot) as Handle;
  }

  isCurrent(handle: Handle): boolean {
    return handle >= 0 && this.#generation[slotOf(handle)] === handle >>> 20;
  }

  release(handle: Handle): void {
    const slot = slotOf(handle);
    this.#generation[slot] = (this.#generation[slot] + 1) % generations;
    this.#free.push(slot);
  }

  get live(): number {
    return this.#generation.length - this.#free.length;
  }
}
