/** A server that speaks ZooKeeper's protocol as far as a test needs it: it grants sessions and sends the answers that the test sets. */
import { once } from 'node:events';
import net from 'node:net';
import { Frames, JuteWriter } from '../../src/clients/zookeeper/jute.ts';
import type { Scope } from './scope.ts';

export interface Connection {
  readonly socket: net.Socket;
  /** Frames that the client sent after the first, without pings. */
  readonly requests: Buffer[];
  send(body: Buffer): void;
  /** Opens the session, where this does not go by itself. */
  grant(timeoutMs: number): void;
  readonly closed: Promise<unknown>;
}

export const framed = (body: Buffer): Buffer => new JuteWriter().bytes(body).written();

export const answer = (xid: number, code = 0, body: Buffer = Buffer.alloc(0)): Buffer =>
  Buffer.concat([new JuteWriter().int(xid).long(7n).int(code).written(), body]);

const granted = (timeoutMs: number) =>
  new JuteWriter().int(0).int(timeoutMs).long(1n).bytes(Buffer.alloc(16)).flag(false).written();

/** @param timeoutMs how long sessions last; at 0 none is granted */
export async function fakeZooKeeper(t: Scope, timeoutMs = 10_000) {
  const connections: Connection[] = [];
  const server = net.createServer(socket => {
    const frames = new Frames(1 << 20);
    const send = (body: Buffer) => void socket.write(framed(body));
    const grant = (ms: number) => send(granted(ms));
    const connection = { socket, requests: [] as Buffer[], send, grant, closed: once(socket, 'close') };
    connections.push(connection);
    let isNew = true;
    socket.on('error', () => {});
    socket.on('data', piece => {
      for (const frame of frames.take(piece as Buffer)) {
        if (!isNew && frame.readInt32BE() !== -2) connection.requests.push(frame);
        if (isNew && timeoutMs > 0) grant(timeoutMs);
        isNew = false;
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const { socket } of connections) socket.destroy();
    server.close();
  });
  const { port } = server.address() as net.AddressInfo;
  return { port, connections };
}
