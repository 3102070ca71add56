/**
 * The common part of the native drivers: the turn of the loop, and the commands that are the same for both.
 *
 * A turn waits, delivers what the kernel has ready, then steps the sockets that have work, and last wakes its owner if that is due.
 */
import { constants } from 'node:os';
import { monotonicNow } from '../../clock.ts';
import type {
  BufferId,
  DriverEvents,
  ListenerSettings,
  ListenOptions,
  SocketAddress,
  SocketOptions,
} from '../../driver.ts';
import { type Handle, noHandle, slotOf } from '../../handle.ts';
import { adjustListener, openListener, resetOnClose, setKeepAlive } from '../kernel/socket-options.ts';
import { isSelfConnected, peerAddress, unacknowledged } from '../kernel/socket-state.ts';
import { AcceptGate } from './accept-gate.ts';
import type { BufferPool } from './buffer-pool.ts';
import { DelayedQueue } from './delayed-queue.ts';
import { longestWaitMs, type NativeDriver } from './native-driver.ts';
import { Flag, longer, SocketTable } from './socket-table.ts';
import { Splices } from './splices.ts';

/** So many full turns in a row may put deadlines off. */
const longestLag = 128;
const trimEveryMs = 1_000;
/** Keep-alive takes four system calls, and most short connections end before it could matter. */
const keepAliveDelayMs = 1_000;

export abstract class NativeBase implements NativeDriver {
  abstract readonly kind: 'epoll' | 'uring';
  readonly pool: BufferPool;
  protected readonly events: DriverEvents;
  protected readonly sockets = new SocketTable();
  protected readonly splices = new Splices(this.sockets);
  protected readonly gate: AcceptGate;
  #trimAt = 0;
  #connectPort = new Int32Array(0);
  #keepAliveSecs = new Int32Array(0);
  readonly #withoutKeepAlive = new DelayedQueue(keepAliveDelayMs);
  #fullTurns = 0;
  #isBehind = false;
  #wakeAt = Number.POSITIVE_INFINITY;
  #now = monotonicNow();

  constructor(events: DriverEvents, pool: BufferPool) {
    this.events = events;
    this.pool = pool;
    this.gate = new AcceptGate(events, this.sockets);
    this.sockets.whenGrown(rows => {
      this.#connectPort = longer(this.#connectPort, rows);
      this.#keepAliveSecs = longer(this.#keepAliveSecs, rows);
    });
  }

  // ---- the turn -------------------------------------------------------------------------------------------------------

