/**
 * One worker of the data plane: applies what the control plane publishes, drains, and keeps house.
 *
 * It runs in a thread of its own, and in tests in any thread: all it knows of the rest is a {@link ControlChannel} and shared
 * memory. {@link WorkerEvents} has the events of its driver.
 */
import { constants } from 'node:os';
import { EndpointTable } from '../../balancer/endpoint-table.ts';
import { reasonOf } from '../../errors.ts';
import type { Driver, DriverEvents } from '../../io/driver.ts';
import type { TlsContext, TlsContextId } from '../../io/tls/context.ts';
import type { TlsEngine, TlsSink } from '../../io/tls/engine.ts';
import { TlsDriver } from '../../io/tls/tls-driver.ts';
import { Cells } from '../../metrics/cells.ts';
import { AccessRecordBatcher } from '../access-record-batcher.ts';
import { type BulkProof, defaultBulkProof } from '../bulk.ts';
import {
  firstSessionDeadline,
  gateDeadline,
  housekeepingDeadline,
  recordsDeadline,
  shortageDeadline,
  type WorkerContext,
} from '../context.ts';
import { EndpointErrors } from '../endpoint-errors.ts';
import { IdlePool } from '../idle-pool.ts';
import { LimitedNotices } from '../limited-notices.ts';
import type { ControlChannel, Down, ListenerSpec, RouteId, RouteSpec, WorkerMemory } from '../messages.ts';
import { Owners } from '../owners.ts';
import { ResourcePressure } from '../resource-pressure.ts';
import { Route } from '../route.ts';
import { Sessions } from '../session/sessions.ts';
import { TimerHeap } from '../timer-heap.ts';
import { ListenerSet } from './listener-set.ts';
import { WorkerEvents } from './worker-events.ts';

const housekeepingMs = 1_000;
/** An alarm later than this found the worker, or the machine, busy. */
const lateMs = 5;
const maxDeferralMs = 1_000;
const { POSITIVE_INFINITY } = Number;

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

export class Worker {
  readonly events = new WorkerEvents();
  readonly #context: WorkerContext;
  readonly #driver: TlsDriver;
  readonly #control: ControlChannel;
  readonly #sessions: Sessions;
  readonly #idle: IdlePool;
  readonly #pressure: ResourcePressure;
  readonly #listeners: ListenerSet;
  readonly #routes = new Map<RouteId, Route>();
  #drainUntil = POSITIVE_INFINITY;
  #isDraining = false;
  /** When the driver's alarm goes off: never later than the first deadline, unless deadlines are deferred. */
  #alarm = POSITIVE_INFINITY;
  #isDeferred = false;

