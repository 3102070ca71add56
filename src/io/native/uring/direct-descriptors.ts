/**
 * Sockets the ring knows by their row, so that the kernel need not look the descriptor up, and count it, for every send.
 *
 * Adding and removing a socket cost one operation each, so only a socket that has sent several times is registered. The table keeps a
 * socket open: remove it before closing the descriptor. Before Linux 6.13 the kernel could delay that, and the FIN with it, for as
 * long as any send waited for its reader; older kernels do without the table. Source: io_uring_register(2).
 */
import { release } from 'node:os';
import type { Ring } from './ring.ts';

/** The kernel allows no larger table than the process may have open files. */
const sizes = [32_768, 8192, 1024];
const sendsBefore = 16;
const registered = sendsBefore + 1;

export class DirectDescriptors {
  /** By slot: the sends of a socket that is not registered, up to {@link sendsBefore}; then {@link registered}. */
  readonly #sends: Uint8Array;

  constructor(ring: Ring) {
    const size = releasesAtOnce(release()) ? sizes.find(rows => ring.registerDescriptors(rows)) : undefined;
    this.#sends = new Uint8Array(size ?? 0);
  }

  /** Counts a send. @returns whether the socket is to be registered now */
  isDue(slot: number): boolean {
    // Also for a slot beyond the table, whose count is undefined.
    if (this.#sends[slot] === sendsBefore) return false;
    return ++this.#sends[slot] === sendsBefore;
  }

  registered(slot: number): void {
    this.#sends[slot] = registered;
  }

  isRegistered(slot: number): boolean {
    return this.#sends[slot] === registered;
  }

  /** The slot is free for another socket. */
  forget(slot: number): void {
    this.#sends[slot] = 0;
  }
}

/** @param version as `uname -r` says: 6.13.2-amd64 */
export function releasesAtOnce(version: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(major) > 6 || (Number(major) === 6 && Number(minor) >= 13);
}
