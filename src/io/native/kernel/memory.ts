/** Memory outside the JavaScript heap, at an address that system calls can be given. */
import * as ffi from 'node:ffi';
import { libc } from './libc.ts';

const protReadWrite = 3;
const mapPrivateAnonymous = 0x22;
const mapFailed = 0xffff_ffff_ffff_ffffn;

export interface NativeMemory {
  readonly pointer: bigint;
  readonly buffer: ArrayBuffer;
  /** All of it. */
  readonly bytes: Uint8Array;
}

/** Zeroed, page aligned; lives as long as the process. */
export function mapMemory(bytes: number): NativeMemory {
  const pointer = libc.mmap(0n, BigInt(bytes), protReadWrite, mapPrivateAnonymous, -1, 0n);
  if (pointer === mapFailed) throw new RangeError(`no memory for ${bytes} bytes`);
  return viewMemory(pointer, bytes);
}

export function viewMemory(pointer: bigint, bytes: number): NativeMemory {
  const buffer = ffi.toArrayBuffer(pointer, bytes, false) as ArrayBuffer;
  return { pointer, buffer, bytes: new Uint8Array(buffer) };
}

/** The address of an array of the JavaScript heap. The caller must keep the array alive. */
export function pointerOf(bytes: Uint8Array): bigint {
  return ffi.getRawPointer(bytes);
}

/** A copy in memory that does not move: its address stays the same for as long as the copy is referenced. */
export function copyToNative(source: Uint8Array): NativeMemory {
  const buffer = new ArrayBuffer(source.length);
  const bytes = new Uint8Array(buffer);
  bytes.set(source);
  return { pointer: pointerOf(bytes), buffer, bytes };
}

const dontNeed = 4;

const pageBytes = 4096n;

/** Gives the whole pages of a piece of mapped memory back to the system; zeroed ones take their place when they are used again. */
export function releasePages(pointer: bigint, bytes: number): void {
  const start = (pointer + pageBytes - 1n) & -pageBytes;
  const end = (pointer + BigInt(bytes)) & -pageBytes;
  if (end > start) libc.madvise(start, end - start, dontNeed);
}
