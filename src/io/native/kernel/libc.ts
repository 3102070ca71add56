/**
 * The system calls of the native drivers, through `node:ffi`: one typed place for all of them.
 *
 * Arguments are 32-bit wherever the values allow it (sizes and flags do), and pointers are BigInts made once. node:ffi has a
 * quicker way for up to three arguments (bench/ffi-call.ts): bytes are moved by read() and write(), not recv() and send(); sockets
 * are non-blocking, and Node ignores SIGPIPE. Results below 0 are errors; {@link errno} is the code.
 * Importing this module loads node:ffi; see choose-driver.ts for who may.
 */
import * as ffi from 'node:ffi';

const { functions } = ffi.dlopen(null as unknown as string, {
  __errno_location: { arguments: [], return: 'pointer' },
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  bind: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  listen: { arguments: ['i32', 'i32'], return: 'i32' },
  accept4: { arguments: ['i32', 'pointer', 'pointer', 'i32'], return: 'i32' },
  connect: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  getsockname: { arguments: ['i32', 'pointer', 'pointer'], return: 'i32' },
  getsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'pointer'], return: 'i32' },
  setsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'i32'], return: 'i32' },
  ioctl: { arguments: ['i32', 'i32', 'pointer'], return: 'i32' },
  shutdown: { arguments: ['i32', 'i32'], return: 'i32' },
  close: { arguments: ['i32'], return: 'i32' },
  epoll_create1: { arguments: ['i32'], return: 'i32' },
  epoll_ctl: { arguments: ['i32', 'i32', 'i32', 'pointer'], return: 'i32' },
  epoll_wait: { arguments: ['i32', 'pointer', 'i32', 'i32'], return: 'i32' },
  eventfd: { arguments: ['i32', 'i32'], return: 'i32' },
  read: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  write: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  pipe2: { arguments: ['pointer', 'i32'], return: 'i32' },
  fcntl: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  splice: { arguments: ['i32', 'pointer', 'i32', 'pointer', 'i32', 'i32'], return: 'i32' },
  madvise: { arguments: ['pointer', 'u64', 'i32'], return: 'i32' },
  getrlimit: { arguments: ['i32', 'pointer'], return: 'i32' },
  if_nametoindex: { arguments: ['string'], return: 'u32' },
  if_indextoname: { arguments: ['u32', 'pointer'], return: 'pointer' },
  mmap: { arguments: ['pointer', 'u64', 'i32', 'i32', 'i32', 'i64'], return: 'pointer' },
});

export const libc = functions;

// The address is the calling thread's own, and constant for it.
const errnoCell = new Int32Array(ffi.toArrayBuffer(functions.__errno_location(), 4, false));

/** Why the last call failed; positive, as in errno.h. Read it before the next call. */
export function errno(): number {
  return errnoCell[0];
}

export const nullPointer = 0n;
