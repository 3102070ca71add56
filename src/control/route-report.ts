/** Log lines for a destination whose meaning changes. */
import { showPath } from '../dtab/show.ts';
import type { Log } from '../log.ts';
import type { Branch, Destination, Stale } from '../naming/destination.ts';

/** Two routers may have a destination of the same name: each line says the router. */
export const inRouter = (log: Log, router: string): Log => ({
  info: (message, details) => log.info(message, { router, ...details }),
  warn: (message, details) => log.warn(message, { router, ...details }),
  error: (message, details) => log.error(message, { router, ...details }),
});

export function reportChange(log: Log, dst: string, before: Destination, next: Destination): void {
  const reasonBefore = 'reason' in before ? before.reason : undefined;
  if (next.state === 'negative' && !next.isPreliminary && (reasonBefore !== next.reason || isPreliminary(before)))
    log.warn(next.reason);
  if (next.state === 'failed' && reasonBefore !== next.reason) log.error(`${dst}: resolver error: ${next.reason}`);
  if (next.state !== 'bound') return;
  const staleBefore = before.state === 'bound' ? untold(before.stale) : undefined;
  const stale = untold(next.stale);
  if (stale && staleBefore?.reason !== stale.reason) {
    log.warn(`${dst}: resolver error, the last good endpoints are kept: ${stale.reason}`);
  } else if (!next.stale && staleBefore) log.info(`${dst}: resolved again`);
  // Addresses change all the time; the bound names change only when an operator moves the name.
  if (before.state !== 'bound' || !sameBranches(before.branches, next.branches))
    log.info(`${dst}: resolved to ${summary(next.branches)}`);
}

const isPreliminary = (destination: Destination): boolean => 'isPreliminary' in destination;

/** Changes that are not logged yet. */
const untold = (stale: Stale | undefined): Stale | undefined => (stale?.isTold ? undefined : stale);

function summary(branches: readonly Branch[]): string {
  const parts = branches.map(({ id, weight, addresses }) => {
    const share = branches.length > 1 ? `${Math.round(weight * 1000) / 10}% ` : '';
    return `${share}${showPath(id)} (${addresses.length} endpoint${addresses.length === 1 ? '' : 's'})`;
  });
  return parts.join(', ');
}

const sameBranches = (a: readonly Branch[], b: readonly Branch[]): boolean =>
  a.length === b.length && a.every(({ id, weight }, i) => weight === b[i].weight && showPath(id) === showPath(b[i].id));
