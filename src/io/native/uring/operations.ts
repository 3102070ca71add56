/**
 * The operations of the uring driver, each one entry in the submission queue. Source: io_uring_enter(2), io_uring.h.
 *
 * Every entry carries the socket's handle and, to tell completions apart, a tag: its {@link Operation}. Operations are counted here,
 * where they begin, so that no path can forget one: see life.ts.
 */
import type { SocketAddress } from '../../driver.ts';
import { type Handle, slotOf } from '../../handle.ts';
import { longer, type SocketTable } from '../base/socket-table.ts';
import { POLLIN, POLLOUT, POLLRDHUP, SOCK_CLOEXEC, SOCK_NONBLOCK } from '../kernel/constants.ts';
import { writeSockaddr } from '../kernel/sockaddr.ts';
import { receiveGroup } from './receive-ring.ts';
import type { Ring } from './ring.ts';

export const Operation = {
  accept: 1,
  connect: 2,
  receive: 3,
  send: 4,
  /** Something was received: for a socket that is read by calls of its own. */
  pollIn: 5,
  /** There is room to send: for a socket that a pipe is emptied into. */
  pollOut: 6,
  cancel: 7,
  close: 8,
  read: 9,
  register: 10,
  unregister: 11,
} as const;

/** Opcodes with their flags and priority: the first word of an entry. */
const pollWord = 6;
const acceptOnceWord = 13;
const acceptMultishotWord = acceptOnceWord | (1 << 16);
const cancelWord = 14;
const connectWord = 16;
const closeWord = 19;
const readWord = 22;
const filesUpdateWord = 20;
const sendWord = 26;
/** With IOSQE_FIXED_FILE: the row of a direct descriptor stands in place of the descriptor. */
const sendDirectWord = sendWord | (1 << 8);
/** With IOSQE_BUFFER_SELECT. */
const receiveOnceWord = 27 | (0x20 << 8);
/** With IORING_RECV_MULTISHOT, too. */
const receiveMultishotWord = receiveOnceWord | (2 << 16);
/** IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_FD */
const cancelAllOfFd = 3;

/** Words of an entry. */
const addressLow = 4;
const addressHigh = 5;
const length = 6;
const operationFlags = 7;
const bufferGroup = 10;

export class Operations {
  readonly #ring: Ring;
  readonly #entry: Int32Array;
  readonly #scratch: Int32Array;
  /** Operations of each socket that the kernel has: those whose last completion has not come. */
  #count = new Int32Array(0);

  constructor(ring: Ring, sockets: SocketTable) {
    this.#ring = ring;
    this.#entry = ring.entry;
    this.#scratch = new Int32Array(ring.scratch.buffer);
    sockets.whenGrown(rows => {
      this.#count = longer(this.#count, rows);
    });
  }

  inKernel(slot: number): number {
    return this.#count[slot];
  }

  /** The last completion of an operation has come. */
  completed(slot: number): void {
    this.#count[slot]--;
  }

  /** Starts an operation that uses the descriptor, or memory of the driver, until its last completion. */
  #begin(word: number, fd: number, tag: number, socket: Handle): number {
    this.#count[slotOf(socket)]++;
    return this.#ring.prepare(word, fd, tag, socket);
  }

  accept(listener: Handle, fd: number, isMultishot: boolean): void {
    const at = this.#begin(isMultishot ? acceptMultishotWord : acceptOnceWord, fd, Operation.accept, listener);
    this.#entry[at + operationFlags] = SOCK_CLOEXEC | SOCK_NONBLOCK;
  }

  connect(socket: Handle, fd: number, address: SocketAddress): void {
    const ring = this.#ring;
    const at = this.#begin(connectWord, fd, Operation.connect, socket);
    const offset = ring.scratchOffset(at);
    // The length goes where other operations have an offset.
    this.#entry[at + 2] = writeSockaddr(ring.scratch, address, offset);
    this.#setAddress(at, ring.scratch.pointer + BigInt(offset));
  }

  /** Into buffers of the receive ring: once, or until it is cancelled, fails or finds no buffer. */
  receive(socket: Handle, fd: number, isMultishot: boolean): void {
    const word = isMultishot ? receiveMultishotWord : receiveOnceWord;
    const at = this.#begin(word, fd, Operation.receive, socket);
    this.#entry[at + bufferGroup] = receiveGroup;
  }

  /**
   * @param low @param high halves of the address of the bytes, which stay there until completion
   * @param isDirect `fd` is the row of a registered socket
   */
  send(socket: Handle, fd: number, isDirect: boolean, low: number, high: number, bytes: number, flags: number): void {
    const at = this.#begin(isDirect ? sendDirectWord : sendWord, fd, Operation.send, socket);
    const entry = this.#entry;
    entry[at + addressLow] = low;
    entry[at + addressHigh] = high;
    entry[at + length] = bytes;
    entry[at + operationFlags] = flags;
  }

  /** Makes the socket known by its row. The result is 1 when that is done. */
  register(socket: Handle, fd: number): void {
    this.#updateRow(this.#begin(filesUpdateWord, -1, Operation.register, socket), socket, fd);
  }

  /** Not counted: `close` comes after it. */
  unregister(socket: Handle): void {
    this.#updateRow(this.#ring.prepare(filesUpdateWord, -1, Operation.unregister, socket), socket, -1);
  }

  #updateRow(at: number, socket: Handle, fd: number): void {
    const ring = this.#ring;
    const offset = ring.scratchOffset(at);
    this.#scratch[offset >> 2] = fd;
    this.#entry[at + 2] = slotOf(socket);
    this.#setAddress(at, ring.scratch.pointer + BigInt(offset));
    this.#entry[at + length] = 1;
  }

  /** Once, also when there is something already. */
  pollIn(socket: Handle, fd: number): void {
    const at = this.#begin(pollWord, fd, Operation.pollIn, socket);
    this.#entry[at + operationFlags] = POLLIN | POLLRDHUP;
  }

  /** Once, also when there is room already. */
  pollOut(socket: Handle, fd: number): void {
    const at = this.#begin(pollWord, fd, Operation.pollOut, socket);
    this.#entry[at + operationFlags] = POLLOUT;
  }

  /** Every operation the kernel has of the descriptor. Cancels are not counted: nothing depends on their completion. */
  cancel(socket: Handle, fd: number): void {
    const at = this.#ring.prepare(cancelWord, fd, Operation.cancel, socket);
    this.#entry[at + operationFlags] = cancelAllOfFd;
  }

  cancelReceive(socket: Handle): void {
    const at = this.#ring.prepare(cancelWord, -1, Operation.cancel, socket);
    // The kernel finds the receive by the handle and the tag of its entry.
    this.#entry[at + addressLow] = socket;
    this.#entry[at + addressHigh] = Operation.receive;
  }

  /** `fd` may be -1: the operation fails with EBADF, but still posts the completion that delivers `closed`. */
  close(socket: Handle, fd: number): void {
    this.#ring.prepare(closeWord, fd, Operation.close, socket);
  }

  /** Of a descriptor that is no socket. */
  read(handle: Handle, fd: number, pointer: bigint, bytes: number): void {
    const at = this.#ring.prepare(readWord, fd, Operation.read, handle);
    this.#setAddress(at, pointer);
    this.#entry[at + length] = bytes;
  }

  #setAddress(at: number, pointer: bigint): void {
    this.#entry[at + addressLow] = Number(BigInt.asIntN(32, pointer));
    this.#entry[at + addressHigh] = Number(pointer >> 32n);
  }
}
