/**
 * Something to route to, for people who try the proxy out: every address in the discovery folder of the configuration gets a
 * backend, a redis-server where one is installed, else a small one of our own.
 */
import { accessSync, constants, readdirSync, readFileSync, statSync } from 'node:fs';
import { delimiter, join, relative } from 'node:path';
import { LinkerdTcpError, reasonOf } from '../errors.ts';
import { parseHosts } from '../namers/hosts-file.ts';
import type { LinkerdTcpConfig } from '../settings/linkerd-tcp/config.ts';
import { type BackendAddress, type RunningBackend, startBackend } from './backend.ts';
import { startRedis } from './redis.ts';

export interface Quickstart {
  /** What to try next. */
  guide(adminAddress: string): string;
  stop(): Promise<void>;
}

export interface QuickstartOptions {
  /** Whether a program is installed. */
  readonly has?: (program: string) => boolean;
}

/** @throws LinkerdTcpError CANNOT_LISTEN when a port of a backend is taken */
export async function startQuickstart(config: LinkerdTcpConfig, options: QuickstartOptions = {}): Promise<Quickstart> {
  const has = options.has ?? isInstalled;
  const addresses = backendAddresses(config);
  const redis = has('redis-server');
  const running: RunningBackend[] = [];
  const stop = async () => {
    await Promise.all(running.map(backend => backend.stop()));
  };
  for (const address of addresses) {
    try {
      running.push(await (redis ? startRedis(address) : startBackend(address)));
    } catch (error) {
      await stop();
      const { code } = error as NodeJS.ErrnoException;
      throw new LinkerdTcpError('CANNOT_LISTEN', {
        address: `${address.host}:${address.port} for the example backend ${address.group}`,
        reason: code === 'EADDRINUSE' ? 'the port is taken; is another quickstart running?' : reasonOf(error),
      });
    }
  }
  return { stop, guide: adminAddress => guide(config, addresses, redis, adminAddress, has) };
}

/** One per line of each file in the folder of the first `io.l5d.fs` namer. */
function backendAddresses({ namers }: LinkerdTcpConfig): BackendAddress[] {
  const folder = namers.find(({ kind }) => kind === 'io.l5d.fs')?.['rootDir'];
  if (typeof folder !== 'string') return [];
  try {
    return readdirSync(folder)
      .filter(file => !file.startsWith('.') && statSync(join(folder, file)).isFile())
      .flatMap(group => parseHosts(readFileSync(join(folder, group), 'utf8')).map(line => ({ group, ...line })));
  } catch (error) {
    throw new LinkerdTcpError('CONFIG_UNREADABLE', { file: folder, reason: reasonOf(error) }, { cause: error });
  }
}

function guide(
  { routers }: LinkerdTcpConfig,
  addresses: readonly BackendAddress[],
  redis: boolean,
  adminAddress: string,
  has: (program: string) => boolean,
): string {
  const groups = [...new Set(addresses.map(({ group }) => group))];
  const [router] = routers;
  const server = router?.servers[0];
  const dtabFile = router?.interpreter['dtabFile'];
  const lines = [
    '',
    redis
      ? 'Example backends, each a redis-server that stores nothing:'
      : 'Example backends, small ones built in (no redis-server is installed here):',
    ...groups.map(group => `  ${group.padEnd(8)}${addressList(addresses.filter(each => each.group === group))}`),
  ];
  if (server !== undefined)
    lines.push(
      '',
      `Connections to ${server.ip}:${server.port} go to what ${server.dstName} means now. Ask who answers:`,
      ...clientCommands(server, has).map(command => `  ${command}`),
    );
  if (typeof dtabFile === 'string' && server !== undefined && groups.length > 1)
    lines.push(
      '',
      `Move the traffic: in ${relative(process.cwd(), dtabFile)} make the line "${server.dstName} => ..." one of these and save;`,
      'new connections follow within a second.',
      ...groups.map(group => `  ${server.dstName} => /#/io.l5d.fs/${group} ;`),
      `  ${server.dstName} => 9 * /#/io.l5d.fs/${groups[0]} & 1 * /#/io.l5d.fs/${groups[1]} ;`,
    );
  lines.push('', `Look inside: ${httpUrl(adminAddress)}/metrics      Stop: Ctrl-C`, '', '');
  return lines.join('\n');
}

const addressList = (addresses: readonly BackendAddress[]): string =>
  addresses.map(({ host, port }) => `${host}:${port}`).join('  ');

const httpUrl = (address: string): string =>
  /^https?:/.test(address) ? address.replace(/\/+$/, '') : `http://${address}`;

/** With what is at hand; Node.js always is. */
function clientCommands({ ip, port }: { ip: string; port: number }, has: (program: string) => boolean): string[] {
  const commands: string[] = [];
  if (has('redis-cli')) commands.push(`redis-cli -h ${ip} -p ${port} get group`);
  if (has('nc')) commands.push(`printf 'GET group\\r\\nQUIT\\r\\n' | nc ${ip} ${port}`);
  if (commands.length === 0)
    commands.push(
      `node -e "require('net').connect(${port},'${ip}').end('GET group\\r\\nQUIT\\r\\n').pipe(process.stdout)"`,
    );
  return commands;
}

function isInstalled(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some(folder => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
