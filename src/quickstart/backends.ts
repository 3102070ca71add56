/**
 * The backends of the quickstart: one for every address in a discovery directory, a redis-server if one is installed, otherwise a
 * small built-in one. A backend that ends by itself is started again after a while, so that people can break it.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LinkerdTcpError, reasonOf } from '../errors.ts';
import { parseHosts } from '../namers/hosts-file.ts';
import { type BackendAddress, type RunningBackend, startBackend } from './backend.ts';
import { isInstalled } from './installed.ts';
import { startRedis } from './redis.ts';

export interface Backends {
  readonly addresses: readonly BackendAddress[];
  readonly isRedis: boolean;
  stop(): Promise<void>;
}

export interface BackendsOptions {
  /** Whether a program is installed. */
  readonly has?: (program: string) => boolean;
  readonly restartMs?: number;
}

/** @throws LinkerdTcpError CANNOT_LISTEN when a port is taken, CONFIG_UNREADABLE */
export async function startBackends(directory: string, options: BackendsOptions = {}): Promise<Backends> {
  const { has = isInstalled, restartMs = 30_000 } = options;
  const addresses = addressesIn(directory);
  const isRedis = has('redis-server');
  const start = (address: BackendAddress) => (isRedis ? startRedis(address) : startBackend(address));
  const running = new Map<BackendAddress, RunningBackend>();
  const timers = new Set<NodeJS.Timeout>();
  let isStopping = false;
  const stop = async () => {
    isStopping = true;
    for (const timer of timers) clearTimeout(timer);
    await Promise.all([...running.values()].map(backend => backend.stop()));
  };
  const run = async (address: BackendAddress): Promise<void> => {
    const backend = await start(address);
    running.set(address, backend);
    void backend.ended.then(() => {
      running.delete(address);
      if (isStopping) return;
      const timer = setTimeout(() => {
        timers.delete(timer);
        // It is an example: one that cannot start again stays down.
        run(address).catch(() => {});
      }, restartMs);
      timers.add(timer);
    });
    if (isStopping) await backend.stop();
  };
  for (const address of addresses) {
    try {
      await run(address);
    } catch (error) {
      await stop();
      throw cannotListen(address, error);
    }
  }
  return { addresses, isRedis, stop };
}

function cannotListen({ host, port, group }: BackendAddress, error: unknown): LinkerdTcpError {
  const { code } = error as NodeJS.ErrnoException;
  return new LinkerdTcpError('CANNOT_LISTEN', {
    address: `${host}:${port} for the example backend ${group}`,
    reason: code === 'EADDRINUSE' ? 'the port is taken; is another quickstart running?' : reasonOf(error),
  });
}

/** One for each line of each file. */
function addressesIn(directory: string): BackendAddress[] {
  try {
    return readdirSync(directory)
      .filter(file => !file.startsWith('.') && statSync(join(directory, file)).isFile())
      .flatMap(group => parseHosts(readFileSync(join(directory, group), 'utf8')).map(line => ({ group, ...line })));
  } catch (error) {
    throw new LinkerdTcpError('CONFIG_UNREADABLE', { file: directory, reason: reasonOf(error) }, { cause: error });
  }
}
