/**
 * The io_uring driver: one `io_uring_enter` per turn submits all operations and reaps all completions.
 *
 * A socket is three small machines, each with its table: input.ts, output.ts and life.ts; a listener is accepts.ts. Here are the commands,
 * and the dispatch of completions to them.
 */
import { constants } from 'node:os';
import type { BufferId, DriverEvents, SocketAddress, SocketOptions } from '../../driver.ts';
import { type Handle, noHandle, slotOf } from '../../handle.ts';
import { BufferPool } from '../base/buffer-pool.ts';
import { NativeBase } from '../base/native-base.ts';
import { type NativeDriverOptions, wakeHandle } from '../base/native-driver.ts';
import { PipeRelay } from '../base/pipe-relay.ts';
import { Flag } from '../base/socket-table.ts';
import { SHUT_WR } from '../kernel/constants.ts';
import { libc } from '../kernel/libc.ts';
import { mapMemory } from '../kernel/memory.ts';
import { openConnector } from '../kernel/socket-options.ts';
import { Accepts } from './accepts.ts';
import { DirectDescriptors } from './direct-descriptors.ts';
import { Input } from './input.ts';
import { Life } from './life.ts';
import { Operation, Operations } from './operations.ts';
import { Output } from './output.ts';
import { ReceiveRing } from './receive-ring.ts';
import { Ring } from './ring.ts';

const { EAGAIN, EINTR } = constants.errno;

const completionBuffer = 1;
const completionMore = 2;

const entries = 4096;
const chunkBytes = 16 * 1024;
const bufferBytes = 64 * 1024;
const bufferLimit = 2048;
/** Since Linux 6.13 one enter does the work of 20 sockets, no more: that many completions mean that more may be ready. */
const fullTurn = 16;

export class UringDriver extends NativeBase {
  readonly kind = 'uring';
  readonly #wake: NativeDriverOptions['wake'];
  readonly #wakeMemory = mapMemory(8);
  /** The eventfd cannot be waited for. */
  #isDeaf = false;
  readonly #ring: Ring;
  readonly #operations: Operations;
  readonly #direct: DirectDescriptors;
  readonly #receives: ReceiveRing;
  readonly #life: Life;
  readonly #accepts: Accepts;
  readonly #input: Input;
  readonly #output: Output;

