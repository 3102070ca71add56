/**
 * Hands out rows of the endpoint table. Main thread only.
 *
 * A slot comes back only through {@link SlotAllocator.free}, and is then reused as late as possible, so that a report
 * which arrives late rarely meets a new owner.
 */
import { LinkerdTcpError } from '../errors.ts';
import type { EndpointSlot } from './endpoint-table.ts';

export class SlotAllocator {
  readonly capacity: number;
  readonly #taken = new Set<EndpointSlot>();
  readonly #freed: EndpointSlot[] = [];
  #untouched = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get inUse(): number {
    return this.#taken.size;
  }

  allocate(): EndpointSlot {
    const slot = this.#untouched < this.capacity ? this.#untouched++ : this.#freed.shift();
    if (slot === undefined) throw new LinkerdTcpError('SHARED_MEMORY_FULL', { what: 'endpoint', limit: this.capacity });
    this.#taken.add(slot);
    return slot;
  }

  free(slot: EndpointSlot): void {
    if (!this.#taken.delete(slot)) throw new RangeError(`endpoint slot ${slot} is not in use`);
    this.#freed.push(slot);
  }
}
