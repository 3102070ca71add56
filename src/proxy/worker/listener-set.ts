/** The listeners of one worker: opened, adjusted, paused and closed; which accepted connection becomes a session, and when. */
import { constants } from 'node:os';
import { type SocketAddress, showAddress } from '../../io/driver.ts';
import { showErrno } from '../../io/errno.ts';
import type { Handle } from '../../io/handle.ts';
import { gateDeadline, type WorkerContext } from '../context.ts';
import { Listener } from '../listener.ts';
import type { ControlChannel, ListenerSpec } from '../messages.ts';
import { Owner } from '../owners.ts';
import type { Route } from '../route.ts';

const { ECANCELED } = constants.errno;

/** How soon a worker sees a place that another one has freed. */
const gateCheckMs = 20;

export interface ListenerSetOptions {
  readonly context: WorkerContext;
  readonly control: ControlChannel;
  /** Share the port with the same listener of other workers. */
  readonly reusePort: boolean;
  /** A connection that its listener has admitted. */
  readonly admitted: (listener: Listener, socket: Handle) => void;
}

export class ListenerSet {
  readonly #options: ListenerSetOptions;
  readonly #context: WorkerContext;
  readonly #control: ControlChannel;
  /** By id, until their sockets are closed. */
  readonly #listeners = new Map<number, Listener>();
  /** Those whose queue is not empty. */
  readonly #crowded = new Set<Listener>();

  constructor(options: ListenerSetOptions) {
    this.#options = options;
    this.#context = options.context;
    this.#control = options.control;
  }

  open(spec: ListenerSpec, route: Route | null, isPaused: boolean): void {
    const { driver, counts, owners } = this.#context;
    const handle = driver.listen({
      ip: spec.ip,
      port: spec.port,
      backlog: spec.backlog,
      reusePort: this.#options.reusePort,
      socket: { keepAliveSecs: spec.keepAliveSecs },
    });
    const listener = new Listener(spec, route, handle, { driver, counts }, this.#watchGates);
    if (isPaused) listener.pause(true);
    this.#listeners.set(spec.id, listener);
    owners.set(handle, Owner.listener, spec.id);
  }

  adjust(spec: ListenerSpec, route: Route | null): void {
    const listener = this.#listeners.get(spec.id);
    if (listener && !listener.closed) listener.adjust(spec, route);
  }

  close(id: number): void {
    const listener = this.#listeners.get(id);
    if (listener) this.#close(listener, ECANCELED);
    else this.#control.post({ type: 'unlistened', id });
  }

  closeAll(): void {
    for (const listener of this.#listeners.values()) this.#close(listener, ECANCELED);
  }

  /** @param errno the answer to `listen` where the listener never got to listen */
  #close(listener: Listener, errno: number): void {
    if (listener.closed) return;
    listener.close();
    const { driver, owners } = this.#context;
    if (listener.address === '') this.#control.post({ type: 'listenFailed', id: listener.spec.id, errno });
    driver.close(listener.handle);
    for (const socket of listener.queue.splice(0)) {
      owners.clear(socket);
      driver.reset(socket);
    }
  }

  /** Stops all from accepting, or lets them accept again. */
  pause(on: boolean): void {
    for (const listener of this.#listeners.values()) listener.pause(on);
  }

  /** Opens the gates that may open, and looks again soon at those that stay shut. */
  retryGates(): void {
    for (const listener of this.#listeners.values()) {
      listener.retryGate();
      if (listener.isFull) this.#watchGates();
    }
  }

  /** A session of another worker that ends makes room without a word. */
  readonly #watchGates = (): void => {
    this.#context.deadlines.set(gateDeadline, this.#context.driver.now() + gateCheckMs);
  };

  /** Admits connections from the queues, as far as the limits allow. */
  admitQueued(): void {
    for (const listener of this.#crowded) {
      while (listener.queue.length > 0 && listener.admit())
        this.#options.admitted(listener, listener.queue.shift() as Handle);
      if (listener.queue.length > 0) continue;
      this.#crowded.delete(listener);
      listener.retryGate();
    }
  }

  // ---- events of the driver, by the listener's id -----------------------------------------------------------------------

  listening(id: number, address: SocketAddress): void {
    const listener = this.#byId(id);
    listener.address = showAddress(address);
    this.#control.post({ type: 'listening', id, ip: address.ip, port: address.port });
  }

  accepted(id: number, socket: Handle): void {
    const { driver, owners } = this.#context;
    const listener = this.#byId(id);
    if (listener.closed) driver.reset(socket);
    else if (listener.queue.length === 0 && listener.admit()) this.#options.admitted(listener, socket);
    else {
      owners.set(socket, Owner.queued, id);
      listener.queue.push(socket);
      this.#crowded.add(listener);
    }
  }

  /** A connection in the queue has failed. */
  queuedFailed(id: number, socket: Handle): void {
    const { queue } = this.#byId(id);
    queue.splice(queue.indexOf(socket), 1);
    this.#context.owners.clear(socket);
    this.#context.driver.close(socket);
  }

  failed(id: number, errno: number): void {
    const listener = this.#byId(id);
    if (listener.address !== '')
      this.#context.notice('error', `no longer listening on ${listener.address}: ${showErrno(errno)}`);
    this.#close(listener, errno);
  }

  closed(id: number): void {
    this.#listeners.delete(id);
    this.#control.post({ type: 'unlistened', id });
  }

  #byId(id: number): Listener {
    return this.#listeners.get(id) as Listener;
  }
}
