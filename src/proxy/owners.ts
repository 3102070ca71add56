/** The owner of each socket of a driver: kind and index in one integer by slot, so that an event finds its owner without a lookup. */
import { type Handle, slotOf } from '../io/handle.ts';

/** `queued`: accepted, and waiting for a place under `maxConcurrency`; its index is the listener's, which is the listener's id. */
export const Owner = { none: 0, client: 1, upstream: 2, idle: 3, listener: 4, queued: 5 } as const;
export type OwnerKind = (typeof Owner)[keyof typeof Owner];

const kindBits = 3;
const kindMask = (1 << kindBits) - 1;

export class Owners {
  #bySlot = new Int32Array(256);

  set(handle: Handle, kind: OwnerKind, index: number): void {
    const slot = slotOf(handle);
    if (slot >= this.#bySlot.length) {
      const larger = new Int32Array(Math.max(slot + 1, this.#bySlot.length * 2));
      larger.set(this.#bySlot);
      this.#bySlot = larger;
    }
    this.#bySlot[slot] = (index << kindBits) | kind;
  }

  /** The owner releases the socket: later events for it have no owner. */
  clear(handle: Handle): void {
    this.#bySlot[slotOf(handle)] = Owner.none;
  }

  /** Kind and index packed; take apart with {@link kindOf} and {@link indexOf}. */
  get(handle: Handle): number {
    return this.#bySlot[slotOf(handle)];
  }
}

export const kindOf = (owner: number): OwnerKind => (owner & kindMask) as OwnerKind;
export const indexOf = (owner: number): number => owner >> kindBits;
