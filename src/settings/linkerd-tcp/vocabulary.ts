/** Words of Linkerd 1.x and of older linkerd-tcp that people bring along, and what to write instead. */
import type { ValuePath } from '../../config/document.ts';
import type { Vocabulary } from '../../config/explain.ts';
import { valueAt } from '../../config/problem.ts';

/** By the shape of the place, without indices. */
const keys: Readonly<Record<string, string>> = {
  telemetry: 'not supported; metrics are always served at /metrics of the admin address',
  storage: 'this belongs in a configuration of namerd',
  interfaces: 'this belongs in a configuration of namerd',
  proxies: 'linkerd-tcp 0.0.x called the routers so; write routers',
  bufferSize: 'linkerd-tcp 0.0.x called it so; write bufferSizeBytes',
  dtab: 'a dtab belongs to a router: routers[].dtab',
  'admin.addr': 'linkerd-tcp 0.0.x called it so; write ip and port',
  'admin.grace': 'write graceSecs, in seconds',
  'admin.shutdownGraceMs': 'write graceSecs, in seconds',
  'admin.security': 'not supported; keep the admin address on a network you trust',
  'admin.tls': 'not supported; keep the admin address on a network you trust',
  'routers.protocol': 'every router here routes TCP connections; remove it',
  'routers.dstPrefix': 'not needed: each server names its destination whole, in dstName',
  'routers.service': 'not supported: a TCP connection has no requests; see client',
  'routers.namerd': 'linkerd-tcp 0.0.x called it so; write interpreter with kind io.l5d.namerd.http',
  'routers.namers': 'namers are shared by all routers; move it to the top of the file',
  'routers.maxWaiters': 'move it into client',
  'routers.bindingTimeoutMs': 'write connectTimeoutMs in servers[]; it covers naming, too',
  'routers.bindingCache': 'not needed: every destination of a server stays bound',
  'routers.servers.kind': 'linkerd-tcp 0.0.x had it; remove it, tls says whether a server speaks TLS',
  'routers.servers.addr': 'linkerd-tcp 0.0.x called it so; write ip and port',
  'routers.servers.dstPath': 'write dstName',
  'routers.servers.maxConcurrentRequests': 'write maxConcurrency',
  'routers.servers.timeoutMs': 'write connectTimeoutMs (until connected) or idleTimeoutMs (afterwards)',
  'routers.servers.socketOptions': 'not supported; see backlog and keepAlive',
  'routers.client.failureAccrual': 'write failFast: {maxConsecutiveFailures, failurePenaltySecs, maxPenaltySecs}',
  'routers.client.requeueBudget': 'write maxRetries and retryBackoffMs',
  'routers.client.hostConnectionPool': 'write minConnections and maxWaiters',
  'routers.client.clientSession': 'write idleTimeoutMs and connectionLifetimeSecs in servers[]',
};

const identityWords: Readonly<Record<string, string>> = {
  cert: 'write certs: [file]',
  certPath: 'Linkerd 1.x called it so; write certs: [file]',
  certPaths: 'linkerd-tcp 0.0.x called it so; write certs',
  intermediateCertsPath: 'add the file to certs, after the certificate itself',
  key: 'write privateKey',
  keyPath: 'Linkerd 1.x called it so; write privateKey',
  privateKeyPath: 'linkerd-tcp 0.0.x called it so; write privateKey',
  passphrase: 'secrets are kept out of this file; write passphraseFile',
};

const tlsWords: Readonly<Record<string, string>> = {
  protocols: 'write minVersion and maxVersion (or alpnProtocols, if that is meant)',
  caCertPath: 'Linkerd 1.x called it so; write trustCerts: [file]',
  trustCertsBundle: 'write trustCerts: [file]; a file may hold many certificates',
  trustCertPaths: 'linkerd-tcp 0.0.x called it so; write trustCerts',
};

/** By the shape of the place of the mapping; names of its entries are omitted, too. */
const keysOf: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'routers.servers.tls': {
    ...tlsWords,
    ...Object.fromEntries(
      Object.keys(identityWords).map(key => [
        key,
        'a certificate belongs to an identity; write defaultIdentity: {certs: [file], privateKey: file}',
      ]),
    ),
    requireClientAuth: 'Linkerd 1.x called it so; write clientAuth: required, with trustCerts',
    enabled: 'remove it; without tls there is none',
  },
  'routers.servers.tls.defaultIdentity': identityWords,
  'routers.servers.tls.identities': identityWords,
  'routers.client.tls': {
    ...tlsWords,
    commonName: 'Linkerd 1.x called it so; write dnsName',
    name: 'linkerd-tcp 0.0.x called it so; write dnsName',
  },
  'routers.client.tls.clientAuth': identityWords,
};

const unsupportedBalancers: Readonly<Record<string, string>> = {
  aperture: 'not supported; use p2c',
  heap: 'not supported; use p2c',
};

export const vocabulary: Vocabulary = {
  key(parent, key, root) {
    if (
      key === 'prefix' &&
      shape(parent) === 'routers.client' &&
      valueAt(root, [...parent, 'kind']) !== 'io.l5d.static'
    )
      return 'prefixes need kind: io.l5d.static and a list of configs';
    const named = parent.indexOf('identities') + 1;
    const mapping = shape(parent.filter((part, i) => part !== 'configs' && (named === 0 || i !== named)));
    return ownValue(keysOf[mapping], key) ?? ownValue(keys, mapping === '' ? key : `${mapping}.${key}`);
  },
  kind(path, kind) {
    return path.at(-2) === 'loadBalancer' && Object.hasOwn(unsupportedBalancers, kind)
      ? unsupportedBalancers[kind]
      : undefined;
  },
};

const shape = (path: ValuePath): string => path.filter(part => typeof part === 'string').join('.');

const ownValue = (words: Readonly<Record<string, string>> | undefined, key: string): string | undefined =>
  words !== undefined && Object.hasOwn(words, key) ? words[key] : undefined;
