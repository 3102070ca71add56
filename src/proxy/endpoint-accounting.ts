/**
 * The bookkeeping of one connection to an endpoint, from the attempt to the close: load, health, latency, metrics.
 * Sessions and the idle pool both go through here, so that neither can forget a count.
 *
 * A retired endpoint's row and cells are reused once its load is 0. So increment the new counter before decrementing the old,
 * and decrement after all other writes.
 */

import { constants } from 'node:os';
import {
  isUnproven,
  recordAnswer,
  recordConnect,
  recordEarlyClose,
  recordFailure,
  releaseProbe,
} from '../balancer/health.ts';
import { showAddress } from '../io/driver.ts';
import { showErrno } from '../io/errno.ts';
import type { WorkerContext } from './context.ts';
import type { RouteSpec } from './messages.ts';
import { isShortage } from './resource-pressure.ts';
import type { Endpoint } from './route.ts';

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
  if (recordConnect(endpoints, endpoint.slot, driver.now(), latencyMs))
    context.notice('info', `${show(route, endpoint)} is back in rotation`);
  endpoints.addConnecting(endpoint.slot, -1);
}

/** Why an attempt failed. */
export interface Failure {
  readonly errno: number;
  /** The failure that TLS reports; '' where the errno is the reason. */
  readonly tls: string;
  /** The attempt was the probe of an endpoint that is out of rotation. */
  readonly probing: boolean;
}

export function attemptFailed(
  context: WorkerContext,
  route: RouteSpec,
  endpoint: Endpoint,
  latencyMs: number,
  { errno, tls, probing }: Failure,
): void {
  const { endpoints, cells, driver } = context;
  cells.add(route.cells.failure + causeOf(errno), 1);
  cells.add(endpoint.cells.failures, 1);
  cells.observe(route.cells.latencyUs, latencyMs * 1000);
  const reason = tls || showErrno(errno);
  if (isShortage(errno)) {
    if (probing) releaseProbe(endpoints, endpoint.slot);
    context.shortage('cannot connect to endpoints', errno);
  } else if (recordFailure(endpoints, endpoint.slot, driver.now(), route.client.failFast, context.random)) {
    cells.add(endpoint.cells.ejections, 1);
    context.notice('warn', `${show(route, endpoint)} is taken out of rotation: connection failed: ${reason}`);
  }
  if (!isShortage(errno)) context.endpointError(route.id, endpoint.slot, reason);
  endpoints.addConnecting(endpoint.slot, -1);
}

/** The attempt is given up for a reason that says nothing about the endpoint: its client left. */
export function attemptAbandoned({ endpoints }: WorkerContext, endpoint: Endpoint, probing: boolean): void {
  if (probing) releaseProbe(endpoints, endpoint.slot);
  endpoints.addConnecting(endpoint.slot, -1);
}

/** The endpoint has sent its first byte on a connection. */
export function firstAnswer(context: WorkerContext, route: RouteSpec, endpoint: Endpoint): void {
  const { endpoints, driver, notice } = context;
  if (recordAnswer(endpoints, endpoint.slot, driver.now()))
    notice('info', `${show(route, endpoint)} is back in rotation`);
}

/** An endpoint that closes a connection sooner than this, before it has sent a byte, has not served it. */
const earlyMs = 1_000;

/** The endpoint has ended a connection, without a byte and before its client. */
export function closedUnanswered(context: WorkerContext, route: RouteSpec, endpoint: Endpoint, ageMs: number): void {
  const { endpoints, cells, driver, random } = context;
  if (ageMs >= earlyMs) return;
  cells.add(endpoint.cells.earlyCloses, 1);
  context.endpointError(route.id, endpoint.slot, 'closed a connection without an answer');
  if (!recordEarlyClose(endpoints, endpoint.slot, driver.now(), route.client.failFast, random)) return;
  cells.add(endpoint.cells.ejections, 1);
  context.notice('warn', `${show(route, endpoint)} is taken out of rotation: it closes connections without an answer`);
}

export function connectionEnded(
  { endpoints, cells }: WorkerContext,
  route: RouteSpec,
  endpoint: Endpoint,
  durationMs: number,
): void {
  cells.observe(route.cells.durationMs, durationMs);
  // A probe that was neither answered nor closed early has shown nothing.
  if (isUnproven(endpoints, endpoint.slot)) releaseProbe(endpoints, endpoint.slot);
  endpoints.addOpen(endpoint.slot, -1);
}

const show = ({ router, dst }: RouteSpec, endpoint: Endpoint): string =>
  `router ${router}, ${dst}: endpoint ${showAddress(endpoint)}`;

function causeOf(errno: number): number {
  if (errno === constants.errno.ETIMEDOUT) return 0;
  return errno === constants.errno.ECONNREFUSED ? 1 : 2;
}
