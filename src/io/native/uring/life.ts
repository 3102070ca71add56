/**
 * When a socket of the uring driver is closed: after the last completion of its last operation, because until then the kernel uses its
 * descriptor and the bytes of its sends.
 *
 *   state   | close()                                 | last completion of an operation | completion of the close
 *   --------+-----------------------------------------+---------------------------------+------------------------
 *   Open    | none in the kernel: close it → Closed   | deliver                         | -
 *           | else cancel them → Closing              |                                 |
 *   Closing | -                                       | none left: close it → Closed    | -
 *   Closed  | -                                       | -                               | `closed`; the row is free
 *
 * `completed` is asked first for every completion, so no other file has to know that a socket is being closed.
 */
import { type Handle, slotOf } from '../../handle.ts';
import { Flag, firstDriverBit, type SocketTable } from '../base/socket-table.ts';
import type { Operations } from './operations.ts';

const closing = firstDriverBit;

export class Life {
  readonly #sockets: SocketTable;
  readonly #operations: Operations;
  readonly #beforeClose: (handle: Handle) => void;

  /** @param beforeClose frees what the kernel may have used until now */
  constructor(sockets: SocketTable, operations: Operations, beforeClose: (handle: Handle) => void) {
    this.#sockets = sockets;
    this.#operations = operations;
    this.#beforeClose = beforeClose;
  }

  /** @returns whether the completion is to be delivered; if not, whatever it brought is to be thrown away */
  completed(handle: Handle, isLast: boolean): boolean {
    const slot = slotOf(handle);
    if (isLast) this.#operations.completed(slot);
    if ((this.#sockets.flags[slot] & closing) === 0) return true;
    if (this.#operations.inKernel(slot) === 0) this.#closeDescriptor(handle);
    return false;
  }

  close(handle: Handle): void {
    const slot = slotOf(handle);
    this.#sockets.flags[slot] |= closing | Flag.over;
    if (this.#operations.inKernel(slot) === 0) this.#closeDescriptor(handle);
    else this.#operations.cancel(handle, this.#sockets.fd[slot]);
  }

  #closeDescriptor(handle: Handle): void {
    const slot = slotOf(handle);
    this.#beforeClose(handle);
    this.#operations.close(handle, this.#sockets.fd[slot]);
    this.#sockets.fd[slot] = -1;
  }
}
