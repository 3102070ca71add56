/** Wakes a thread that is blocked in its native driver: an eventfd that the main thread writes to and the driver waits on. */
import { LinkerdTcpError } from '../../../errors.ts';
import { showErrno } from '../../errno.ts';
import { EFD_CLOEXEC, EFD_NONBLOCK } from './constants.ts';
import { errno, libc } from './libc.ts';
import { mapMemory } from './memory.ts';

export class Doorbell {
  readonly fd: number;
  readonly #one = mapMemory(8);

  constructor() {
    this.fd = libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (this.fd < 0) throw new LinkerdTcpError('DRIVER_UNAVAILABLE', { driver: 'native', reason: showErrno(errno()) });
    new BigUint64Array(this.#one.buffer)[0] = 1n;
  }

  ring(): void {
    libc.write(this.fd, this.#one.pointer, 8);
  }

  close(): void {
    libc.close(this.fd);
  }
}
