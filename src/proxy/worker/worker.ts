/**
 * One worker of the data plane: gives each event of its driver to whom it concerns, and applies what the control plane publishes.
 *
 * It runs in a thread of its own, and in tests in any thread: all it knows of the rest is a {@link ControlChannel} and shared memory.
 */

import { constants } from 'node:os';
import { EndpointTable } from '../../balancer/endpoint-table.ts';
import { reasonOf } from '../../errors.ts';
import { type BufferId, type Driver, type DriverEvents, type SocketAddress, showAddress } from '../../io/driver.ts';
import { showErrno } from '../../io/errno.ts';
import type { Handle } from '../../io/handle.ts';
import type { TlsContext, TlsContextId } from '../../io/tls/context.ts';
import type { TlsDetails, TlsEngine, TlsSink } from '../../io/tls/engine.ts';
import type { SecureEvents } from '../../io/tls/secure-driver.ts';
import { TlsDriver } from '../../io/tls/tls-driver.ts';
import { Cells } from '../../metrics/cells.ts';
import { AccessRecordBatcher } from '../access-record-batcher.ts';
import { type BulkProof, defaultBulkProof } from '../bulk.ts';
import {
  firstSessionDeadline,
  housekeepingDeadline,
  recordsDeadline,
  shortageDeadline,
  type WorkerContext,
} from '../context.ts';
import { IdlePool } from '../idle-pool.ts';
import { Listener } from '../listener.ts';
import type { ControlChannel, Down, ListenerSpec, RouteId, RouteSpec, WorkerMemory } from '../messages.ts';
import { indexOf, kindOf, Owner, Owners } from '../owners.ts';
import { ResourcePressure } from '../resource-pressure.ts';
import { Route } from '../route.ts';
import { Sessions } from '../session/sessions.ts';
import { TimerHeap } from '../timer-heap.ts';

const housekeepingMs = 1_000;

export interface WorkerOptions {
  /** 0 … workers - 1. */
  readonly index: number;
  readonly workers: number;
  readonly memory: WorkerMemory;
  readonly control: ControlChannel;
  readonly createDriver: (events: DriverEvents) => Driver;
  /** Made when the first TLS context comes. */
  readonly createTls: (sink: TlsSink, below: Driver) => TlsEngine;
  readonly random: () => number;
  readonly bulk?: BulkProof;
}

export class Worker implements SecureEvents {
  readonly #context: WorkerContext;
  readonly #driver: TlsDriver;
  readonly #control: ControlChannel;
  readonly #workers: number;
  readonly #sessions: Sessions;
  readonly #idle: IdlePool;
  readonly #shortages: ResourcePressure;
  /** By id, until their sockets are closed. */
  readonly #listeners = new Map<number, Listener>();
  readonly #routes = new Map<RouteId, Route>();
  /** Listeners whose queue is not empty. */
  readonly #crowded = new Set<Listener>();
  #drainUntil = Number.POSITIVE_INFINITY;
  #draining = false;

