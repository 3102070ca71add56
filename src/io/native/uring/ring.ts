/**
 * An io_uring: submission and completion queues shared with the kernel. It knows nothing of sockets.
 *
 * SINGLE_ISSUER and DEFER_TASKRUN: only the thread that made the ring uses it, and completions are posted when it asks for them,
 * so that one `io_uring_enter` per turn submits everything and reaps everything. Source: io_uring_setup(2), io_uring_enter(2).
 */
import * as ffi from 'node:ffi';
import { constants } from 'node:os';
import { errno, libc } from '../kernel/libc.ts';
import { mapMemory, type NativeMemory, viewMemory } from '../kernel/memory.ts';

const { EINTR, ETIME, EBUSY, EAGAIN } = constants.errno;

const syscalls = {
  setup: ffi.dlopen(null as unknown as string, { syscall: { arguments: ['i32', 'i32', 'pointer'], return: 'i32' } })
    .functions.syscall,
  enter: ffi.dlopen(null as unknown as string, {
    // The seventh argument travels on the stack, where a 32-bit one would leave garbage beside it.
    syscall: { arguments: ['i32', 'i32', 'i32', 'i32', 'i32', 'pointer', 'u64'], return: 'i32' },
  }).functions.syscall,
  register: ffi.dlopen(null as unknown as string, {
    syscall: { arguments: ['i32', 'i32', 'i32', 'pointer', 'i32'], return: 'i32' },
  }).functions.syscall,
};
/** The system call io_uring_enter(2). */
export const enterRing = syscalls.enter;
export type EnterRing = (...call: Parameters<typeof enterRing>) => number;
/** The same numbers on x86-64 and arm64. */
const SETUP = 425;
const ENTER = 426;
const REGISTER = 427;

const SETUP_CQSIZE = 1 << 3;
const SETUP_SUBMIT_ALL = 1 << 7;
const SETUP_SINGLE_ISSUER = 1 << 12;
const SETUP_DEFER_TASKRUN = 1 << 13;
const ENTER_GETEVENTS = 1;
const ENTER_EXT_ARG = 8;
const OFF_SQES = 0x1000_0000n;
const REGISTER_FILES2 = 13;
const REGISTER_PBUF_RING = 22;
const RSRC_REGISTER_SPARSE = 1;
const rsrcRegisterBytes = 32;
const waitArgumentBytes = 24n;
const protReadWrite = 3;
const mapSharedPopulate = 0x8001;

/** Bytes of a submission entry's own scratch, for what it points to until it is submitted: a socket address. */
const scratchBytes = 32;

const mostTries = 1000;

/** Receives one completion. `data` is what the submission carried, `tag` its kind. */
export type OnCompletion = (tag: number, data: number, result: number, flags: number) => void;

export class Ring {
  readonly fd: number;
  readonly scratch: NativeMemory;
  readonly #entries: number;
  readonly #ints: Int32Array;
  readonly #sqes: Int32Array;
  readonly #sqTail: number;
  readonly #sqMask: number;
  readonly #cqHead: number;
  readonly #cqTail: number;
  readonly #cqMask: number;
  readonly #cqes: number;
  readonly #wait = mapMemory(64);
  readonly #waitInts = new Int32Array(this.#wait.buffer);
  readonly #enter: EnterRing;
  #tail: number;
  /** Entries the kernel has not taken yet. */
  #pending = 0;
  #head: number;
  /** The end of the completions that are being delivered. */
  #seen = 0;
  readonly #aside: [tag: number, data: number, result: number, flags: number][] = [];

