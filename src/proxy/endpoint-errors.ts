/** Tells the control plane the last error of each endpoint: one message a second for each, whatever the rate of the errors. */
import type { ControlChannel, RouteId } from './messages.ts';

const everyMs = 1_000;
const maxKnown = 4_096;

export class EndpointErrors {
  readonly #now: () => number;
  readonly #control: ControlChannel;
  /** When it was last reported, by the endpoint's slot. */
  readonly #toldAt = new Map<number, number>();

  constructor(now: () => number, control: ControlChannel) {
    this.#now = now;
    this.#control = control;
  }

  note(route: RouteId, slot: number, reason: string): void {
    const now = this.#now();
    if (now - (this.#toldAt.get(slot) ?? Number.NEGATIVE_INFINITY) < everyMs) return;
    if (this.#toldAt.size >= maxKnown) this.#toldAt.clear();
    this.#toldAt.set(slot, now);
    this.#control.post({ type: 'endpointError', route, slot, at: Date.now(), reason });
  }
}