  constructor(options: WorkerOptions) {
    const { index, workers, memory, control, createDriver, createTls, random, bulk = defaultBulkProof } = options;
    this.#control = control;
    const driver = new TlsDriver(this.events, createDriver, createTls);
    this.#driver = driver;
    const notice: WorkerContext['notice'] = (level, text) => control.post({ type: 'notice', level, text });
    const limited = new LimitedNotices(() => driver.now(), notice);
    const errors = new EndpointErrors(() => driver.now(), control);
    const context: WorkerContext = {
      driver,
      endpoints: new EndpointTable(memory.endpoints),
      cells: new Cells(memory.metrics),
      counts: new Int32Array(memory.counts),
      deadlines: new TimerHeap(),
      owners: new Owners(),
      random,
      bulk,
      recorder: null,
      notice,
      limitedNotice: (key, level, text) => limited.write(key, level, text),
      endpointError: (route, slot, reason) => errors.note(route, slot, reason),
      shortage: (text, errno) => this.#pressure.met(text, errno),
    };
    this.#context = context;
    this.#pressure = new ResourcePressure(context, on => this.#listeners.pause(on));
    this.#idle = new IdlePool(context, index, workers);
    this.#sessions = new Sessions(context, this.#idle, control);
    this.#listeners = new ListenerSet({
      context,
      control,
      // Also for one worker: a reload opens the socket that replaces this one before this one is closed.
      reusePort: workers > 1 || process.platform === 'linux',
      admitted: (listener, socket) => this.#sessions.accepted(listener, socket),
    });
    this.events.attach({
      context,
      sessions: this.#sessions,
      idle: this.#idle,
      listeners: this.#listeners,
      woken: () => this.#woken(),
      settle: () => this.#settle(),
    });
    context.deadlines.set(housekeepingDeadline, driver.now() + housekeepingMs);
    this.#settle();
    control.post({ type: 'ready' });
  }

  /** The one that has the sockets. */
  get driver(): Driver {
    return this.#driver.below;
  }

  /** Sessions and idle connections: 0 when nothing is left. */
  get load(): number {
    return this.#sessions.size + this.#idle.size;
  }

  /** A message from the control plane. */
  tell(message: Down): void {
    this.#apply(message);
    if ('generation' in message) this.#control.post({ type: 'applied', generation: message.generation });
    this.#settle();
  }

  #apply(message: Down): void {
    switch (message.type) {
      case 'listen':
        return this.#listen(message.listener);
      case 'adjust':
        return this.#adjust(message.listener);
      case 'unlisten':
        return this.#listeners.close(message.id);
      case 'route':
        return this.#publish(message.route);
      case 'unroute':
        return this.#unroute(message.id);
      case 'named':
        return this.#named(message.listener, message.name, message.route);
      case 'unnamed':
        return this.#sessions.forget(message.listener, message.name);
      case 'tls':
        return this.#defineTls(message.id, message.context);
      case 'untls':
        return this.#driver.forgetTls(message.id);
      case 'recording':
        this.#context.recorder?.flush();
        this.#context.recorder =
          message.recording && new AccessRecordBatcher(this.#context, this.#control, message.recording);
        return;
      case 'drain':
        return this.#drain(message.graceMs);
    }
  }

  /** A context that the control plane has checked can still be refused here: by another version of OpenSSL, say. */
  #defineTls(id: TlsContextId, context: TlsContext): void {
    try {
      this.#driver.defineTls(id, context);
    } catch (error) {
      this.#context.notice(
        'error',
        `a TLS context cannot be used; the previous one stays in effect: ${reasonOf(error)}`,
      );
    }
  }

  #listen(spec: ListenerSpec): void {
    const { ECANCELED } = constants.errno;
    if (this.#isDraining) return this.#control.post({ type: 'listenFailed', id: spec.id, errno: ECANCELED });
    const route = this.#routeFor(spec);
    if (route === undefined)
      throw new Error(`listener ${spec.id} leads to route ${spec.route}, which was never published`);
    this.#listeners.open(spec, route, this.#pressure.isPaused);
  }

  #adjust(spec: ListenerSpec): void {
    const route = this.#routeFor(spec);
    if (route !== undefined) this.#listeners.adjust(spec, route);
  }

  #routeFor({ route }: ListenerSpec): Route | null | undefined {
    return route === null ? null : this.#routes.get(route);
  }

  #named(listener: number, name: string, id: RouteId | null): void {
    const route = id === null ? null : this.#routes.get(id);
    this.#sessions.named(listener, name, route ?? null);
  }

  #publish(spec: RouteSpec): void {
    const known = this.#routes.get(spec.id);
    const route = known ?? new Route(spec, this.#context.endpoints, this.#context.random);
    if (known) known.publish(spec);
    else this.#routes.set(spec.id, route);
    if (spec.target.state !== 'pending') this.#sessions.published(route);
    if (!this.#isDraining) this.#idle.refresh(route);
    this.#control.post({ type: 'applied', generation: spec.generation });
  }

  /** Only after the last listener of the route is closed; sessions that run keep what they need. */
  #unroute(id: RouteId): void {
    const route = this.#routes.get(id);
    if (!route) return;
    this.#idle.drop(route);
    this.#routes.delete(id);
  }

  // ---- drain, housekeeping, deadlines ---------------------------------------------------------------------------------

  #drain(graceMs: number): void {
    this.#isDraining = true;
    this.#listeners.closeAll();
    this.#idle.dropAll();
    this.#drainUntil = this.#context.driver.now() + graceMs;
    this.#context.deadlines.set(housekeepingDeadline, this.#context.driver.now());
  }

  #drained(cut: number): void {
    this.#drainUntil = POSITIVE_INFINITY;
    this.#context.recorder?.flush();
    this.#control.post({ type: 'drained', cut });
  }

  #housekeep(now: number): void {
    if (now >= this.#drainUntil) this.#drained(this.#sessions.cutAll());
    if (!this.#isDraining) this.#idle.tend();
    this.#context.deadlines.set(housekeepingDeadline, Math.min(now + housekeepingMs, this.#drainUntil));
  }

  /**
   * Deadlines judge peers, and a peer must not pay for a worker that was late: what it sent in time may still be unread. So a late
   * worker first handles events for as long as it was late.
   */
  #woken(): void {
    const { deadlines, driver } = this.#context;
    const now = driver.now();
    const lateBy = now - deadlines.next();
    this.#alarm = POSITIVE_INFINITY;
    if (lateBy > lateMs && !this.#isDeferred) return this.#defer(now + Math.min(lateBy, maxDeferralMs));
    this.#isDeferred = false;
    for (let id = deadlines.due(now); id >= 0; id = deadlines.due(now)) {
      if (id >= firstSessionDeadline) this.#sessions.due(id - firstSessionDeadline);
      else if (id === recordsDeadline) this.#context.recorder?.flush();
      else if (id === shortageDeadline) this.#pressure.over();
      else if (id === gateDeadline) this.#listeners.retryGates();
      else this.#housekeep(now);
    }
  }

  #defer(until: number): void {
    this.#isDeferred = true;
    this.#alarm = until;
    this.#context.driver.wakeAt(until);
  }

  /** After each event and message. An alarm that is too early only wakes once more; one that is too late must be replaced. */
  #settle(): void {
    this.#listeners.admitQueued();
    if (this.#drainUntil !== POSITIVE_INFINITY && this.#sessions.size === 0) this.#drained(0);
    const next = this.#context.deadlines.next();
    if (next >= this.#alarm || this.#isDeferred) return;
    this.#alarm = next;
    this.#context.driver.wakeAt(next);
  }
}
