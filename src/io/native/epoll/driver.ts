/**
 * The epoll driver: edge-triggered readiness, non-blocking calls from JavaScript. For Linux where io_uring is refused, as in most
 * containers.
 *
 * Each edge is remembered as a flag of its socket until a call answers EAGAIN, so that no edge is lost while reading is off.
 * A turn handles every ready socket once, each for a bounded number of reads: none can starve the others.
 */
import { constants } from 'node:os';
import { LinkerdTcpError } from '../../../errors.ts';
import type { BufferId, DriverEvents, ListenOptions, SocketAddress, SocketOptions } from '../../driver.ts';
import { showErrno } from '../../errno.ts';
import { type Handle, noHandle, slotOf } from '../../handle.ts';
import { BufferPool } from '../base/buffer-pool.ts';
import { NativeBase } from '../base/native-base.ts';
import { type NativeDriverOptions, wakeHandle } from '../base/native-driver.ts';
import { PipeRelay } from '../base/pipe-relay.ts';
import { Flag } from '../base/socket-table.ts';
import * as c from '../kernel/constants.ts';
import { errno, libc, nullPointer } from '../kernel/libc.ts';
import { mapMemory } from '../kernel/memory.ts';
import { openConnector, startConnect } from '../kernel/socket-options.ts';
import { socketError } from '../kernel/socket-state.ts';
import { isReadNow, Ready } from './flags.ts';
import { Input } from './input.ts';
import { Output } from './output.ts';

const { EAGAIN, EINPROGRESS, EINTR } = constants.errno;

const eventsPerWait = 512;
const acceptsPerTurn = 64;
const bufferBytes = 64 * 1024;
const bufferLimit = 1024;

export class EpollDriver extends NativeBase {
  readonly kind = 'epoll';
  readonly #onWake: () => void;
  readonly #epoll: number;
  readonly #ready = mapMemory(eventsPerWait * 16);
  readonly #readyInts = new Int32Array(this.#ready.buffer);
  readonly #control = mapMemory(16);
  readonly #controlInts = new Int32Array(this.#control.buffer);
  readonly #input: Input;
  readonly #output: Output;
  /** Closed sockets whose `closed` is to be delivered. */
  #closed: Handle[] = [];

