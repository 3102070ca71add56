/** The TLS handshake of a connection to an endpoint: how it begins, and what is counted when it fails. */
import { constants } from 'node:os';
import { showAddress } from '../io/driver.ts';
import type { Handle } from '../io/handle.ts';
import type { TlsTrouble } from '../io/tls/trouble.ts';
import type { WorkerContext } from './context.ts';
import type { ClientTlsSpec, RouteSpec } from './messages.ts';
import type { Endpoint } from './route.ts';
import { countTrouble } from './tls-series.ts';

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
 * @param errno the reason, if TLS reports none
 * @returns the reason
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
