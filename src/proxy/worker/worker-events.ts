/**
 * The events of a worker's driver, given to the owner of the socket: a session's side, the idle pool or a listener.
 *
 * Each event may have ended a session or set a deadline, so each ends with `settle`, which is cheap while nothing has.
 */
import { constants } from 'node:os';
import type { BufferId, SocketAddress } from '../../io/driver.ts';
import type { Handle } from '../../io/handle.ts';
import type { TlsDetails } from '../../io/tls/engine.ts';
import type { SecureEvents } from '../../io/tls/secure-driver.ts';
import type { WorkerContext } from '../context.ts';
import type { IdlePool } from '../idle-pool.ts';
import { indexOf, kindOf, Owner } from '../owners.ts';
import type { Sessions } from '../session/sessions.ts';
import type { ListenerSet } from './listener-set.ts';

export interface EventTargets {
  readonly context: WorkerContext;
  readonly sessions: Sessions;
  readonly idle: IdlePool;
  readonly listeners: ListenerSet;
  /** The alarm has gone off. */
  readonly woken: () => void;
  /** Admits queued connections, finishes a drain, sets the alarm: as far as the event has changed anything. */
  readonly settle: () => void;
}

const { ECONNRESET } = constants.errno;

export class WorkerEvents implements SecureEvents {
  #to!: EventTargets;

  /** Once, before the driver's first event. */
  attach(targets: EventTargets): void {
    this.#to = targets;
  }

  listening(handle: Handle, address: SocketAddress): void {
    this.#to.listeners.listening(indexOf(this.#to.context.owners.get(handle)), address);
  }

  accepted(handle: Handle, socket: Handle): void {
    this.#to.listeners.accepted(indexOf(this.#to.context.owners.get(handle)), socket);
    this.#to.settle();
  }

  acceptFailed(_handle: Handle, errno: number): void {
    this.#to.context.shortage('cannot accept connections', errno);
  }

  connected(handle: Handle): void {
    const { context, sessions, idle, settle } = this.#to;
    const owner = context.owners.get(handle);
    if (kindOf(owner) === Owner.upstream) sessions.upstreamConnected(indexOf(owner));
    else if (kindOf(owner) === Owner.idle) idle.connected(indexOf(owner));
    settle();
  }

  secured(handle: Handle, details: TlsDetails): void {
    const { context, sessions, idle, settle } = this.#to;
    const owner = context.owners.get(handle);
    if (kindOf(owner) === Owner.client) sessions.clientSecured(indexOf(owner), details);
    else if (kindOf(owner) === Owner.upstream) sessions.upstreamSecured(indexOf(owner), details);
    else if (kindOf(owner) === Owner.idle) idle.secured(indexOf(owner), details);
    settle();
  }

  data(handle: Handle, buffer: BufferId, offset: number, length: number): void {
    const { context, sessions, idle, settle } = this.#to;
    const owner = context.owners.get(handle);
    if (kindOf(owner) === Owner.client) sessions.clientData(indexOf(owner), buffer, offset, length);
    else if (kindOf(owner) === Owner.upstream) sessions.upstreamData(indexOf(owner), buffer, offset, length);
    else if (kindOf(owner) === Owner.idle) idle.data(indexOf(owner), buffer, offset, length);
    else context.driver.release(buffer);
    settle();
  }

  moved(handle: Handle, length: number): void {
    const { context, sessions } = this.#to;
    const owner = context.owners.get(handle);
    if (kindOf(owner) === Owner.client) sessions.clientMoved(indexOf(owner), length);
    else if (kindOf(owner) === Owner.upstream) sessions.upstreamMoved(indexOf(owner), length);
  }

  drained(handle: Handle): void {
    const { context, sessions, settle } = this.#to;
    const owner = context.owners.get(handle);
    if (kindOf(owner) === Owner.client) sessions.clientDrained(indexOf(owner));
    else if (kindOf(owner) === Owner.upstream) sessions.upstreamDrained(indexOf(owner));
    settle();
  }

  ended(handle: Handle): void {
    const { context, sessions, idle, settle } = this.#to;
    const owner = context.owners.get(handle);
    if (kindOf(owner) === Owner.client) sessions.clientEnded(indexOf(owner));
    else if (kindOf(owner) === Owner.upstream) sessions.upstreamEnded(indexOf(owner));
    else if (kindOf(owner) === Owner.idle) idle.lost(indexOf(owner), ECONNRESET);
    settle();
  }

  failed(handle: Handle, errno: number): void {
    const { context, sessions, idle, listeners, settle } = this.#to;
    const owner = context.owners.get(handle);
    const index = indexOf(owner);
    switch (kindOf(owner)) {
      case Owner.client:
        sessions.clientFailed(index);
        break;
      case Owner.upstream:
        sessions.upstreamFailed(index, errno);
        break;
      case Owner.idle:
        idle.lost(index, errno);
        break;
      case Owner.queued:
        listeners.queuedFailed(index, handle);
        break;
      case Owner.listener:
        listeners.failed(index, errno);
        break;
    }
    settle();
  }

  closed(handle: Handle): void {
    const { context, listeners } = this.#to;
    const owner = context.owners.get(handle);
    if (kindOf(owner) !== Owner.listener) return;
    context.owners.clear(handle);
    listeners.closed(indexOf(owner));
  }

  woken(): void {
    this.#to.woken();
    this.#to.settle();
  }
}
