/**
 * The last file descriptors of the process are left to its control plane: without them health checks, metrics and reloads fail just when
 * an operator needs them. The kernel gives out the lowest free number, so a number in the reserve means that all others are taken.
 */
const mostReserved = 64;
const shareReserved = 1 / 8;

/** @param limit open files the process may have @returns the lowest number of the reserve */
export function reserveCeiling(limit: number): number {
  return limit - Math.min(mostReserved, Math.floor(limit * shareReserved));
}