  /**
   * @param enter the system call
   * @throws RingRefused when the kernel refuses
   */
  constructor(entries: number, enter: EnterRing = enterRing) {
    this.#enter = enter;
    const params = mapMemory(120);
    const view = new DataView(params.buffer);
    view.setUint32(4, entries * 4, true);
    view.setUint32(8, SETUP_CQSIZE | SETUP_SUBMIT_ALL | SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN, true);
    this.fd = syscalls.setup(SETUP, entries, params.pointer);
    if (this.fd < 0) throw new RingRefused(errno());
    const at = (offset: number): number => view.getUint32(offset, true);
    this.#entries = at(0);
    const bytes = Math.max(at(40 + 24) + at(0) * 4, at(80 + 20) + at(4) * 16);
    this.#ints = new Int32Array(mapRing(this.fd, bytes, 0n).buffer);
    this.#sqes = new Int32Array(mapRing(this.fd, this.#entries * 64, OFF_SQES).buffer);
    this.#sqTail = at(40 + 4) >> 2;
    this.#sqMask = this.#ints[at(40 + 8) >> 2];
    this.#cqHead = at(80) >> 2;
    this.#cqTail = at(80 + 4) >> 2;
    this.#cqMask = this.#ints[at(80 + 8) >> 2];
    this.#cqes = at(80 + 20) >> 2;
    this.#tail = this.#ints[this.#sqTail];
    this.#head = this.#ints[this.#cqHead];
    const array = at(40 + 24) >> 2;
    for (let i = 0; i < this.#entries; i++) this.#ints[array + i] = i;
    this.scratch = mapMemory(this.#entries * scratchBytes);
    // struct io_uring_getevents_arg at 0 points to a timespec at 32.
    new BigUint64Array(this.#wait.buffer)[2] = this.#wait.pointer + 32n;
  }

  /**
   * Starts a submission entry.
   * @returns its first index in {@link entry}; words: 0 opcode | flags << 8 | ioprio << 16, 1 fd, 2-3 offset, 4-5 address, 6 length,
   *   7 flags of the operation, 8-9 filled in here, 10 buffer group
   */
  prepare(word0: number, fd: number, tag: number, data: number): number {
    if (this.#pending === this.#entries) this.#makeRoom();
    const at = (this.#tail & this.#sqMask) << 4;
    const sqes = this.#sqes;
    sqes[at] = word0;
    sqes[at + 1] = fd;
    sqes[at + 2] = 0;
    sqes[at + 3] = 0;
    sqes[at + 4] = 0;
    sqes[at + 5] = 0;
    sqes[at + 6] = 0;
    sqes[at + 7] = 0;
    sqes[at + 8] = data;
    sqes[at + 9] = tag;
    // Words 11 to 15 are never set.
    sqes[at + 10] = 0;
    this.#tail = (this.#tail + 1) | 0;
    this.#pending++;
    return at;
  }

  get entry(): Int32Array {
    return this.#sqes;
  }

  /** Where the scratch of the entry at `at` lies. */
  scratchOffset(at: number): number {
    return (at >> 4) * scratchBytes;
  }

  /** Submits everything and waits for `min` completions, at most `timeoutMs`. */
  enter(min: number, timeoutMs: number): void {
    const wait = this.#waitInts;
    const ms = Math.max(0, timeoutMs);
    wait[8] = Math.floor(ms / 1000);
    wait[10] = Math.round((ms % 1000) * 1e6);
    const flags = ENTER_GETEVENTS | ENTER_EXT_ARG;
    // Publishes the entries: the kernel looks at the tail in the call.
    Atomics.store(this.#ints, this.#sqTail, this.#tail);
    const submitted = this.#enter(ENTER, this.fd, this.#pending, min, flags, this.#wait.pointer, waitArgumentBytes);
    if (submitted >= 0) this.#pending -= submitted;
    else {
      const failure = errno();
      // ETIME: all was submitted, nothing came. EBUSY, EAGAIN: the kernel is short; reap, then try again next turn.
      if (failure === ETIME) this.#pending = 0;
      else if (failure !== EINTR && failure !== EBUSY && failure !== EAGAIN) throw new RingRefused(failure);
    }
  }

  /**
   * The queue is full: no entry may be overwritten before the kernel has taken it. It refuses to take any while completions overflow
   * (EBUSY), so those that are there are set aside for `reap`.
   */
  #makeRoom(): void {
    for (let tries = 0; this.#pending === this.#entries; tries++) {
      if (tries === mostTries) throw new RingRefused(EBUSY);
      this.enter(0, 0);
      if (this.#pending === this.#entries) this.#setAside();
    }
  }

  #setAside(): void {
    const ints = this.#ints;
    this.#seen = Atomics.load(ints, this.#cqTail);
    for (; this.#head !== this.#seen; this.#head = (this.#head + 1) | 0) {
      const at = this.#cqes + ((this.#head & this.#cqMask) << 2);
      this.#aside.push([ints[at + 1], ints[at], ints[at + 2], ints[at + 3]]);
    }
    Atomics.store(ints, this.#cqHead, this.#head);
  }

  /** Delivers the completions that are there now, in order. @returns how many */
  reap(onCompletion: OnCompletion): number {
    const ints = this.#ints;
    let count = 0;
    this.#seen = Atomics.load(ints, this.#cqTail);
    for (; this.#aside.length > 0 || this.#head !== this.#seen; count++) {
      if (this.#aside.length > 0) onCompletion(...(this.#aside.shift() as [number, number, number, number]));
      else {
        const at = this.#cqes + ((this.#head & this.#cqMask) << 2);
        this.#head = (this.#head + 1) | 0;
        onCompletion(ints[at + 1], ints[at], ints[at + 2], ints[at + 3]);
      }
    }
    Atomics.store(ints, this.#cqHead, this.#head);
    return count;
  }

  /** Registers a ring of provided buffers. */
  registerBufferRing(ring: NativeMemory, entries: number, group: number): void {
    const argument = mapMemory(40);
    const view = new DataView(argument.buffer);
    view.setBigUint64(0, ring.pointer, true);
    view.setUint32(8, entries, true);
    view.setUint16(12, group, true);
    if (syscalls.register(REGISTER, this.fd, REGISTER_PBUF_RING, argument.pointer, 1) < 0)
      throw new RingRefused(errno());
  }

  /** Makes an empty table for direct descriptors. @returns whether the kernel allows one of that size */
  registerDescriptors(rows: number): boolean {
    // struct io_uring_rsrc_register: how many, flags; no descriptors are given.
    const argument = mapMemory(rsrcRegisterBytes);
    new Uint32Array(argument.buffer).set([rows, RSRC_REGISTER_SPARSE]);
    return syscalls.register(REGISTER, this.fd, REGISTER_FILES2, argument.pointer, rsrcRegisterBytes) >= 0;
  }

  close(): void {
    libc.close(this.fd);
  }
}

/** The kernel does not let this process use io_uring, or not this part of it. */
export class RingRefused extends Error {
  readonly errno: number;

  constructor(failure: number) {
    super(`io_uring refused: errno ${failure}`);
    this.errno = failure;
  }
}

function mapRing(fd: number, bytes: number, offset: bigint): NativeMemory {
  const pointer = libc.mmap(0n, BigInt(bytes), protReadWrite, mapSharedPopulate, fd, BigInt.asIntN(64, offset));
  if (pointer === 0xffff_ffff_ffff_ffffn) throw new RingRefused(errno());
  return viewMemory(pointer, bytes);
}
