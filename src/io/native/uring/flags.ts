/** Bits of a socket of the uring driver, beside those of its table. */
import { firstDriverBit, TableFlag } from '../base/socket-table.ts';

export const Flag = {
  ...TableFlag,
  reading: firstDriverBit,
  listening: firstDriverBit << 1,
  accepting: firstDriverBit << 2,
  /** Operations the kernel has of this socket. */
  connecting: firstDriverBit << 3,
  receiveArmed: firstDriverBit << 4,
  sending: firstDriverBit << 5,
  acceptArmed: firstDriverBit << 6,
  pollingIn: firstDriverBit << 7,
  pollingOut: firstDriverBit << 8,
  registering: firstDriverBit << 9,
  /** The receive is being cancelled. */
  cancelled: firstDriverBit << 10,
  /** Input has ended: no receive will be armed again. */
  inputOver: firstDriverBit << 11,
  ended: firstDriverBit << 12,
  shutdown: firstDriverBit << 13,
  closing: firstDriverBit << 14,
  /** `listening` was delivered. */
  announced: firstDriverBit << 15,
  /** The ring knows the socket by its row: it is sent to without its descriptor. */
  direct: firstDriverBit << 16,
} as const;
/** The kernel has something of the socket. */
export const inKernel =
  Flag.connecting |
  Flag.receiveArmed |
  Flag.sending |
  Flag.acceptArmed |
  Flag.pollingIn |
  Flag.pollingOut |
  Flag.registering;
/** A receive from the ring: armed, and not being cancelled, when only the first is set. */
export const receiving = Flag.receiveArmed | Flag.cancelled;
/** No receive, and no poll for one, is to be armed. */
export const inputBusy = Flag.receiveArmed | Flag.pollingIn | Flag.inputOver | Flag.over | Flag.connecting;
