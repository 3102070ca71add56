/**
 * Listeners of both native drivers: reports that they listen, delivers connections, and stops accepting for a moment when the process
 * runs out of descriptors or memory, because the connections stay in the kernel's queue without a new event. The last descriptors are
 * left to the control plane.
 */
import { constants } from 'node:os';
import { monotonicNow } from '../../clock.ts';
import type { DriverEvents } from '../../driver.ts';
import { type Handle, noHandle, slotOf } from '../../handle.ts';
import { reserve } from '../kernel/descriptor-reserve.ts';
import { localAddress } from '../kernel/socket-state.ts';
import { Flag, type SocketTable } from './socket-table.ts';

const { ECONNABORTED, EMFILE } = constants.errno;

const retryMs = 100;

export class AcceptGate {
  readonly #events: DriverEvents;
  readonly #sockets: SocketTable;
  readonly #blocked: Handle[] = [];
  /** When blocked listeners try again. */
  retryAt = Number.POSITIVE_INFINITY;

  constructor(events: DriverEvents, sockets: SocketTable) {
    this.#events = events;
    this.#sockets = sockets;
  }

  announce(listener: Handle): void {
    const slot = slotOf(listener);
    if (this.#sockets.flags[slot] & Flag.announced) return;
    this.#sockets.flags[slot] |= Flag.announced;
    this.#events.listening(listener, localAddress(this.#sockets.fd[slot]));
  }

  /**
   * @param watch runs before `accepted` is delivered
   * @returns whether the next connection may be accepted at once
   */
  deliver(listener: Handle, fd: number, flags: number, watch?: (socket: Handle, fd: number) => void): boolean {
    const isReserved = reserve.isReserved(fd);
    const socket = this.#sockets.adopt(fd, flags);
    if (socket !== noHandle) {
      watch?.(socket, fd);
      this.#events.accepted(listener, socket);
    }
    return !isReserved || (this.#sockets.isOpen(listener) && this.failed(listener, EMFILE));
  }

  /** @returns whether the next connection may be accepted at once */
  failed(listener: Handle, errno: number): boolean {
    this.#events.acceptFailed(listener, errno);
    if (errno === ECONNABORTED) return true;
    if (!this.isBlocked(listener)) this.#blocked.push(listener);
    this.retryAt = Math.min(this.retryAt, monotonicNow() + retryMs);
    return false;
  }

  isBlocked(listener: Handle): boolean {
    return this.#blocked.length > 0 && this.#blocked.includes(listener);
  }

  retry(now: number): void {
    if (now < this.retryAt) return;
    this.retryAt = reserve.hasRoom() ? Number.POSITIVE_INFINITY : now + retryMs;
    if (this.retryAt === Number.POSITIVE_INFINITY) this.#unblock();
  }

  #unblock(): void {
    for (const listener of this.#blocked.splice(0)) if (this.#sockets.isOpen(listener)) this.#sockets.queue(listener);
  }
}
