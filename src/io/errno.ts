/** Error numbers of node's errors, and their names. */
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';

/** The positive errno of an error from node:net; EIO where node made the error itself. */
export function errnoOf(error: Error): number {
  const { errno, code } = error as NodeJS.ErrnoException;
  if (typeof errno === 'number' && errno !== 0) return Math.abs(errno);
  return (constants.errno as Record<string, number>)[code ?? ''] ?? constants.errno.EIO;
}

/** `ECONNREFUSED (connection refused)` for 111. */
export function showErrno(errno: number): string {
  const entry = getSystemErrorMap().get(-errno);
  return entry ? `${entry[1]} (${entry[0]})` : `error ${errno}`;
}
