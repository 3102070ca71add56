/**
 * Output of the epoll driver's sockets: sent at once, as far as the kernel has room; the rest waits for the next edge.
 *
 *   writable | waiting | write              | edge
 *   ---------+---------+--------------------+-------------------------------------------
 *   yes      | no      | write(2)           | -
 *   no       | no      | write(2), wait     | → writable
 *   no       | yes     | wait behind it     | write(2) until EAGAIN or all is sent: flushed
 */
import { constants } from 'node:os';
import type { BufferId } from '../../driver.ts';
import { type Handle, slotOf } from '../../handle.ts';
import type { BufferPool } from '../base/buffer-pool.ts';
import type { PipeRelay } from '../base/pipe-relay.ts';
import { Flag, type SocketTable } from '../base/socket-table.ts';
import { WaitingWrites } from '../base/waiting-writes.ts';
import { errno, libc } from '../kernel/libc.ts';
import { Ready } from './flags.ts';

const { EAGAIN, EINTR } = constants.errno;

export class Output {
  readonly #sockets: SocketTable;
  readonly #pool: BufferPool;
  readonly #waiting: (WaitingWrites | undefined)[];
  pipes: PipeRelay | undefined;

  constructor(sockets: SocketTable, pool: BufferPool) {
    this.#sockets = sockets;
    this.#pool = pool;
    this.#waiting = sockets.column();
  }

  write(handle: Handle, buffer: BufferId, offset: number, length: number): void {
    const slot = slotOf(handle);
    if (this.#sockets.failure[slot] !== 0 || this.#sockets.flags[slot] & Flag.over) {
      this.#pool.give(buffer);
      return;
    }
    const waiting = this.#waiting[slot];
    if (waiting && waiting.bytes > 0) {
      waiting.push(buffer, offset, length);
      return;
    }
    const sent = this.#send(handle, buffer, offset, length);
    if (sent === length || this.#sockets.failure[slot] !== 0) this.#pool.give(buffer);
    else {
      this.#waiting[slot] ??= new WaitingWrites(this.#pool);
      this.#waiting[slot].push(buffer, offset + sent, length - sent);
    }
  }

  /** Bytes the kernel has not taken yet, without those in a pipe. */
  pending(slot: number): number {
    return this.#waiting[slot]?.bytes ?? 0;
  }

  /** Whether the kernel may take bytes of a pipe now. */
  mayEmptyPipe(slot: number): boolean {
    return !this.#waiting[slot]?.bytes && (this.#sockets.flags[slot] & Ready.writable) !== 0;
  }

  awaitRoom(handle: Handle): void {
    this.#sockets.flags[slotOf(handle)] &= ~Ready.writable;
  }

  /** There is room again. */
  flush(handle: Handle): void {
    const slot = slotOf(handle);
    const waiting = this.#waiting[slot];
    for (let first = waiting?.first; first; first = waiting?.first) {
      const { buffer, offset, length } = first;
      const sent = this.#send(handle, buffer, offset, length);
      if (this.#sockets.failure[slot] !== 0) return;
      waiting?.took(sent);
      if (sent < length) return;
    }
    this.pipes?.flushed(handle);
  }

  drop(slot: number): void {
    this.#waiting[slot]?.clear();
    this.#waiting[slot] = undefined;
  }

  /** @returns the bytes the kernel took; fewer than `length` clears `writable`. A failure is kept for its delivery. */
  #send(handle: Handle, buffer: BufferId, offset: number, length: number): number {
    const slot = slotOf(handle);
    const start = this.#pool.pointer(buffer);
    const pointer = offset === 0 ? start : start + BigInt(offset);
    let sent = libc.write(this.#sockets.fd[slot], pointer, length);
    // The edge has been taken: without another try none would come.
    while (sent < 0 && errno() === EINTR) sent = libc.write(this.#sockets.fd[slot], pointer, length);
    if (sent < 0) {
      if (errno() !== EAGAIN) this.#sockets.fail(handle, errno());
      sent = 0;
    }
    if (sent < length) this.#sockets.flags[slot] &= ~Ready.writable;
    return sent;
  }
}
