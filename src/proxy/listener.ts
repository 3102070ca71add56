/** A listener as one worker sees it: its settings, its admission gate, and the connections that wait for a place. */
import type { Driver } from '../io/driver.ts';
import type { Handle } from '../io/handle.ts';
import { AdmissionGate } from './admission-gate.ts';
import type { WorkerContext } from './context.ts';
import type { ListenerSpec } from './messages.ts';
import type { Route } from './route.ts';

export class Listener {
  spec: ListenerSpec;
  /** Null refuses clients that name no server, or one that resolves to nothing. */
  route: Route | null;
  readonly handle: Handle;
  /** The bound `ip:port`; empty until it listens. */
  address = '';
  /** Connections accepted when the limit was reached, unread, oldest first. They go before those still in the kernel. */
  readonly queue: Handle[] = [];
  readonly #driver: Driver;
  readonly #gate: AdmissionGate;
  #isClosed = false;

  constructor(
    spec: ListenerSpec,
    route: Route | null,
    handle: Handle,
    { driver, counts }: Pick<WorkerContext, 'driver' | 'counts'>,
    onShut: () => void,
  ) {
    this.spec = spec;
    this.route = route;
    this.handle = handle;
    this.#driver = driver;
    this.#gate = new AdmissionGate(handle, driver, counts, onShut);
  }

  /** No new connections: removed by a reload, or the proxy drains. */
  get closed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    this.#isClosed = true;
    this.#gate.close();
  }

  /** New settings for new sessions; the socket and the count stay. */
  adjust(spec: ListenerSpec, route: Route | null): void {
    const { backlog, keepAliveSecs } = spec;
    if (backlog !== this.spec.backlog || keepAliveSecs !== this.spec.keepAliveSecs)
      this.#driver.adjust(this.handle, { backlog, socket: { keepAliveSecs } });
    this.spec = spec;
    this.route = route;
    this.retryGate();
  }

  /** Admits one more session, if the limit allows it; {@link ended} counts it out. */
  admit(): boolean {
    return this.#gate.admit(this.spec);
  }

  ended(): void {
    this.#gate.leave(this.spec);
    this.retryGate();
  }

  /** Connections wait for a place. */
  get isFull(): boolean {
    return this.#gate.isShut;
  }

  retryGate(): void {
    if (this.queue.length === 0) this.#gate.retry(this.spec);
  }

  pause(on: boolean): void {
    this.#gate.pause(on);
  }
}
