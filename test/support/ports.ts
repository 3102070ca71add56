/** Free ports, for programs that cannot choose one themselves. */
import { once } from 'node:events';
import net from 'node:net';
import type { Scope } from './scope.ts';

/**
 * A port that was free a moment ago. Another program may take it first: retry with another one if the server cannot listen.
 * Prefer port 0 for servers that support it.
 */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = net.createServer();
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/**
 * A port where connections are refused, and no other program can come to listen: it is the local end of a connection.
 *
 * It lies below the range from which the system takes local ports (32768 and up), because there one of 28 000 connects to a
 * port without a listener gets that same port as its local port and is connected to itself.
 */
export async function refusingPort(t: Scope): Promise<number> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as net.AddressInfo;
  for (let attempt = 1; ; attempt++) {
    const localPort = 10_000 + Math.floor(Math.random() * 20_000);
    const socket = net.connect({ port, host: '127.0.0.1', localPort });
    try {
      await once(socket, 'connect');
      t.after(() => socket.destroy());
      return localPort;
    } catch (error) {
      if (attempt === 10) throw error;
    }
  }
}
