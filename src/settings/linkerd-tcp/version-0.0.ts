/**
 * Configurations of linkerd-tcp 0.0.1 to 0.0.3: recognised, and answered with what each key is called now and, as far as it
 * goes, with the whole file translated.
 */
import { stringify } from 'yaml';
import type { ConfigDocument, ValuePath } from '../../config/document.ts';
import { pathText } from '../../config/problem.ts';
import { type LocatedProblem, listing } from '../../config/report.ts';
import { LinkerdTcpError } from '../../errors.ts';

type Mapping = Readonly<Record<string, unknown>>;

/** Notes what an old key became, as the translation meets it. */
type Note = (path: ValuePath, now: string) => unknown;

/** @throws LinkerdTcpError CONFIG_INVALID with the mapping; its detail `translation` is the file in the present format */
export function answerOldFormat(file: string, document: ConfigDocument): void {
  const root = mapping(document.value);
  const old = 'proxies' in root || 'bufferSize' in root || typeof mapping(root.admin).addr === 'string';
  if (!old || 'routers' in root) return;
  const notes: LocatedProblem[] = [];
  const translation = translate(root, (path, now) =>
    notes.push({ at: document.keyPosition(path), text: `${pathText(path)}: ${now}` }),
  );
  const report = [
    `linkerd-tcp: ${file} is written for linkerd-tcp 0.0.x; its keys have other names since 0.1`,
    ...listing(file, notes),
    'Nothing was started. The translated file is on standard output; save it with:',
    `  linkerd-tcp --check ${file === '<stdin>' ? '- < old.yml' : file} > new.yml`,
  ].join('\n');
  throw new LinkerdTcpError('CONFIG_INVALID', { report, translation: stringify(translation, { lineWidth: 0 }) });
}

function translate(root: Mapping, note: Note): Mapping {
  const { admin, bufferSize, proxies, metricsIntervalSecs, ...rest } = root;
  if (metricsIntervalSecs !== undefined) note(['metricsIntervalSecs'], 'remove it; metrics are always live');
  if (bufferSize !== undefined) note(['bufferSize'], 'now bufferSizeBytes');
  if (proxies !== undefined) note(['proxies'], 'now routers');
  return defined({
    ...rest,
    admin: admin === undefined ? undefined : translateAdmin(mapping(admin), note),
    bufferSizeBytes: bufferSize,
    routers: list(proxies).map((proxy, i) => translateProxy(mapping(proxy), i, note)),
  });
}

function translateAdmin({ addr, ...rest }: Mapping, note: Note): Mapping {
  if (addr !== undefined) note(['admin', 'addr'], 'now ip and port');
  // 0.0.x listened on every address by default, this version on the loopback address.
  return { ...(addr === undefined ? { ip: '0.0.0.0' } : address(addr)), ...rest };
}

function translateProxy(proxy: Mapping, index: number, note: Note): Mapping {
  const at = ['proxies', index] as const;
  const { label, servers, namerd, client, maxWaiters, ...rest } = proxy;
  const { url, addr, path, namespace, intervalSecs, ...namerdRest } = mapping(namerd);
  if (label === undefined) note(at, 'needs a label now');
  if (namerd !== undefined) note([...at, 'namerd'], 'now interpreter with kind io.l5d.namerd.http');
  if (url !== undefined) note([...at, 'namerd', 'url'], 'now interpreter.baseUrl');
  if (addr !== undefined) note([...at, 'namerd', 'addr'], 'now interpreter.baseUrl, with http://');
  if (intervalSecs !== undefined) note([...at, 'namerd', 'intervalSecs'], 'now interpreter.periodSecs');
  if (path !== undefined) note([...at, 'namerd', 'path'], 'now dstName of each server');
  if (client !== undefined) note([...at, 'client'], 'now with kind io.l5d.global');
  if (maxWaiters !== undefined) note([...at, 'maxWaiters'], 'now client.maxWaiters');
  return defined({
    ...rest,
    label: label ?? `proxy${index}`,
    interpreter: {
      kind: 'io.l5d.namerd.http',
      baseUrl: typeof url === 'string' ? url.replace(/\/+$/, '') : `http://${addr ?? '127.0.0.1:4180'}`,
      namespace: namespace ?? 'default',
      periodSecs: intervalSecs ?? 60,
      ...namerdRest,
    },
    servers: list(servers).map((server, i) => translateServer(mapping(server), path, [...at, 'servers', i], note)),
    client: translateClient(client, maxWaiters, [...at, 'client'], note),
  });
}

function translateClient(client: unknown, maxWaiters: unknown, at: ValuePath, note: Note): Mapping | undefined {
  if (client === undefined && maxWaiters === undefined) return undefined;
  const { tls, ...rest } = mapping(client);
  const { name, trustCertPaths, ...tlsRest } = mapping(tls);
  if (name !== undefined) note([...at, 'tls', 'name'], 'now tls.dnsName');
  if (trustCertPaths !== undefined) note([...at, 'tls', 'trustCertPaths'], 'now tls.trustCerts');
  return defined({
    kind: 'io.l5d.global',
    ...rest,
    maxWaiters,
    tls: tls === undefined ? undefined : defined({ dnsName: name, trustCerts: trustCertPaths, ...tlsRest }),
  });
}

function translateServer(server: Mapping, dstName: unknown, at: ValuePath, note: Note): Mapping {
  const { kind, addr, ...rest } = server;
  if (kind !== undefined) note([...at, 'kind'], 'remove it');
  if (addr !== undefined) note([...at, 'addr'], 'now ip and port');
  const tls: Record<string, unknown> = {};
  const others: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(rest)) {
    const now = tlsKeys[key];
    if (now === undefined) others[key] = value;
    else {
      note([...at, key], `now tls.${now}`);
      tls[now] = translateIdentities(now, value);
    }
  }
  return defined({ ...address(addr), dstName, ...others, tls: kind === 'io.l5d.tls' ? tls : undefined });
}

const tlsKeys: Readonly<Record<string, string>> = {
  alpnProtocols: 'alpnProtocols',
  alpn_protocols: 'alpnProtocols',
  defaultIdentity: 'defaultIdentity',
  default_identity: 'defaultIdentity',
  identities: 'identities',
};

function translateIdentities(key: string, value: unknown): unknown {
  const identity = (old: unknown) => {
    const { certPaths, privateKeyPath, ...rest } = mapping(old);
    return defined({ certs: certPaths, privateKey: privateKeyPath, ...rest });
  };
  if (key === 'defaultIdentity') return identity(value);
  if (key !== 'identities') return value;
  return Object.fromEntries(Object.entries(mapping(value)).map(([name, old]) => [name, identity(old)]));
}

/** `ip:port` or `[ip]:port`. */
function address(text: unknown): Mapping {
  const found = typeof text === 'string' ? /^\[?(.*?)\]?:(\d+)$/.exec(text) : null;
  return found === null ? defined({ ip: text }) : { ip: found[1], port: Number(found[2]) };
}

const mapping = (value: unknown): Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Mapping) : {};

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const defined = (value: Mapping): Mapping =>
  Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined));
