/** Whether the kernel lets this process use io_uring the way the driver does. Containers often refuse it. */
import { reasonOf } from '../../errors.ts';
import { showErrno } from '../errno.ts';
import { BufferPool } from './buffer-pool.ts';
import { ReceiveRing } from './receive-ring.ts';
import { Ring, RingRefused } from './ring.ts';

/** @returns undefined when it does; else why not, in words */
export function uringObstacle(): string | undefined {
  let ring: Ring | undefined;
  try {
    ring = new Ring(8);
    new ReceiveRing(ring, new BufferPool({ bytes: 4096, step: 32, limit: 32 }));
    return undefined;
  } catch (error) {
    return error instanceof RingRefused ? showErrno(error.errno) : reasonOf(error);
  } finally {
    ring?.close();
  }
}
