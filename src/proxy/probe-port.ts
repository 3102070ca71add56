/** Finds out whether a port is free, by listening on it alone for a moment. */
import { type AddressInfo, createServer } from 'node:net';
import { LinkerdTcpError } from '../errors.ts';
import { type SocketAddress, showAddress } from '../io/driver.ts';
import { errnoOf, showErrno } from '../io/errno.ts';

/**
 * @returns the port: the one asked for, or a free one for 0.
 * @throws LinkerdTcpError CANNOT_LISTEN
 */
export async function probePort(address: SocketAddress): Promise<number> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.once('error', error => {
    const reason = showErrno(errnoOf(error));
    reject(new LinkerdTcpError('CANNOT_LISTEN', { address: showAddress(address), reason }, { cause: error }));
  });
  server.listen({ host: address.ip, port: address.port, exclusive: true }, () => {
    const { port } = server.address() as AddressInfo;
    server.close(() => resolve(port));
  });
  return promise;
}