  turn(longestMs = longestWaitMs): void {
    const next = Math.min(this.#wakeAt, this.gate.retryAt) - monotonicNow();
    const isFull = this.wait(this.hasWork ? 0 : Math.max(0, Math.min(next, longestMs)));
    this.gate.retry(this.#now);
    this.sockets.work(this.step);
    this.#fullTurns = isFull ? this.#fullTurns + 1 : 0;
    this.#isBehind = isFull && this.#fullTurns % longestLag !== 0;
    this.#wakeIfDue();
    this.endTurn();
    if (this.#now >= this.#trimAt) this.#trim();
    this.#keepAlive();
  }

  get isBehind(): boolean {
    return this.#isBehind;
  }

  now(): number {
    return this.#now;
  }

  wakeAt(time: number): void {
    this.#wakeAt = time;
  }

  #trim(): void {
    this.#trimAt = this.#now + trimEveryMs;
    this.pool.trim();
  }

  #wakeIfDue(): void {
    if (this.#now < this.#wakeAt || (this.#isBehind && this.#wakeAt > 0)) return;
    this.#wakeAt = Number.POSITIVE_INFINITY;
    this.events.woken();
  }

  /** The time `now` tells until the next turn. */
  protected readClock(): void {
    this.#now = monotonicNow();
  }

  protected get hasWork(): boolean {
    return this.sockets.hasWork;
  }

  /** Waits, reads the clock, and delivers completions or notes readiness. @returns whether the kernel may have more ready */
  protected abstract wait(ms: number): boolean;
  /** Does what a queued socket has to do. */
  protected abstract readonly step: (handle: Handle) => void;
  protected abstract endTurn(): void;

  // ---- commands -------------------------------------------------------------------------------------------------------

  listen(options: ListenOptions): Handle {
    const handle = this.sockets.adopt(openListener(options), Flag.listening | Flag.accepting);
    if (handle === noHandle) throw new RangeError('more than 2^20 sockets');
    this.sockets.queue(handle);
    return handle;
  }

  adjust(listener: Handle, settings: ListenerSettings): void {
    const fd = this.sockets.fd[slotOf(listener)];
    if (fd >= 0) adjustListener(fd, settings);
  }

  unacknowledged(handle: Handle): number {
    return unacknowledged(this.sockets.fd[slotOf(handle)]);
  }

  reset(handle: Handle): void {
    const fd = this.sockets.fd[slotOf(handle)];
    if (fd >= 0) resetOnClose(fd);
    this.close(handle);
  }

  bytes(buffer: BufferId): Uint8Array {
    return this.pool.view(buffer);
  }

  keep(buffer: BufferId, offset: number, length: number): BufferId {
    return this.pool.keep(buffer, offset, length);
  }

  release(buffer: BufferId): void {
    this.pool.give(buffer);
  }

  wrap(bytes: Uint8Array): BufferId {
    return this.pool.copyIn(bytes);
  }

  peer(handle: Handle): string {
    return peerAddress(this.sockets.fd[slotOf(handle)]);
  }

  ledger(): { sockets: number; buffers: number } {
    return { sockets: this.sockets.handles.live, buffers: this.pool.inUse };
  }

  abstract accepting(listener: Handle, on: boolean): void;
  abstract connect(address: SocketAddress, options: SocketOptions): Handle;
  abstract reading(handle: Handle, on: boolean): void;
  abstract write(handle: Handle, buffer: BufferId, offset: number, length: number): void;
  abstract pending(handle: Handle): number;
  abstract splice(from: Handle, to: Handle): boolean;
  abstract bulkRead(handle: Handle): void;
  abstract shutdown(handle: Handle): void;
  abstract close(handle: Handle): void;
  abstract destroy(): void;

  // ---- connecting -----------------------------------------------------------------------------------------------------

  protected connectingTo(handle: Handle, { port }: SocketAddress, { keepAliveSecs }: SocketOptions): void {
    const slot = slotOf(handle);
    this.#connectPort[slot] = port;
    this.#keepAliveSecs[slot] = keepAliveSecs;
    if (keepAliveSecs > 0) this.#withoutKeepAlive.push(handle, this.#now);
  }

  #keepAlive(): void {
    for (let handle = this.#withoutKeepAlive.take(this.#now); handle !== undefined; ) {
      const slot = slotOf(handle);
      if (this.sockets.isOpen(handle)) setKeepAlive(this.sockets.fd[slot], this.#keepAliveSecs[slot]);
      handle = this.#withoutKeepAlive.take(this.#now);
    }
  }

  protected isSelfConnected(handle: Handle): boolean {
    const slot = slotOf(handle);
    return isSelfConnected(this.sockets.fd[slot], this.#connectPort[slot]);
  }

  /** Nothing listens there. The RST frees the port at once for another listener. */
  protected refuse(handle: Handle): void {
    const slot = slotOf(handle);
    resetOnClose(this.sockets.fd[slot]);
    this.sockets.failure[slot] = constants.errno.ECONNREFUSED;
    this.deliverFailure(handle);
  }

  // ---- failures -------------------------------------------------------------------------------------------------------

  /** Frees what the driver holds of the socket's bytes, where the kernel does not use it. */
  protected abstract dropBytes(slot: number): void;

  protected deliverFailure(handle: Handle): void {
    const slot = slotOf(handle);
    this.sockets.flags[slot] |= Flag.over;
    this.dropBytes(slot);
    this.splices.forget(handle);
    this.events.failed(handle, this.sockets.failure[slot]);
  }
}
