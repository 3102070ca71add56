/** Listening of an HTTP server, with a failure told as every other listener tells it. */
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { LinkerdTcpError, reasonOf } from './errors.ts';
import { type SocketAddress, showAddress } from './io/driver.ts';
import { errnoOf, showErrno } from './io/errno.ts';

/** @returns the bound `ip:port`. Rejects with CANNOT_LISTEN; then the server is closed. */
export async function listenHttp(app: FastifyInstance, { ip, port }: SocketAddress): Promise<string> {
  try {
    await app.listen({ host: ip, port });
  } catch (error) {
    await app.close();
    const reason = error instanceof Error && 'errno' in error ? showErrno(errnoOf(error)) : reasonOf(error);
    throw new LinkerdTcpError('CANNOT_LISTEN', { address: showAddress({ ip, port }), reason }, { cause: error });
  }
  const bound = app.server.address() as AddressInfo;
  return showAddress({ ip: bound.address, port: bound.port });
}
