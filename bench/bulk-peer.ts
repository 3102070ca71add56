/**
 * The server of bulk through TLS, a child process of the benchmark, without TLS itself: a first line of `down BYTES` or `up BYTES`,
 * then that many bytes to the client, or from it and one byte in return. Prints the port it listens on.
 */
import net from 'node:net';

export type Direction = 'down' | 'up';

const block = Buffer.alloc(256 * 1024, 'linkerd-tcp');

function serve(socket: net.Socket): void {
  socket.on('error', () => socket.destroy());
  socket.once('data', first => {
    const end = first.indexOf('\n');
    const order = /^(down|up) (\d+)$/.exec(first.toString('latin1', 0, end));
    if (order === null) return void socket.destroy(new Error('a first line in pieces, or another one'));
    const bytes = Number(order[2]);
    if (order[1] === 'down') give(socket, bytes);
    else take(socket, bytes - (first.length - end - 1));
  });
}

function give(socket: net.Socket, bytes: number): void {
  let left = bytes;
  const more = (): void => {
    for (let takes = true; takes && left > 0; ) {
      const piece = left < block.length ? block.subarray(0, left) : block;
      left -= piece.length;
      takes = socket.write(piece);
    }
    if (left === 0) socket.off('drain', more);
  };
  socket.on('drain', more);
  socket.resume();
  more();
}

function take(socket: net.Socket, bytes: number): void {
  let left = bytes;
  socket.on('data', piece => {
    left -= piece.length;
    if (left === 0) socket.write('.');
  });
}

const server = net.createServer({ noDelay: true }, serve);
server.listen(0, '127.0.0.1', () => console.log(`listening on ${(server.address() as net.AddressInfo).port}`));
process.on('SIGTERM', () => process.exit(0));
