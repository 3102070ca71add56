/** One connection to a Redis server or to the small one of the quickstart. */
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

/** @returns everything that was answered until the connection ended */
export async function ask(port: number, request: string, host = '127.0.0.1'): Promise<string> {
  const socket = connect({ port, host });
  socket.setTimeout(10_000, () => socket.destroy(new Error('no answer within 10 s')));
  socket.end(request);
  return text(socket);
}

/** The answer to `GET group`; undefined if the connection ended without one. */
export async function groupAt(port: number): Promise<string | undefined> {
  return /\r\n(\w+)\r\n/.exec(await ask(port, 'GET group\r\nQUIT\r\n'))?.[1];
}

/** @param advice what to do when nothing listens there */
export function fail(error: unknown, advice: string): never {
  const { code, message } = error as NodeJS.ErrnoException;
  console.error(code === 'ECONNREFUSED' ? `nothing listens there: ${advice}` : message);
  process.exit(1);
}
