/** Chooses ports for proxies that need a fixed one, and waits until they accept connections there. */
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../test/support/ports.ts';
import type { Program } from '../../test/support/process.ts';
import { onFreePort } from '../upstreams.ts';
import type { RunningProxy } from './contender.ts';

/** Starts a proxy that cannot choose its ports itself. */
export async function onTwoPorts(start: (one: number, other: number) => Promise<RunningProxy>): Promise<RunningProxy> {
  let running: RunningProxy | undefined;
  await onFreePort(async port => {
    running = await start(port, await freePort());
  });
  return running as RunningProxy;
}

/** Waits until the program accepts connections on the port; an error when it ends instead. */
export async function isListening(program: Program, port: number): Promise<void> {
  for (const deadline = performance.now() + 10_000; ; ) {
    if (program.exit) throw new Error(`it ended before it listened on ${port}:\n${program.output}`);
    if (await accepts(port)) return;
    if (performance.now() > deadline) throw new Error(`it does not listen on ${port}:\n${program.output}`);
    await delay(20);
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
