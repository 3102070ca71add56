/** The real proxy with `tls` keys: a config by name of destination, and its access log, line by line as it grows. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DriverKind } from '../../src/io/drivers/choose-driver.ts';
import type { TlsRecord } from '../../src/proxy/record.ts';
import type { Issued } from './certificates.ts';
import { hostsOf, type LinkerdTcp, startLinkerdTcp } from './linkerd-tcp.ts';
import type { ProgramOptions } from './process.ts';
import type { Scope } from './scope.ts';
import { until } from './waiting.ts';

type Keys = Readonly<Record<string, unknown>>;

export interface TlsRouting {
  readonly driver: DriverKind;
  /** Keys of each server, by the name it routes to: `{ '/svc/web': { tls: … } }`. */
  readonly servers: Readonly<Record<string, Keys>>;
  /** Ports of the endpoints, by the service they are found under. */
  readonly disco: Readonly<Record<string, readonly number[]>>;
  /** Keys of the client, by prefix. */
  readonly clients?: Readonly<Record<string, Keys>>;
  readonly dtab?: string;
  /** One by default: it starts fastest. */
  readonly workers?: number;
  readonly graceSecs?: number;
}

/** A line of the access log. */
export interface AccessRecord {
  readonly client: string;
  readonly server: string;
  readonly dst: string;
  readonly endpoint: string | null;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly retries: number;
  readonly serverName: string | null;
  readonly tls: TlsRecord | null;
  readonly upstreamTls: TlsRecord | null;
  readonly end: string;
  readonly reason: string | null;
}

export interface TlsProxy extends LinkerdTcp {
  portOf(name: string): number;
  /** Connections to that server that have ended so far. */
  recordsOf(name: string): readonly AccessRecord[];
  /** The record of the first connection to that server in `act`, or soon after it. Those before have ended, or are waited for. */
  recordOf(name: string, act: () => Promise<unknown>): Promise<AccessRecord>;
  /** Writes another config over the one in force, and has it loaded. Ports stay, by the order of the servers. */
  reload(routing: TlsRouting): Promise<void>;
}

/** @param files more of them beside the config, by name */
export async function startTlsProxy(
  t: Scope,
  routing: TlsRouting,
  { files, ...options }: ProgramOptions & { readonly files?: Readonly<Record<string, string>> } = {},
): Promise<TlsProxy> {
  const hosts = Object.entries(routing.disco).map(([name, ports]) => [`disco/${name}`, hostsOf(ports)]);
  const proxy = await startLinkerdTcp(t, {
    config: configOf(routing),
    files: { 'routes.dtab': `${routing.dtab ?? '/svc => /#/io.l5d.fs;'}\n`, ...Object.fromEntries(hosts), ...files },
    ...options,
  });
  const portOf = (name: string): number => proxy.ports.get(name) as number;
  const recordsOf = (name: string): AccessRecord[] =>
    readFileSync(join(proxy.folder.path, 'access.log'), 'utf8')
      .split('\n')
      // The last one may be half written.
      .slice(0, -1)
      .map(line => JSON.parse(line) as AccessRecord)
      .filter(({ server }) => server === `127.0.0.1:${portOf(name)}`);
  return {
    ...proxy,
    portOf,
    recordsOf,
    recordOf: async (name, act) => {
      const srv_addr = `127.0.0.1:${portOf(name)}`;
      const before = await proxy.metric('l5d:srv:accepts', { srv_addr });
      await until(() => recordsOf(name).length >= before, `earlier connections to ${name} to end`);
      await act();
      return until(() => recordsOf(name)[before], `a connection to ${name} to end`);
    },
    reload: async next => {
      proxy.folder.write('linkerd.yml', configOf(next));
      await proxy.post('/reload');
    },
  };
}

/** JSON is YAML, too. */
function configOf({ driver, servers, clients, workers = 1, graceSecs }: TlsRouting): string {
  return JSON.stringify({
    admin: { port: 0, ...(graceSecs !== undefined && { graceSecs }) },
    driver,
    workers,
    accessLog: { file: 'access.log', format: 'json' },
    namers: [{ kind: 'io.l5d.fs', rootDir: 'disco' }],
    routers: [
      {
        label: 'test',
        interpreter: { kind: 'io.l5d.fs', dtabFile: 'routes.dtab' },
        servers: Object.entries(servers).map(([dstName, keys]) => ({ port: 0, dstName, ...keys })),
        ...(clients && {
          client: {
            kind: 'io.l5d.static',
            configs: Object.entries(clients).map(([prefix, keys]) => ({ prefix, ...keys })),
          },
        }),
      },
    ],
  });
}

/** What `defaultIdentity`, `identities` and `clientAuth` ask for. */
export const identityOf = ({ certFile, keyFile }: Issued) => ({ certs: [certFile], privateKey: keyFile });
