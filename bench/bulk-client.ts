/**
 * The load of bulk through TLS, a child process of the benchmark: `node bulk-client.ts PORT AUTHORITY`. Says `ready`, and on
 * `{ direction, bytes }` moves that many over one connection, from or to bench/bulk-peer.ts behind the proxy.
 */
import { once } from 'node:events';
import type net from 'node:net';
import tls from 'node:tls';
import type { Direction } from './bulk-peer.ts';
import { checkAgreement, clientOptions } from './tls-agreement.ts';

export interface BulkOrder {
  readonly direction: Direction;
  readonly bytes: number;
}

export interface BulkResult {
  readonly bytes: number;
  readonly seconds: number;
}

const block = Buffer.alloc(256 * 1024, 'linkerd-tcp');

async function load(options: tls.ConnectionOptions, { direction, bytes }: BulkOrder): Promise<BulkResult> {
  const arrived = Promise.withResolvers<void>();
  let received = 0;
  const expected = direction === 'down' ? bytes : 1;
  // One buffer for all that comes: not the garbage collector of this client is to be measured.
  const onread: net.OnReadOpts = {
    buffer: Buffer.alloc(256 * 1024),
    callback(length) {
      received += length;
      if (received >= expected) arrived.resolve();
      return true;
    },
  };
  const connecting: tls.ConnectionOptions & { onread: net.OnReadOpts } = { ...options, onread };
  const socket = tls.connect(connecting);
  socket.on('error', arrived.reject);
  socket.on('close', () => arrived.reject(new Error(`the connection ended after ${received} of ${expected} bytes`)));
  await once(socket, 'secureConnect');
  checkAgreement(socket, { resumed: false });
  const start = performance.now();
  socket.write(`${direction} ${bytes}\n`);
  if (direction === 'up') await give(socket, bytes);
  await arrived.promise;
  const seconds = (performance.now() - start) / 1000;
  socket.end();
  await once(socket, 'close');
  return { bytes, seconds };
}

async function give(socket: tls.TLSSocket, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; left -= block.length) {
    const takes = socket.write(left < block.length ? block.subarray(0, left) : block);
    if (!takes) await once(socket, 'drain');
  }
}

function fail(error: unknown): never {
  console.error(`bulk-client: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}

const send = (message: unknown): void => void process.send?.(message);
const options = clientOptions(Number(process.argv[2]), process.argv[3] as string);
process.on('disconnect', () => process.exit(0));
process.on('message', (order: BulkOrder) => void load(options, order).then(send, fail));
send('ready');