  constructor(events: DriverEvents, { wake, buffers = bufferLimit, debug = false }: NativeDriverOptions = {}) {
    super(events, new BufferPool({ bytes: bufferBytes, step: 64, limit: buffers, debug }));
    const { sockets, splices, pool } = this;
    this.#ring = new Ring(entries);
    const operations = new Operations(this.#ring, sockets);
    this.#operations = operations;
    this.#direct = new DirectDescriptors(this.#ring);
    this.#receives = new ReceiveRing(this.#ring, pool, chunkBytes);
    this.#life = new Life(sockets, operations, handle => this.#beforeClose(handle));
    this.#accepts = new Accepts(sockets, operations, this.gate);
    const output = new Output({ sockets, pool, operations, direct: this.#direct });
    const pending = (slot: number): number => output.pending(slot) + splices.pending(slot);
    const input = new Input({ events, sockets, pool, operations, receives: this.#receives, splices, pending });
    const pipes = new PipeRelay(events, sockets, splices, {
      mayEmpty: to => output.isIdle(to),
      awaitRoom: to => output.awaitRoom(to),
      receivedNothing: (from, errno) => input.receivedNothing(from, errno),
      resume: from => input.arm(from),
    });
    this.#output = output;
    this.#input = input;
    output.pipes = pipes;
    input.pipes = pipes;
    this.#wake = wake;
    if (wake) this.#armWake();
  }

  // ---- commands -------------------------------------------------------------------------------------------------------

  accepting(listener: Handle, on: boolean): void {
    this.#accepts.accepting(listener, on);
  }

  connect(address: SocketAddress, options: SocketOptions): Handle {
    const fd = openConnector(address);
    const handle = this.sockets.adopt(fd, fd < 0 ? 0 : Flag.connecting);
    if (handle === noHandle || fd < 0) return handle;
    this.connectingTo(handle, address, options);
    this.#operations.connect(handle, fd, address);
    return handle;
  }

  reading(handle: Handle, on: boolean): void {
    this.#input.reading(handle, on);
  }

  write(handle: Handle, buffer: BufferId, offset: number, length: number): void {
    this.#output.write(handle, buffer, offset, length);
  }

  pending(handle: Handle): number {
    const slot = slotOf(handle);
    return this.#output.pending(slot) + this.splices.pending(slot);
  }

  splice(from: Handle, to: Handle): boolean {
    const isSpliced = this.splices.begin(from, to);
    if (isSpliced) this.#input.spliced(from);
    else this.#input.bulkRead(from);
    return isSpliced;
  }

  bulkRead(handle: Handle): void {
    this.#input.bulkRead(handle);
  }

  shutdown(handle: Handle): void {
    const slot = slotOf(handle);
    this.sockets.flags[slot] |= Flag.shut;
    if (this.pending(handle) === 0) libc.shutdown(this.sockets.fd[slot], SHUT_WR);
  }

  close(handle: Handle): void {
    const slot = slotOf(handle);
    this.#input.drop(slot);
    this.splices.forget(handle);
    this.#accepts.drop(slot);
    this.#life.close(handle);
  }

  override ledger(): { sockets: number; buffers: number } {
    return { sockets: this.sockets.handles.live, buffers: this.pool.inUse - this.#receives.size };
  }

  destroy(): void {
    this.splices.close();
    this.#ring.close();
  }

  // ---- the turn -------------------------------------------------------------------------------------------------------

  protected wait(ms: number): boolean {
    this.#ring.enter(ms > 0 ? 1 : 0, ms);
    this.readClock();
    return this.#ring.reap(this.#complete) >= fullTurn;
  }

  readonly #complete = (tag: number, data: number, result: number, flags: number): void => {
    const handle = data as Handle;
    switch (tag) {
      case Operation.close:
        this.events.closed(handle);
        this.sockets.handles.release(handle);
        return;
      case Operation.read:
        return this.#rung(result);
      case Operation.cancel:
      case Operation.unregister:
        return;
    }
    if (this.#life.completed(handle, (flags & completionMore) === 0)) this.#dispatch(tag, handle, result, flags);
    else this.#discard(tag, result, flags);
  };

  #dispatch(tag: number, handle: Handle, result: number, flags: number): void {
    switch (tag) {
      case Operation.receive:
        return this.#input.received(handle, result, flags);
      case Operation.send:
        // Also with reading off: an owner that waits for its bytes to be sent must hear of the failure, not of the backlog.
        if (!this.#output.sent(handle, result)) this.#input.drop(slotOf(handle));
        return;
      case Operation.accept:
        return this.#accepts.accepted(handle, result, (flags & completionMore) === 0);
      case Operation.connect:
        return this.#connected(handle, result);
      case Operation.pollIn:
        return this.#input.readable(handle);
      case Operation.pollOut:
        return this.#output.writable(handle);
      case Operation.register:
        if (result === 1) this.#direct.registered(slotOf(handle));
    }
  }

  /** The socket is being closed: frees what came too late. */
  #discard(tag: number, result: number, flags: number): void {
    if (tag === Operation.receive && flags & completionBuffer) {
      this.#receives.taken();
      this.pool.give(flags >>> 16);
    } else if (tag === Operation.accept && result >= 0) libc.close(result);
  }

  #connected(handle: Handle, result: number): void {
    const slot = slotOf(handle);
    this.sockets.flags[slot] &= ~Flag.connecting;
    if (result < 0) {
      this.sockets.failure[slot] = -result;
      return this.deliverFailure(handle);
    }
    if (this.isSelfConnected(handle)) return this.refuse(handle);
    this.events.connected(handle);
    this.#input.arm(handle);
  }

  protected readonly step = (handle: Handle): void => {
    const slot = slotOf(handle);
    const { flags, failure } = this.sockets;
    if (flags[slot] & Flag.over) return;
    this.#input.deliverBacklog(handle);
    if (!this.sockets.isOpen(handle)) return;
    if (failure[slot] === 0) {
      if (flags[slot] & Flag.listening) this.#accepts.step(handle);
      else this.#input.proceed(handle);
      return;
    }
    // The backlog comes before the failure, unless the owner waits for bytes to be sent that never will be.
    if (!this.#input.hasBacklog(slot) || this.pending(handle) > 0) this.deliverFailure(handle);
  };

  protected endTurn(): void {
    if (this.#isDeaf) this.#wake?.onWake();
    this.#input.feed();
  }

  protected dropBytes(slot: number): void {
    this.#input.drop(slot);
  }

  /** The kernel has no operation of the socket any more. */
  #beforeClose(handle: Handle): void {
    const slot = slotOf(handle);
    this.#output.drop(slot);
    this.#input.forget(slot);
    // While its row is registered the socket would stay open.
    if (this.#direct.isRegistered(slot)) this.#operations.unregister(handle);
    this.#direct.forget(slot);
  }

  // ---- the eventfd ----------------------------------------------------------------------------------------------------

  #armWake(): void {
    const { fd } = this.#wake as { fd: number };
    this.#operations.read(wakeHandle, fd, this.#wakeMemory.pointer, 8);
  }

  #rung(result: number): void {
    this.#wake?.onWake();
    // A read that fails would fail again at once: then every turn looks, and a turn comes each second at least.
    this.#isDeaf = result < 0 && result !== -EINTR && result !== -EAGAIN;
    if (!this.#isDeaf) this.#armWake();
  }
}