  constructor(events: DriverEvents, { wake, buffers = bufferLimit, debug = false }: NativeDriverOptions = {}) {
    super(events, new BufferPool({ bytes: bufferBytes, step: 16, limit: buffers, debug }));
    const { sockets, splices, pool } = this;
    const output = new Output(sockets, pool);
    const pending = (slot: number): number => output.pending(slot) + splices.pending(slot);
    const input = new Input({ events, sockets, pool, splices, pending });
    const pipes = new PipeRelay(events, sockets, splices, {
      mayEmpty: to => output.mayEmptyPipe(to),
      awaitRoom: to => output.awaitRoom(to),
      receivedNothing: (from, errno) => input.receivedNothing(from, errno),
      resume: from => sockets.queue(from),
    });
    input.pipes = pipes;
    output.pipes = pipes;
    this.#input = input;
    this.#output = output;
    this.#epoll = libc.epoll_create1(c.EPOLL_CLOEXEC);
    if (this.#epoll < 0)
      throw new LinkerdTcpError('DRIVER_UNAVAILABLE', { driver: 'epoll', reason: showErrno(errno()) });
    this.#onWake = wake?.onWake ?? (() => {});
    if (wake) this.#watch(wake.fd, wakeHandle, c.EPOLLIN | c.EPOLLET);
  }

  // ---- commands -------------------------------------------------------------------------------------------------------

  override listen(options: ListenOptions): Handle {
    const handle = super.listen(options);
    const fd = this.sockets.fd[slotOf(handle)];
    if (fd >= 0) this.#watch(fd, handle, c.EPOLLIN | c.EPOLLET);
    return handle;
  }

  accepting(handle: Handle, on: boolean): void {
    const slot = slotOf(handle);
    if (on) this.sockets.flags[slot] |= Flag.accepting;
    else this.sockets.flags[slot] &= ~Flag.accepting;
    if (on && this.sockets.flags[slot] & Ready.readable) this.sockets.queue(handle);
  }

  connect(address: SocketAddress, options: SocketOptions): Handle {
    const fd = openConnector(address);
    const handle = this.sockets.adopt(fd, Flag.connecting);
    if (handle === noHandle || fd < 0) return handle;
    this.connectingTo(handle, address, options);
    const failure = startConnect(fd, address);
    if (failure === 0 || failure === EINPROGRESS) this.#watch(fd, handle, watched);
    else this.sockets.fail(handle, failure);
    return handle;
  }

  reading(handle: Handle, on: boolean): void {
    const slot = slotOf(handle);
    if (on) {
      this.sockets.flags[slot] |= Flag.reading;
      if (this.sockets.flags[slot] & Ready.readable) this.sockets.queue(handle);
    } else this.sockets.flags[slot] &= ~Flag.reading;
  }

  write(handle: Handle, buffer: BufferId, offset: number, length: number): void {
    this.#output.write(handle, buffer, offset, length);
  }

  pending(handle: Handle): number {
    const slot = slotOf(handle);
    return this.#output.pending(slot) + this.splices.pending(slot);
  }

  splice(from: Handle, to: Handle): boolean {
    return this.splices.begin(from, to);
  }

  /** Its chunks are large anyway. */
  bulkRead(): void {}

  shutdown(handle: Handle): void {
    const slot = slotOf(handle);
    this.sockets.flags[slot] |= Flag.shut;
    if (this.pending(handle) === 0) libc.shutdown(this.sockets.fd[slot], c.SHUT_WR);
  }

  close(handle: Handle): void {
    const slot = slotOf(handle);
    if (this.sockets.fd[slot] >= 0) libc.close(this.sockets.fd[slot]);
    this.#output.drop(slot);
    this.splices.forget(handle);
    this.sockets.fd[slot] = -1;
    // Queued work for the handle finds it over. The slot is free when `closed` has been delivered.
    this.sockets.flags[slot] = Flag.over;
    this.#closed.push(handle);
  }

  /** Closes the driver's own descriptors; its sockets are closed before. */
  destroy(): void {
    this.splices.close();
    libc.close(this.#epoll);
  }

  // ---- the turn -------------------------------------------------------------------------------------------------------

  protected override get hasWork(): boolean {
    return this.sockets.hasWork || this.#closed.length > 0;
  }

  protected wait(ms: number): boolean {
    const count = libc.epoll_wait(this.#epoll, this.#ready.pointer, eventsPerWait, Math.ceil(ms));
    this.readClock();
    for (let i = 0; i < count; i++) this.#noteReady(i * c.epollEventInts);
    return count === eventsPerWait;
  }

  #noteReady(at: number): void {
    const ready = this.#readyInts[at];
    const handle = this.#readyInts[at + c.epollDataInt] as Handle;
    if (handle === wakeHandle) {
      this.#onWake();
      return;
    }
    if (!this.sockets.handles.isCurrent(handle)) return;
    let noted = 0;
    if (ready & (c.EPOLLIN | c.EPOLLRDHUP | c.EPOLLHUP | c.EPOLLERR)) noted |= Ready.readable;
    if (ready & (c.EPOLLRDHUP | c.EPOLLHUP | c.EPOLLERR)) noted |= Ready.hangup;
    if (ready & (c.EPOLLOUT | c.EPOLLHUP | c.EPOLLERR)) noted |= Ready.writable;
    if (ready & c.EPOLLPRI) noted |= Ready.urgent | Ready.readable;
    this.sockets.flags[slotOf(handle)] |= noted;
    this.sockets.queue(handle);
  }

  /** Every event may close the socket, so each part looks whether it is still open. */
  protected readonly step = (handle: Handle): void => {
    const slot = slotOf(handle);
    const flags = this.sockets.flags[slot];
    if (flags & Flag.over) return;
    if (this.sockets.failure[slot] !== 0) return this.deliverFailure(handle);
    if (flags & Flag.listening) return this.#accept(handle);
    if (flags & Flag.connecting) return this.#connecting(handle);
    if (flags & Ready.writable && this.pending(handle) > 0) this.#output.flush(handle);
    if (this.sockets.isOpen(handle) && this.sockets.failure[slot] === 0) this.#input.step(handle);
    if (this.sockets.isOpen(handle) && this.sockets.failure[slot] !== 0) this.deliverFailure(handle);
  };

  #accept(listener: Handle): void {
    const slot = slotOf(listener);
    this.gate.announce(listener);
    for (let i = 0; i < acceptsPerTurn; i++) {
      if ((this.sockets.flags[slot] & acceptNow) !== acceptNow || !this.sockets.isOpen(listener)) return;
      const fd = libc.accept4(this.sockets.fd[slot], nullPointer, nullPointer, c.SOCK_NONBLOCK | c.SOCK_CLOEXEC);
      const goesOn =
        fd < 0
          ? this.#acceptFailed(listener, errno())
          : this.gate.deliver(listener, fd, Ready.writable, this.#watchAccepted);
      if (!goesOn) return;
    }
    this.sockets.queue(listener);
  }

  /** @returns whether the next connection may be tried at once */
  #acceptFailed(listener: Handle, failure: number): boolean {
    if (failure === EINTR) return true;
    if (failure !== EAGAIN) return this.gate.failed(listener, failure);
    this.sockets.flags[slotOf(listener)] &= ~Ready.readable;
    return false;
  }

  #connecting(handle: Handle): void {
    const slot = slotOf(handle);
    if (!(this.sockets.flags[slot] & Ready.writable)) return;
    this.sockets.failure[slot] = socketError(this.sockets.fd[slot]);
    if (this.sockets.failure[slot] !== 0) return this.deliverFailure(handle);
    this.sockets.flags[slot] &= ~Flag.connecting;
    if (this.isSelfConnected(handle)) return this.refuse(handle);
    this.events.connected(handle);
    if (this.sockets.isOpen(handle) && isReadNow(this.sockets.flags[slot])) this.sockets.queue(handle);
  }

  protected endTurn(): void {
    for (const handle of this.#closed.splice(0)) {
      this.events.closed(handle);
      this.sockets.handles.release(handle);
    }
    this.#input.feed();
  }

  protected dropBytes(slot: number): void {
    this.#output.drop(slot);
  }

  readonly #watchAccepted = (socket: Handle, fd: number): void => this.#watch(fd, socket, watched);

  #watch(fd: number, handle: Handle, events: number): void {
    this.#controlInts[0] = events;
    this.#controlInts[c.epollDataInt] = handle;
    if (libc.epoll_ctl(this.#epoll, c.EPOLL_CTL_ADD, fd, this.#control.pointer) === 0) return;
    // ENOSPC beyond fs.epoll.max_user_watches, ENOMEM: a socket that is not watched would never report another event.
    if (handle === wakeHandle)
      throw new LinkerdTcpError('DRIVER_UNAVAILABLE', { driver: 'epoll', reason: showErrno(errno()) });
    this.sockets.fail(handle, errno());
  }
}

const watched = c.EPOLLIN | c.EPOLLPRI | c.EPOLLOUT | c.EPOLLRDHUP | c.EPOLLET;
const acceptNow = Ready.readable | Flag.accepting;
