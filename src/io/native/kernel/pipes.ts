/**
 * Pipes for bytes that go from one socket to another inside the kernel, by splice(2): its pages change hands, nothing is copied.
 *
 * Few connections carry bulk data at a time, so there are few pipes. An empty one is reused; one with bytes left is closed.
 */
import { F_GETPIPE_SZ, F_SETPIPE_SZ, O_CLOEXEC, O_NONBLOCK, SPLICE_F_MOVE, SPLICE_F_NONBLOCK } from './constants.ts';
import { reserve } from './descriptor-reserve.ts';
import { libc, nullPointer } from './libc.ts';
import { mapMemory } from './memory.ts';

/** The capacity requested for a pipe, and the most bytes moved at a time. */
const pipeBytes = 1024 * 1024;
/**
 * The least capacity accepted. A process beyond its share of pipe memory (pipe-user-pages-soft) gets pipes of two pages, and splicing
 * through those costs more than copying.
 */
const leastPipeBytes = 64 * 1024;
const flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;

export class Pipe {
  readonly #readEnd: number;
  readonly #writeEnd: number;
  /** In the pipe now. */
  bytes = 0;

  constructor(readEnd: number, writeEnd: number) {
    this.#readEnd = readEnd;
    this.#writeEnd = writeEnd;
  }

  /** Moves what a socket has received into the empty pipe. @returns as read(2) */
  fill(socket: number): number {
    const moved = libc.splice(socket, nullPointer, this.#writeEnd, nullPointer, pipeBytes, flags);
    if (moved > 0) this.bytes += moved;
    return moved;
  }

  /** Moves what the socket takes out of the pipe. @returns as write(2) */
  empty(socket: number): number {
    const moved = libc.splice(this.#readEnd, nullPointer, socket, nullPointer, this.bytes, flags);
    if (moved > 0) this.bytes -= moved;
    return moved;
  }

  close(): void {
    libc.close(this.#readEnd);
    libc.close(this.#writeEnd);
  }
}

export class PipePool {
  readonly #limit: number;
  readonly #kept: number;
  readonly #free: Pipe[] = [];
  readonly #ends = mapMemory(8);
  #inUse = 0;

  /** @param limit pipes in use at a time; @param kept empty ones kept for later */
  constructor({ limit, kept }: { readonly limit: number; readonly kept: number }) {
    this.#limit = limit;
    this.#kept = kept;
  }

  /** @returns undefined at the limit, or when the process is short of descriptors or of pipe memory */
  take(): Pipe | undefined {
    if (this.#inUse === this.#limit) return undefined;
    const pipe = this.#free.pop() ?? this.#open();
    if (pipe) this.#inUse++;
    return pipe;
  }

  give(pipe: Pipe): void {
    this.#inUse--;
    if (pipe.bytes === 0 && this.#free.length < this.#kept) this.#free.push(pipe);
    else pipe.close();
  }

  close(): void {
    for (const pipe of this.#free.splice(0)) pipe.close();
  }

  #open(): Pipe | undefined {
    if (libc.pipe2(this.#ends.pointer, O_CLOEXEC | O_NONBLOCK) < 0) return undefined;
    const [readEnd, writeEnd] = new Int32Array(this.#ends.buffer);
    const pipe = new Pipe(readEnd, writeEnd);
    const bytes = libc.fcntl(writeEnd, F_SETPIPE_SZ, pipeBytes);
    const isLarge = (bytes < 0 ? libc.fcntl(writeEnd, F_GETPIPE_SZ, 0) : bytes) >= leastPipeBytes;
    if (isLarge && !reserve.isReserved(writeEnd)) return pipe;
    pipe.close();
    return undefined;
  }
}
