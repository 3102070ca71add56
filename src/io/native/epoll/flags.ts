/** The readiness that epoll has reported for a socket, remembered until a call returns EAGAIN. */
import { Flag, firstDriverBit } from '../base/socket-table.ts';

export const Ready = {
  readable: firstDriverBit,
  writable: firstDriverBit << 1,
  /** The peer's FIN is in the receive queue, or behind it; or the connection has failed. */
  hangup: firstDriverBit << 2,
  /** Urgent bytes came: reads end before and after them. */
  urgent: firstDriverBit << 3,
} as const;

const readNow = Ready.readable | Flag.reading;
/** Whether a socket is to be read from. */
export const isReadNow = (flags: number): boolean => (flags & (readNow | Flag.ended)) === readNow;
