/** The same example backend as a real redis-server: nothing is stored, the key `group` is set, it ends with this process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BackendAddress, RunningBackend } from './backend.ts';

/** Rejects with what redis-server said when it does not come up. */
export async function startRedis({ group, host, port }: BackendAddress): Promise<RunningBackend> {
  await mustBeFree(host, port);
  const folder = await mkdtemp(join(tmpdir(), 'linkerd-tcp-quickstart-'));
  const options = { port, bind: host, dir: folder, save: '', appendonly: 'no', daemonize: 'no' };
  const child = spawn(
    'redis-server',
    Object.entries(options).flatMap(([option, value]) => [`--${option}`, String(value)]),
    // A session of its own: Ctrl-C in the terminal must not end it before the proxy has drained.
    { stdio: ['ignore', 'pipe', 'pipe'], detached: true },
  );
  const ended = new Promise<void>(resolve => child.once('close', resolve).once('error', () => resolve()));
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async () => {
    process.off('exit', kill);
    child.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await ready(child.stdout, child.stderr, ended);
    await setGroup({ group, host, port });
  } catch (error) {
    await stop();
    throw error;
  }
  return { ended, stop };
}

/** Rejects as listening would: clearer than what redis-server says. */
async function mustBeFree(host: string, port: number): Promise<void> {
  const probe = createServer().listen(port, host);
  await once(probe, 'listening');
  probe.close();
  await once(probe, 'close');
}

async function ready(
  output: NodeJS.ReadableStream,
  errors: NodeJS.ReadableStream,
  ended: Promise<void>,
): Promise<void> {
  let said = '';
  const up = new Promise<void>(resolve => {
    const listen = (chunk: Buffer) => {
      // Afterwards the pipes are only kept empty.
      if (said.length < 65_536) said += chunk;
      if (/ready to accept connections/i.test(said)) resolve();
    };
    output.on('data', listen);
    errors.on('data', listen);
  });
  const failed = ended.then(() => {
    throw new Error(`redis-server ended: ${said.trim().split('\n').at(-1) || 'it said nothing'}`);
  });
  await Promise.race([up, failed]);
}

async function setGroup({ group, host, port }: BackendAddress): Promise<void> {
  const socket = connect({ host, port });
  socket.end(`SET group ${group}\r\nQUIT\r\n`);
  const [reply] = await once(socket, 'data');
  socket.destroy();
  if (!String(reply).startsWith('+OK')) throw new Error(`redis-server answered ${String(reply).trim()}`);
}
