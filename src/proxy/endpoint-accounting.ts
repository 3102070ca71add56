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
import type { Handle } from '../io/handle.ts';
import type { TlsTrouble } from '../io/tls/trouble.ts';
import type { WorkerContext } from './context.ts';
import type { ClientTlsSpec, RouteSpec } from './messages.ts';
import { isShortage } from './resource-pressure.ts';
import type { Endpoint } from './route.ts';
import { countTrouble } from './tls-series.ts';

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

/** Why an attempt failed. */
export interface Failure {
  readonly errno: number;
  /** What TLS says; '' where the errno says it. */
  readonly trouble: string;
  /** The attempt was the probe of an endpoint that is out of rotation. */
  readonly probing: boolean;
}

/** Sends the ClientHello on a connection to an endpoint. */
export function secureUpstream(
  { driver }: WorkerContext,
  socket: Handle,
  tls: ClientTlsSpec,
  endpoint: Endpoint,
): void {
  driver.connectTls(socket, tls.context, { serverName: tls.serverName, endpoint: showAddress(endpoint) });
}

export const leftEarly: TlsTrouble = { kind: 'left', text: 'the peer closed the connection during the handshake' };
const tooLate: TlsTrouble = { kind: 'timeout', text: 'the TLS handshake was not done in time' };

/**
 * Counts a TLS handshake with an endpoint that has failed.
 * @param securingAt when it began
 * @param errno why, where TLS has nothing to say
 * @returns why
 */
export function handshakeFailed(
  { driver, cells }: WorkerContext,
  { tlsCells }: RouteSpec,
  socket: Handle,
  securingAt: number,
  errno: number,
): TlsTrouble {
  const trouble = driver.trouble(socket) ?? (errno === constants.errno.ETIMEDOUT ? tooLate : leftEarly);
  if (!tlsCells) return trouble;
  countTrouble(cells, tlsCells, trouble.kind);
  if (trouble.kind !== 'timeout') cells.observe(tlsCells.handshakeUs, (driver.now() - securingAt) * 1000);
  return trouble;
}

export function attemptFailed(
  context: WorkerContext,
  route: RouteSpec,
  endpoint: Endpoint,
  latencyMs: number,
  { errno, trouble, probing }: Failure,
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
    const reason = trouble || showErrno(errno);
    context.notice('warn', `${show(route, endpoint)} is taken out of rotation: connection failed: ${reason}`);
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
