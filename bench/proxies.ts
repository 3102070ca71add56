/** The proxies side by side: HAProxy, nginx stream and linkerd-tcp on each driver, all with one thread for the bytes. */
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { startLinkerdTcp } from '../test/support/linkerd-tcp.ts';
import { freePort } from '../test/support/ports.ts';
import { type Program, startProgram } from '../test/support/process.ts';
import type { Scope } from '../test/support/scope.ts';
import { tempDir } from '../test/support/temp-dir.ts';
import { childrenOf } from './process-cost.ts';
import { onFreePort, type Upstreams } from './upstreams.ts';

export interface Backends {
  readonly redis: string;
  readonly bulk: string;
}

export interface RunningProxy {
  /** The process that moves the bytes. */
  readonly pid: number;
  readonly redisPort: number;
  readonly bulkPort: number;
}

export interface Contender {
  readonly name: string;
  readonly title: string;
  /** Differs from another entry only in how it moves bulk. */
  readonly onlyBulk?: boolean;
  start(scope: Scope, backends: Backends): Promise<RunningProxy>;
}

export const drivers = ['uring', 'epoll', 'portable'] as const;
export const nginxModule = '/usr/lib/nginx/modules/ngx_stream_module.so';

/** HAProxy counts pipes to splice with among the descriptors of its connections. */
const bulkConnections = 1000;

/** @param connections how many each must be able to hold; two descriptors each. */
export function allProxies(connections: number, descriptors: number): Contender[] {
  const haproxy = (splice: boolean) => (scope: Scope, backends: Backends) =>
    startHaproxy(scope, backends, splice ? bulkConnections : connections, splice);
  return [
    { name: 'haproxy', title: 'HAProxy', start: haproxy(false) },
    { name: 'haproxy-splice', title: 'HAProxy with splice', onlyBulk: true, start: haproxy(true) },
    { name: 'nginx', title: 'nginx stream', start: (scope, backends) => startNginx(scope, backends, descriptors) },
    ...drivers.map(driver => ({
      name: driver,
      title: `linkerd-tcp ${driver}`,
      start: (scope: Scope, backends: Backends) => startOurs(scope, backends, driver),
    })),
  ];
}

/** Where the proxy with this index connects to. */
export function backendsOf({ redisAddresses, redisPort, bulkPort }: Upstreams, index: number): Backends {
  return { redis: `${redisAddresses[index]}:${redisPort}`, bulk: `127.0.0.1:${bulkPort}` };
}

/** HAProxy takes all the descriptors `maxconn` needs at start, or does not start. */
async function startHaproxy(scope: Scope, backends: Backends, connections: number, splice: boolean) {
  return onTwoPorts(async (redisPort, bulkPort) => {
    const config = `
global
  nbthread 1
  maxconn ${connections}
defaults
  mode tcp
  maxconn ${connections}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
${splice ? '  option splice-request\n  option splice-response\n' : ''}
listen redis
  bind 127.0.0.1:${redisPort}
  server redis ${backends.redis}
listen bulk
  bind 127.0.0.1:${bulkPort}
  server bulk ${backends.bulk}
`;
    const file = tempDir(scope).write('haproxy.cfg', config);
    const program = startProgram(scope, 'haproxy', ['-db', '-f', file], { stopTimeoutMs: 500 });
    await isListening(program, bulkPort);
    return { pid: program.pid, redisPort, bulkPort };
  });
}

async function startNginx(scope: Scope, backends: Backends, descriptors: number) {
  return onTwoPorts(async (redisPort, bulkPort) => {
    const folder = tempDir(scope);
    const server = (port: number, backend: string): string =>
      `server { listen 127.0.0.1:${port} backlog=4096; proxy_pass ${backend}; }`;
    const config = `
load_module ${nginxModule};
daemon off;
worker_processes 1;
worker_rlimit_nofile ${descriptors};
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${folder.path}/nginx.pid;
error_log stderr error;
events { worker_connections ${descriptors}; }
stream {
  proxy_timeout 1h;
  ${server(redisPort, backends.redis)}
  ${server(bulkPort, backends.bulk)}
}
`;
    const file = folder.write('nginx.conf', config);
    const program = startProgram(scope, 'nginx', ['-p', folder.path, '-e', 'stderr', '-c', file], {
      stopTimeoutMs: 2000,
    });
    await isListening(program, bulkPort);
    // The master listens, then forks the worker.
    for (let attempt = 0; attempt < 100; attempt++) {
      const [worker] = childrenOf(program.pid);
      if (worker !== undefined) return { pid: worker, redisPort, bulkPort };
      await delay(20);
    }
    throw new Error(`nginx has no worker:\n${program.output}`);
  });
}

async function startOurs(scope: Scope, backends: Backends, driver: string): Promise<RunningProxy> {
  const inet = (backend: string): string => `/$/inet/${backend.replace(':', '/')}`;
  const config = `
admin: {port: 0}
driver: ${driver}
workers: 1
routers:
- label: bench
  dtab: /svc/redis => ${inet(backends.redis)}; /svc/bulk => ${inet(backends.bulk)};
  servers:
  - {port: 0, dstName: /svc/redis, backlog: 4096}
  - {port: 0, dstName: /svc/bulk}
`;
  const { program, ports } = await startLinkerdTcp(scope, { config });
  return {
    pid: program.pid,
    redisPort: ports.get('/svc/redis') as number,
    bulkPort: ports.get('/svc/bulk') as number,
  };
}

async function onTwoPorts(start: (one: number, other: number) => Promise<RunningProxy>): Promise<RunningProxy> {
  let running: RunningProxy | undefined;
  await onFreePort(async port => {
    running = await start(port, await freePort());
  });
  return running as RunningProxy;
}

/** Waits until the program accepts connections on the port; an error when it ends instead. */
async function isListening(program: Program, port: number): Promise<void> {
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
