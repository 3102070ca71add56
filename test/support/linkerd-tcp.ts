/**
 * The real proxy in a process of its own: started from a config whose ports are 0, found by the lines it logs, watched
 * through /proc and its admin API, stopped when the test is over.
 */

import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parse } from 'yaml';
import type { DriverKind } from '../../src/io/drivers/choose-driver.ts';
import { type Program, type ProgramOptions, startProgram } from './process.ts';
import type { Scope } from './scope.ts';
import { type TempDir, tempDir } from './temp-dir.ts';
import { defaultTimeoutMs } from './waiting.ts';

export const projectRoot = join(import.meta.dirname, '../..');

export interface LinkerdTcp {
  readonly program: Program;
  /** The directory of its configuration; relative paths start here. */
  readonly folder: TempDir;
  /** Ports by the name they route to, such as `/svc/redis`. */
  readonly ports: ReadonlyMap<string, number>;
  /** The port of the first server. */
  readonly port: number;
  readonly adminPort: number;
  /** Reads from the admin API; an answer other than 2xx is an error. */
  get(path: string): Promise<string>;
  post(path: string): Promise<string>;
  /** The value of a metric: the sum of all its series whose labels include the given ones. 0 when there is none. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
}

export interface LinkerdTcpOptions extends ProgramOptions {
  readonly config: string;
  /** Files beside the config, by name. */
  readonly files?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** A command to put before the program; it must exec it. */
  readonly through?: readonly string[];
}

export const launcher = join(projectRoot, 'bin/linkerd-tcp');

export async function startLinkerdTcp(t: Scope, options: LinkerdTcpOptions): Promise<LinkerdTcp> {
  const folder = tempDir(t);
  for (const [name, text] of Object.entries(options.files ?? {})) folder.write(name, text);
  const configFile = folder.write('linkerd.yml', options.config);
  const command = [...(options.through ?? []), launcher, ...(options.args ?? []), configFile];
  const program = startProgram(t, command[0] as string, command.slice(1), {
    cwd: folder.path,
    // A test that is over does not wait for the sessions it left behind.
    stopTimeoutMs: 300,
    ...options,
  });
  const { ports, adminPort } = await whereItListens(program, countServers(options.config));
  const ask = (method: string, path: string): Promise<string> => askAdmin(adminPort, method, path);
  return {
    program,
    folder,
    ports,
    port: ports.values().next().value ?? 0,
    adminPort,
    get: path => ask('GET', path),
    post: path => ask('POST', path),
    metric: async (name, labels = {}) => sumOf(await ask('GET', '/metrics'), name, labels),
  };
}

/** One request over a connection of its own, so that none stays open among the descriptors of the proxy. */
export async function askAdmin(port: number, method: string, path: string): Promise<string> {
  const signal = AbortSignal.timeout(defaultTimeoutMs);
  const sent = request({ host: '127.0.0.1', port, method, path, agent: false, signal }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const body = await text(response);
  const status = response.statusCode as number;
  if (status < 200 || status > 299) throw new Error(`${method} ${path} answered ${status}: ${body}`);
  return body;
}

/** Waits for the proxy's own words; nothing is asked of it before it says it is there. */
export async function whereItListens(
  program: Program,
  servers: number,
): Promise<{ readonly ports: ReadonlyMap<string, number>; readonly adminPort: number }> {
  const admin = await program.printed(/admin listening on http:\/\/\S+:(\d+)/);
  const ports = new Map<string, number>();
  let from = 0;
  for (let i = 0; i < servers; i++) {
    const line = await program.printed(/routing on \S+:(\d+) to (\S+)/, { from });
    from += line.index + line[0].length;
    ports.set(line[2] as string, Number(line[1]));
  }
  return { ports, adminPort: Number(admin[1]) };
}

function countServers(config: string): number {
  const { routers } = parse(config) as { routers?: readonly { servers?: readonly unknown[] }[] };
  return (routers ?? []).reduce((count, { servers = [] }) => count + servers.length, 0);
}

function sumOf(text: string, name: string, labels: Readonly<Record<string, string>>): number {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  let sum = 0;
  for (const line of text.split('\n')) {
    const sample = /^([\w:]+)(?:\{(.*)\})? (\S+)/.exec(line);
    if (sample?.[1] === name && wanted.every(label => `,${sample[2]},`.includes(`,${label},`)))
      sum += Number(sample[3]);
  }
  return sum;
}

export interface FsRouting {
  /** Routes: `/svc/redis => /#/io.l5d.fs/a;` */
  readonly dtab: string;
  /** Hosts by service: `{ a: [6379] }` gives disco/a with `127.0.0.1 6379`. */
  readonly disco: Readonly<Record<string, readonly number[]>>;
  /** The names to listen for, a port for each, with more keys of that server as YAML flow: `idleTimeoutMs: 100`. */
  readonly servers?: Readonly<Record<string, string>>;
  /** More keys of the router's client, as YAML flow. */
  readonly client?: string;
  /** More keys of `admin`, as YAML flow. */
  readonly admin?: string;
  /** The I/O driver; by default the program chooses. */
  readonly driver?: DriverKind;
}

/** A config that routes by files: `routes.dtab` for the names' meaning, one file in `disco` for each service. */
export function fsRouting(routing: FsRouting): Pick<LinkerdTcpOptions, 'config' | 'files'> {
  const { dtab, disco, servers = { '/svc/redis': '' }, client, admin, driver } = routing;
  const flow = (...keys: readonly (string | undefined)[]): string => `{${keys.filter(Boolean).join(', ')}}`;
  const config = [
    `admin: ${flow('port: 0', admin)}`,
    ...(driver ? [`driver: ${driver}`] : []),
    'namers:',
    '- {kind: io.l5d.fs, rootDir: disco}',
    'routers:',
    '- label: test',
    '  interpreter: {kind: io.l5d.fs, dtabFile: routes.dtab}',
    ...(client ? [`  client: {${client}}`] : []),
    '  servers:',
    ...Object.entries(servers).map(([name, keys]) => `  - ${flow('port: 0', `dstName: ${name}`, keys)}`),
  ].join('\n');
  const hosts = Object.entries(disco).map(([name, ports]) => [`disco/${name}`, hostsOf(ports)]);
  return { config: `${config}\n`, files: { 'routes.dtab': `${dtab}\n`, ...Object.fromEntries(hosts) } };
}

export function hostsOf(ports: readonly number[]): string {
  return ports.map(port => `127.0.0.1 ${port}\n`).join('');
}
