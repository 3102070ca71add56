/**
 * Listeners of both native drivers: reports that they listen, delivers connections, and stops accepting for a moment when the process
 * runs out of descriptors or memory, because the connections stay in the kernel's queue without a new event.
 */
import { constants } from 'node:os';
import type { DriverEvents } from '../../driver.ts';
import { type Handle, noHandle, slotOf } from '../../handle.ts';
import { localAddress } from '../kernel/socket-state.ts';
import { Flag, type SocketTable } from './socket-table.ts';

const { ECONNABORTED } = constants.errno;

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

  /** @param watch runs before `accepted` is delivered */
  deliver(listener: Handle, fd: number, flags: number, watch?: (socket: Handle, fd: number) => void): void {
    const socket = this.#sockets.adopt(fd, flags);
    if (socket === noHandle) return;
    watch?.(socket, fd);
    this.#events.accepted(listener, socket);
  }

  /** @returns whether the next connection may be accepted at once */
  failed(listener: Handle, errno: number, now: number): boolean {
    this.#events.acceptFailed(listener, errno);
    if (errno === ECONNABORTED) return true;
    this.#blocked.push(listener);
    this.retryAt = now + retryMs;
    return false;
  }

  retry(now: number): void {
    if (now < this.retryAt) return;
    this.retryAt = Number.POSITIVE_INFINITY;
    for (const listener of this.#blocked.splice(0)) if (this.#sockets.isOpen(listener)) this.#sockets.queue(listener);
  }
}
