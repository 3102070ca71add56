/** Real redis-servers on free ports, keeping nothing on disk, and the few words of their protocol the tests speak. */
import { once } from 'node:events';
import net from 'node:net';
import { freePort } from './ports.ts';
import { type Program, startProgram } from './process.ts';
import type { Scope } from './scope.ts';
import { tempDir } from './temp-dir.ts';
import { defaultTimeoutMs, until, within } from './waiting.ts';

export interface Redis {
  readonly port: number;
  readonly program: Program;
  /** A number from INFO, such as `total_connections_received` or `connected_clients`. */
  info(field: string): Promise<number>;
}

export async function startRedis(t: Scope): Promise<Redis> {
  const folder = tempDir(t);
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const program = startProgram(t, 'redis-server', [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder.path],
      ...['--save', '', '--appendonly', 'no', '--maxclients', '20000', '--tcp-backlog', '4096', '--daemonize', 'no'],
    ]);
    const isUp = await until(
      async () => (program.exit ? 'clash' : (await isAnswering(port)) && 'up'),
      () => `redis-server on port ${port}:\n${program.output}`,
    );
    if (isUp === 'up') {
      return { port, program, info: field => redisInfo(port, field) };
    }
    if (attempt === 5) throw new Error(`redis-server does not start:\n${program.output}`);
  }
}

async function isAnswering(port: number): Promise<boolean> {
  try {
    return (await askRedis(port, 'PING')).startsWith('+PONG');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') return false;
    throw error;
  }
}

/** One connection, one inline command, its one answer. */
export async function askRedis(port: number, command: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  try {
    return await within(converse(socket, command), `redis on port ${port} to answer ${command}`, defaultTimeoutMs);
  } finally {
    socket.destroy();
  }
}

/** Sends a command on an open connection and reads one status line or bulk string. */
export async function converse(socket: net.Socket, command: string): Promise<string> {
  socket.write(`${command}\r\n`);
  let answer = '';
  while (!isComplete(answer)) {
    const [chunk] = (await Promise.race([once(socket, 'data'), ended(socket)])) as [Buffer];
    answer += chunk.toString('latin1');
  }
  return answer;
}

async function ended(socket: net.Socket): Promise<never> {
  const signal = new AbortController();
  await Promise.race([once(socket, 'end', signal), once(socket, 'close', signal)]);
  signal.abort();
  throw new Error('the connection ended before the answer was complete');
}

function isComplete(answer: string): boolean {
  const firstLine = /^(.*)\r\n/.exec(answer);
  if (firstLine === null) return false;
  const bulk = /^\$(\d+)/.exec(answer);
  return bulk === null || answer.length >= firstLine[0].length + Number(bulk[1]) + 2;
}

async function redisInfo(port: number, field: string): Promise<number> {
  const text = await askRedis(port, 'INFO');
  const match = new RegExp(`^${field}:(\\d+)`, 'm').exec(text);
  if (match === null) throw new Error(`redis knows no ${field}`);
  return Number(match[1]);
}

/** The port of the redis-server that answers behind `port`. */
export async function redisBehind(port: number): Promise<number> {
  return redisInfo(port, 'tcp_port');
}
