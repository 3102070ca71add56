/** The backends of all proxies: one redis-server and one bulk server. */
import { join } from 'node:path';
import { freePort } from '../test/support/ports.ts';
import { startProgram } from '../test/support/process.ts';
import type { Scope } from '../test/support/scope.ts';
import { tempDir } from '../test/support/temp-dir.ts';

/** iperf3 cannot use TLS, so proxies that do have the benchmark's own bulk server. */
export type BulkServer = 'iperf3' | 'bulk-peer';

export interface Upstreams {
  readonly redisPort: number;
  readonly bulkPort: number;
  /** An address of the redis-server for each proxy. */
  readonly redisAddresses: readonly string[];
}

/**
 * Each proxy gets its own address of the loopback network to connect to: the local ports it used up, which wait for a
 * minute after a connection ended, are then not missing anywhere else.
 */
export async function startUpstreams(scope: Scope, proxies: number, bulk: BulkServer): Promise<Upstreams> {
  const redisAddresses = Array.from({ length: proxies }, (_, i) => `127.0.0.${11 + i}`);
  const folder = tempDir(scope);
  const redisPort = await onFreePort(async port => {
    const redis = startProgram(scope, 'redis-server', [
      ...['--port', String(port), '--bind', '127.0.0.1', ...redisAddresses, '--dir', folder.path, '--save', ''],
      ...['--appendonly', 'no', '--maxclients', '20000', '--tcp-backlog', '4096', '--daemonize', 'no'],
    ]);
    await redis.printed(/Ready to accept connections/);
  });
  const bulkPort = await (bulk === 'iperf3' ? startIperf(scope) : startBulkPeer(scope));
  return { redisPort, bulkPort, redisAddresses };
}

function startIperf(scope: Scope): Promise<number> {
  return onFreePort(async port => {
    const iperf = startProgram(scope, 'iperf3', ['-s', '-B', '127.0.0.1', '-p', String(port), '--forceflush']);
    await iperf.printed(/Server listening/);
  });
}

async function startBulkPeer(scope: Scope): Promise<number> {
  const peer = startProgram(scope, process.execPath, [join(import.meta.dirname, 'bulk-peer.ts')]);
  return Number((await peer.printed(/listening on (\d+)/))[1]);
}

/** Starts something on a port that was free a moment ago, and tries others when it is taken by then. */
export async function onFreePort(start: (port: number) => Promise<unknown>): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    try {
      await start(port);
      return port;
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}
