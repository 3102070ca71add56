/** `--quickstart`: backends for the addresses in the discovery directory of a configuration, and what to try with them. */
import { relative } from 'node:path';
import type { LinkerdTcpConfig } from '../settings/linkerd-tcp/config.ts';
import { version } from '../version.ts';
import type { BackendAddress } from './backend.ts';
import { type Backends, type BackendsOptions, startBackends } from './backends.ts';
import { isInstalled } from './installed.ts';

export interface Quickstart {
  /** The first screen: what runs, and what to try next. */
  guide(adminAddress: string): string;
  stop(): Promise<void>;
}

/** @throws LinkerdTcpError CANNOT_LISTEN when a port of a backend is taken */
export async function startQuickstart(config: LinkerdTcpConfig, options: BackendsOptions = {}): Promise<Quickstart> {
  const { has = isInstalled } = options;
  const directory = config.namers.find(({ kind }) => kind === 'io.l5d.fs')?.['rootDir'];
  const none: Backends = { addresses: [], isRedis: false, stop: async () => {} };
  const backends = typeof directory === 'string' ? await startBackends(directory, { ...options, has }) : none;
  return { stop: () => backends.stop(), guide: adminAddress => guide(config, backends, adminAddress, has) };
}

function guide(
  { routers }: LinkerdTcpConfig,
  { addresses, isRedis }: Backends,
  adminAddress: string,
  has: (program: string) => boolean,
): string {
  const [router] = routers;
  const server = router?.servers[0];
  if (server === undefined) return '';
  const dtabFile = router?.interpreter['dtabFile'];
  const watched = typeof dtabFile === 'string' ? shownPath(dtabFile) : undefined;
  const groups = [...new Set(addresses.map(({ group }) => group))];
  const kind = isRedis ? 'redis-server' : 'built in, as no redis-server is installed here';
  const lines = [
    '',
    `  linkerd-tcp ${version} · quickstart · Ctrl-C to stop`,
    '',
    `  listening   ${server.ip}:${server.port}   name ${server.dstName}`,
    ...(watched === undefined ? [] : [`  routing     ${watched} (watched)`]),
    ...groups.map((group, i) => {
      const label = i === 0 ? 'backends' : '';
      return `  ${label.padEnd(12)}${group.padEnd(8)}${addressList(addresses, group)}${i === 0 ? `   (${kind})` : ''}`;
    }),
    `  metrics     ${httpUrl(adminAddress)}/metrics   endpoints ${httpUrl(adminAddress)}/routes.json`,
    '',
    '  In another terminal:',
    '',
    `  1  Ask who answers           ${tryCommand(server, has)}`,
    ...moves(watched, server.dstName, groups),
    ...breaks(addresses),
    '  4  Your own configuration    bin/linkerd-tcp init > edge.yml   (docs/getting-started.md)',
    '',
    '  Each finished connection is a line of the access log below.',
    '',
    '',
  ];
  return lines.join('\n');
}

const addressList = (addresses: readonly BackendAddress[], group: string): string =>
  addresses
    .filter(each => each.group === group)
    .map(({ host, port }) => `${host}:${port}`)
    .join('  ');

/** With what is at hand; Node.js always is. */
function tryCommand({ ip, port }: { ip: string; port: number }, has: (program: string) => boolean): string {
  const ours = port === 7474 ? 'npm run try' : `npm run try -- ${port}`;
  return has('redis-cli') ? `${ours}   or   redis-cli -h ${ip} -p ${port} get group` : ours;
}

function moves(dtabFile: string | undefined, dstName: string, [first, second]: readonly string[]): readonly string[] {
  if (dtabFile === undefined || first === undefined || second === undefined) return [];
  return [
    `  2  Send 10% to ${second.padEnd(13)} npm run route -- ${first}=90 ${second}=10`,
    `     or edit ${dtabFile}:`,
    `       ${dstName} => 9 * /#/io.l5d.fs/${first} & 1 * /#/io.l5d.fs/${second} ;`,
  ];
}

const breaks = ([first]: readonly BackendAddress[]): readonly string[] =>
  first === undefined ? [] : [`  3  Stop a backend, and watch npm run break -- ${first.port}`];

/** Relative to here, unless that leads upwards. */
function shownPath(path: string): string {
  const shown = relative(process.cwd(), path);
  return shown.startsWith('..') ? path : shown;
}

const httpUrl = (address: string): string =>
  /^https?:/.test(address) ? address.replace(/\/+$/, '') : `http://${address}`;
