/**
 * A listener as one worker sees it: its settings, its share of the accept gate.
 *
 * `maxConcurrency` holds over all workers: the count of active sessions is shared. A worker that finds it full stops accepting
 * (the rest waits in the kernel) and looks again when one of its own sessions ends or the gate's retry time comes. What it
 * had accepted by then waits, unread, in a queue, and goes first.
 */
import type { Driver } from '../io/driver.ts';
import type { Handle } from '../io/handle.ts';
import type { ListenerSpec } from './messages.ts';
import type { Route } from './route.ts';

export class Listener {
  spec: ListenerSpec;
  /** Null: whoever names no server, or one that means nothing, is refused. */
  route: Route | null;
  readonly handle: Handle;
  /** The bound `ip:port`; empty until it listens. */
  address = '';
  /** No new connections: removed by a reload, or the proxy drains. */
  closed = false;
  /** Sockets accepted when there was no place left, oldest first. */
  readonly queue: Handle[] = [];
  /** There is no place left. */
  #gateShut = false;
  #isPaused = false;
  readonly #driver: Driver;
  readonly #counts: Int32Array;

  constructor(spec: ListenerSpec, route: Route | null, handle: Handle, driver: Driver, counts: Int32Array) {
    this.spec = spec;
    this.route = route;
    this.handle = handle;
    this.#driver = driver;
    this.#counts = counts;
  }

  /** New settings for new sessions; the socket and the count stay. */
  adjust(spec: ListenerSpec, route: Route | null): void {
    this.spec = spec;
    this.route = route;
    this.retryGate();
  }

  /** Takes a place for one more session, if there is one left; {@link ended} gives it back. */
  admit(): boolean {
    const { active, maxConcurrency } = this.spec;
    let count = Atomics.load(this.#counts, active);
    while (count < maxConcurrency) {
      const seen = Atomics.compareExchange(this.#counts, active, count, count + 1);
      if (seen === count) {
        if (count + 1 >= maxConcurrency) this.#shut();
        return true;
      }
      count = seen;
    }
    this.#shut();
    return false;
  }

  ended(): void {
    Atomics.sub(this.#counts, this.spec.active, 1);
    this.retryGate();
  }

  /** Opens the gate again when there is room. */
  retryGate(): void {
    if (!this.#gateShut || this.closed || this.queue.length > 0) return;
    if (Atomics.load(this.#counts, this.spec.active) >= this.spec.maxConcurrency) return;
    this.#gateShut = false;
    if (!this.#isPaused) this.#driver.accepting(this.handle, true);
  }

  /** Accepts nobody, whatever room there is, until it is turned off again. */
  pause(on: boolean): void {
    if (this.closed || on === this.#isPaused) return;
    this.#isPaused = on;
    if (!this.#gateShut) this.#driver.accepting(this.handle, !on);
  }

  #shut(): void {
    if (this.#gateShut || this.closed) return;
    this.#gateShut = true;
    if (!this.#isPaused) this.#driver.accepting(this.handle, false);
  }
}