  constructor({
    index,
    workers,
    memory,
    control,
    createDriver,
    createTls,
    random,
    bulk = defaultBulkProof,
  }: WorkerOptions) {
    this.#control = control;
    this.#workers = workers;
    const driver = new TlsDriver(this, createDriver, createTls);
    this.#driver = driver;
    this.#context = {
      driver,
      endpoints: new EndpointTable(memory.endpoints),
      cells: new Cells(memory.metrics),
      counts: new Int32Array(memory.counts),
      deadlines: new TimerHeap(),
      owners: new Owners(),
      random,
      bulk,
      recorder: null,
      notice: (level, text) => control.post({ type: 'notice', level, text }),
      shortage: (text, errno) => this.#shortages.met(text, errno),
    };
    this.#shortages = new ResourcePressure(this.#context, on => {
      for (const listener of this.#listeners.values()) listener.pause(on);
    });
    this.#idle = new IdlePool(this.#context, index, workers);
    this.#sessions = new Sessions(this.#context, this.#idle, control);
    this.#context.deadlines.set(housekeepingDeadline, driver.now() + housekeepingMs);
    this.#rearm();
    control.post({ type: 'ready' });
  }

  /** The one that has the sockets. */
  get driver(): Driver {
    return this.#driver.below;
  }

  /** Sessions and spares that exist now: 0 when all is over. */
  get load(): number {
    return this.#sessions.size + this.#idle.size;
  }

  /** A message from the control plane. */
  tell(message: Down): void {
    switch (message.type) {
      case 'listen':
        this.#listen(message.listener);
        break;
      case 'adjust':
        this.#adjust(message.listener);
        this.#control.post({ type: 'applied', generation: message.generation });
        break;
      case 'unlisten':
        this.#unlisten(message.id);
        break;
      case 'route':
        this.#publish(message.route);
        break;
      case 'unroute':
        this.#unroute(message.id);
        this.#control.post({ type: 'applied', generation: message.generation });
        break;
      case 'named':
        this.#named(message.listener, message.name, message.route);
        break;
      case 'unnamed':
        this.#sessions.forget(message.listener, message.name);
        break;
      case 'tls':
        this.#defineTls(message.id, message.context);
        break;
      case 'untls':
        this.#driver.forgetTls(message.id);
        break;
      case 'recording':
        this.#context.recorder?.flush();
        this.#context.recorder =
          message.recording && new AccessRecordBatcher(this.#context, this.#control, message.recording);
        break;
      case 'drain':
        this.#drain(message.graceMs);
        break;
    }
    this.#rearm();
  }

  /** What the control plane has checked can still be refused here: by another version of OpenSSL, say. */
  #defineTls(id: TlsContextId, context: TlsContext): void {
    try {
      this.#driver.defineTls(id, context);
    } catch (error) {
      this.#context.notice('error', `a TLS context cannot be used, the one before stays: ${reasonOf(error)}`);
    }
  }

  #listen(spec: ListenerSpec): void {
    const { driver, counts, owners } = this.#context;
    if (this.#draining)
      return this.#control.post({ type: 'listenFailed', id: spec.id, errno: constants.errno.ECANCELED });
    const route = this.#routeFor(spec);
    if (route === undefined)
      throw new Error(`listener ${spec.id} leads to route ${spec.route}, which was never published`);
    const handle = driver.listen({
      ip: spec.ip,
      port: spec.port,
      backlog: spec.backlog,
      reusePort: this.#workers > 1,
      socket: { keepAliveSecs: spec.keepAliveSecs },
    });
    const listener = new Listener(spec, route, handle, driver, counts);
    if (this.#shortages.isPaused) listener.pause(true);
    this.#listeners.set(spec.id, listener);
    owners.set(handle, Owner.listener, spec.id);
  }

  #adjust(spec: ListenerSpec): void {
    const listener = this.#listeners.get(spec.id);
    const route = this.#routeFor(spec);
    if (listener && route !== undefined && !listener.closed) listener.adjust(spec, route);
  }

  #routeFor({ route }: ListenerSpec): Route | null | undefined {
    return route === null ? null : this.#routes.get(route);
  }

  #named(listener: number, name: string, id: RouteId | null): void {
    const route = id === null ? null : this.#routes.get(id);
    this.#sessions.named(listener, name, route ?? null);
  }

  #unlisten(id: number): void {
    const listener = this.#listeners.get(id);
    if (listener) this.#closeListener(listener, constants.errno.ECANCELED);
    else this.#control.post({ type: 'unlistened', id });
  }

  /** @param errno what is answered where it did not get to listen */
  #closeListener(listener: Listener, errno: number): void {
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

  #publish(spec: RouteSpec): void {
    const route = this.#routes.get(spec.id);
    if (route) route.publish(spec);
    else this.#routes.set(spec.id, new Route(spec, this.#context.endpoints, this.#context.random));
    if (route && spec.target.state !== 'pending') this.#sessions.published(route);
    if (!this.#draining) this.#idle.refresh(route ?? (this.#routes.get(spec.id) as Route));
    this.#control.post({ type: 'applied', generation: spec.generation });
  }

  /** Only after the last listener of the route is gone; sessions that run keep what they need. */
  #unroute(id: RouteId): void {
    const route = this.#routes.get(id);
    if (!route) return;
    this.#idle.drop(route);
    this.#routes.delete(id);
  }

  #drain(graceMs: number): void {
    this.#draining = true;
    for (const listener of this.#listeners.values()) this.#closeListener(listener, constants.errno.ECANCELED);
    this.#idle.dropAll();
    this.#drainUntil = this.#context.driver.now() + graceMs;
    this.#context.deadlines.set(housekeepingDeadline, this.#context.driver.now());
  }

  #housekeep(now: number): void {
    if (now >= this.#drainUntil) {
      const cut = this.#sessions.cutAll();
      this.#drainUntil = Number.POSITIVE_INFINITY;
      this.#drained(cut);
    }
    if (!this.#draining) this.#idle.tend();
    for (const listener of this.#listeners.values()) listener.retryGate();
    this.#context.deadlines.set(housekeepingDeadline, Math.min(now + housekeepingMs, this.#drainUntil));
  }

  #drained(cut: number): void {
    this.#context.recorder?.flush();
    this.#control.post({ type: 'drained', cut });
  }

  /** After every turn that may have ended a session or set a deadline. */
  #rearm(): void {
    const { deadlines, driver } = this.#context;
    if (this.#crowded.size > 0) this.#admitQueued();
    if (this.#draining && this.#drainUntil !== Number.POSITIVE_INFINITY && this.#sessions.size === 0) {
      this.#drainUntil = Number.POSITIVE_INFINITY;
      this.#drained(0);
    }
    driver.wakeAt(deadlines.next());
  }

  #admitQueued(): void {
    for (const listener of this.#crowded) {
      while (listener.queue.length > 0 && listener.admit())
        this.#sessions.accepted(listener, listener.queue.shift() as Handle);
      if (listener.queue.length > 0) continue;
      this.#crowded.delete(listener);
      listener.retryGate();
    }
  }

  /** Of a listening socket, or of one that waits in a listener's queue. */
  #listenerOf(handle: Handle): Listener {
    return this.#listeners.get(indexOf(this.#context.owners.get(handle))) as Listener;
  }

  // ---- events of the driver -------------------------------------------------------------------------------------------

  listening(handle: Handle, address: SocketAddress): void {
    const listener = this.#listenerOf(handle);
    listener.address = showAddress(address);
    this.#control.post({ type: 'listening', id: listener.spec.id, ip: address.ip, port: address.port });
  }

  accepted(handle: Handle, socket: Handle): void {
    const { driver, owners } = this.#context;
    const listener = this.#listenerOf(handle);
    if (listener.closed) driver.reset(socket);
    else if (listener.queue.length === 0 && listener.admit()) this.#sessions.accepted(listener, socket);
    else {
      owners.set(socket, Owner.queued, listener.spec.id);
      listener.queue.push(socket);
      this.#crowded.add(listener);
    }
    this.#rearm();
  }

  acceptFailed(_handle: Handle, errno: number): void {
    this.#context.shortage('cannot accept connections', errno);
  }

  connected(handle: Handle): void {
    const owner = this.#context.owners.get(handle);
    if (kindOf(owner) === Owner.upstream) this.#sessions.upstreamConnected(indexOf(owner));
    else if (kindOf(owner) === Owner.idle) this.#idle.connected(indexOf(owner));
    this.#rearm();
  }

  secured(handle: Handle, details: TlsDetails): void {
    const owner = this.#context.owners.get(handle);
    if (kindOf(owner) === Owner.client) this.#sessions.clientSecured(indexOf(owner), details);
    else if (kindOf(owner) === Owner.upstream) this.#sessions.upstreamSecured(indexOf(owner), details);
    else if (kindOf(owner) === Owner.idle) this.#idle.secured(indexOf(owner), details);
    this.#rearm();
  }

  data(handle: Handle, buffer: BufferId, offset: number, length: number): void {
    const owner = this.#context.owners.get(handle);
    switch (kindOf(owner)) {
      case Owner.client:
        return this.#sessions.clientData(indexOf(owner), buffer, offset, length);
      case Owner.upstream:
        return this.#sessions.upstreamData(indexOf(owner), buffer, offset, length);
      case Owner.idle:
        return this.#idle.data(indexOf(owner), buffer, offset, length);
      default:
        this.#context.driver.release(buffer);
    }
  }

  moved(handle: Handle, length: number): void {
    const owner = this.#context.owners.get(handle);
    if (kindOf(owner) === Owner.client) this.#sessions.clientMoved(indexOf(owner), length);
    else if (kindOf(owner) === Owner.upstream) this.#sessions.upstreamMoved(indexOf(owner), length);
  }

  drained(handle: Handle): void {
    const owner = this.#context.owners.get(handle);
    if (kindOf(owner) === Owner.client) this.#sessions.clientDrained(indexOf(owner));
    else if (kindOf(owner) === Owner.upstream) this.#sessions.upstreamDrained(indexOf(owner));
    this.#rearm();
  }

  ended(handle: Handle): void {
    const owner = this.#context.owners.get(handle);
    if (kindOf(owner) === Owner.client) this.#sessions.clientEnded(indexOf(owner));
    else if (kindOf(owner) === Owner.upstream) this.#sessions.upstreamEnded(indexOf(owner));
    else if (kindOf(owner) === Owner.idle) this.#idle.lost(indexOf(owner));
    this.#rearm();
  }

  failed(handle: Handle, errno: number): void {
    const owner = this.#context.owners.get(handle);
    switch (kindOf(owner)) {
      case Owner.client:
        this.#sessions.clientFailed(indexOf(owner));
        break;
      case Owner.upstream:
        this.#sessions.upstreamFailed(indexOf(owner), errno);
        break;
      case Owner.idle:
        this.#idle.lost(indexOf(owner), errno);
        break;
      case Owner.queued: {
        const { queue } = this.#listenerOf(handle);
        queue.splice(queue.indexOf(handle), 1);
        this.#context.owners.clear(handle);
        this.#context.driver.close(handle);
        break;
      }
      case Owner.listener: {
        const listener = this.#listenerOf(handle);
        if (listener.address !== '')
          this.#context.notice('error', `no longer listening on ${listener.address}: ${showErrno(errno)}`);
        this.#closeListener(listener, errno);
        break;
      }
    }
    this.#rearm();
  }

  closed(handle: Handle): void {
    const owner = this.#context.owners.get(handle);
    if (kindOf(owner) !== Owner.listener) return;
    const id = indexOf(owner);
    this.#context.owners.clear(handle);
    this.#listeners.delete(id);
    this.#control.post({ type: 'unlistened', id });
  }

  woken(): void {
    const { deadlines, driver } = this.#context;
    const now = driver.now();
    for (let id = deadlines.due(now); id >= 0; id = deadlines.due(now)) {
      if (id >= firstSessionDeadline) this.#sessions.due(id - firstSessionDeadline);
      else if (id === recordsDeadline) this.#context.recorder?.flush();
      else if (id === shortageDeadline) this.#shortages.over();
      else this.#housekeep(now);
    }
    this.#rearm();
  }
}
