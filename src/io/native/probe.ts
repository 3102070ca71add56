/** Whether the kernel lets this process use io_uring the way the driver does. Containers often refuse it. */
import { reasonOf } from '../../errors.ts';
import { showErrno } from '../errno.ts';
// A Node.js that does not bring its own OpenSSL has no TLS for the native drivers: importing this throws there.
import './openssl/library.ts';
import { BufferPool } from './base/buffer-pool.ts';
import { ReceiveRing } from './uring/receive-ring.ts';
import { Ring, RingRefused } from './uring/ring.ts';

const nop = 0;

/**
 * Makes a ring as the driver's and goes around it once. A kernel that knows its set-up flags (6.1) knows all its operations.
 * @returns undefined when it does; else why not, in words
 */
export function uringObstacle(): string | undefined {
  let ring: Ring | undefined;
  try {
    ring = new Ring(8);
    new ReceiveRing(ring, new BufferPool({ bytes: 4096, step: 32, limit: 32 }), 4096);
    ring.prepare(nop, -1, 0, 0);
    ring.enter(1, 1_000);
    return ring.reap(() => {}) === 1 ? undefined : 'the ring does not answer';
  } catch (error) {
    return error instanceof RingRefused ? showErrno(error.errno) : reasonOf(error);
  } finally {
    ring?.close();
  }
}
