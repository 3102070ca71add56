/**
 * The bookkeeping of one connection to an endpoint, from the attempt to the close: load, health, latency, metrics.
 * Sessions and spare connections go through here, so that no count can be forgotten in one of them.
 *
 * An endpoint that has left its route is given away, row and cells, when its load is 0: so the new count is taken before the old
 * one is given back, and that comes after everything else that is written.
 */

import { constants } from 'node:os';
import { recordFailure, recordSuccess, releaseProbe } from '../balancer/health.ts';
import { showAddress } from '../io/driver.ts';
import { showErrno } from '../io/errno.ts';
import type { WorkerContext } from './context.ts';
import type { RouteSpec } from './messages.ts';
import type { Endpoint } from './route.ts';
import { isShortage } from './shortages.ts';

/** In the order of the `cause` label of `l5d:balancer:connection:failure`. */
export const failureCauses = ['timeout', 'refused', 'other'] as const;

export function attemptStarted({ endpoints, cells }: WorkerContext, route: RouteSpec, endpoint: Endpoint): void {
  endpoints.addConnecting(endpoint.slot, 1);
  cells.add(route.cells.attempts, 1);
}

export function attemptSucceeded(
  context: WorkerContext,
  route: RouteSpec,
  endpoint: Endpoint,
  latencyMs: number,
): void {
  const { endpoints, cells, driver } = context;
  endpoints.addOpen(endpoint.slot, 1);
  cells.add(route.cells.connects, 1);
  cells.add(endpoint.cells.connects, 1);
  cells.observe(route.cells.latencyUs, latencyMs * 1000);
  if (recordSuccess(endpoints, endpoint.slot, driver.now(), latencyMs))
    context.notice('info', `${show(route, endpoint)} is back in rotation`);
  endpoints.addConnecting(endpoint.slot, -1);
}

export function attemptFailed(
  context: WorkerContext,
  route: RouteSpec,
  endpoint: Endpoint,
  latencyMs: number,
  errno: number,
  probing: boolean,
): void {
  const { endpoints, cells, driver } = context;
  cells.add(route.cells.failure + causeOf(errno), 1);
  cells.add(endpoint.cells.failures, 1);
  cells.observe(route.cells.latencyUs, latencyMs * 1000);
  if (isShortage(errno)) {
    if (probing) releaseProbe(endpoints, endpoint.slot);
    context.shortage('cannot connect to endpoints', errno);
  } else if (recordFailure(endpoints, endpoint.slot, driver.now(), route.client.failFast, context.random)) {
    cells.add(endpoint.cells.ejections, 1);
    context.notice('warn', `${show(route, endpoint)} is taken out of rotation: connection failed: ${showErrno(errno)}`);
  }
  endpoints.addConnecting(endpoint.slot, -1);
}

/** The attempt is given up for a reason that says nothing about the endpoint: its client left. */
export function attemptAbandoned({ endpoints }: WorkerContext, endpoint: Endpoint, probing: boolean): void {
  if (probing) releaseProbe(endpoints, endpoint.slot);
  endpoints.addConnecting(endpoint.slot, -1);
}

export function connectionEnded(
  { endpoints, cells }: WorkerContext,
  route: RouteSpec,
  endpoint: Endpoint,
  durationMs: number,
): void {
  cells.observe(route.cells.durationMs, durationMs);
  endpoints.addOpen(endpoint.slot, -1);
}

const show = ({ router, dst }: RouteSpec, endpoint: Endpoint): string =>
  `router ${router}, ${dst}: endpoint ${showAddress(endpoint)}`;

function causeOf(errno: number): number {
  if (errno === constants.errno.ETIMEDOUT) return 0;
  return errno === constants.errno.ECONNREFUSED ? 1 : 2;
}
