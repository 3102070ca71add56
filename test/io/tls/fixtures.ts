/** Certificates, contexts and connections for the contract of TLS engines. */
import { after } from 'node:test';
import type { ConnectionOptions, TlsOptions } from 'node:tls';
import type { TlsClientContext, TlsIdentity, TlsServerContext } from '../../../src/io/tls/context.ts';
import { type Authority, createAuthority, type Issued } from '../../support/certificates.ts';
import { NodePeer, nodeClient, nodeServer } from './node-peer.ts';
import { type Bench, type EngineEnd, Lane } from './rig.ts';

export interface Certificates {
  readonly authority: Authority;
  /** No peer trusts it. */
  readonly stranger: Authority;
  readonly server: Issued;
  readonly serverRsa: Issued;
  readonly serverEd25519: Issued;
  readonly wildcard: Issued;
  readonly expired: Issued;
  readonly revoked: Issued;
  readonly client: Issued;
  readonly revokedClient: Issued;
  readonly strangeClient: Issued;
  readonly strangeServer: Issued;
  /** Names both that are revoked. */
  readonly crl: string;
}

/** They last as long as the test file runs. */
export function createCertificates(): Certificates {
  const scope = { after };
  const authority = createAuthority(scope);
  const stranger = createAuthority(scope, 'Nobody trusts me');
  const names = ['server.test', 'other.test'];
  const ips = ['127.0.0.1', '::1'];
  const revoked = authority.issue({ names });
  const revokedClient = authority.issue({ subject: '/CN=gone', client: true });
  authority.revoke(revoked);
  authority.revoke(revokedClient);
  return {
    authority,
    stranger,
    server: authority.issue({ names, ips }),
    serverRsa: authority.issue({ names, key: 'rsa' }),
    serverEd25519: authority.issue({ names, key: 'ed25519' }),
    wildcard: authority.issue({ names: ['*.wild.test'] }),
    expired: authority.issue({ names, days: -1 }),
    revoked,
    client: authority.issue({ subject: '/CN=client', client: true }),
    revokedClient,
    strangeClient: stranger.issue({ subject: '/CN=client', client: true }),
    strangeServer: stranger.issue({ names, ips }),
    crl: authority.crl(),
  };
}

export const identityOf = ({ chain, key }: Issued): TlsIdentity => ({ chain, key });

const common = {
  leastVersion: 'TLSv1.2',
  mostVersion: 'TLSv1.3',
  ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384',
  cipherSuites: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384',
  groups: 'X25519:P-256',
  trust: '',
  crls: '',
} as const;

export const serverContext = (issued: Issued, more: Partial<TlsServerContext> = {}): TlsServerContext => ({
  ...common,
  role: 'server',
  identity: identityOf(issued),
  staple: null,
  protocols: [],
  refuseOtherProtocols: false,
  clientAuth: 'none',
  binding: new Uint8Array(32).fill(1),
  ticketKeys: [],
  sessionSecs: 3600,
  ...more,
});

export const clientContext = (authority: Authority, more: Partial<TlsClientContext> = {}): TlsClientContext => ({
  ...common,
  role: 'client',
  trust: authority.certificate,
  identity: null,
  protocols: [],
  verify: true,
  resume: false,
  ...more,
});

export const ticketKey = (seed: number): Uint8Array =>
  Uint8Array.from({ length: 80 }, (_, i) => (i * 7 + seed * 31) & 0xff);

/** Two ends and the lanes between them. */
export interface Connection<Near, Far> {
  readonly near: Near;
  readonly far: Far;
  /** From `near` to `far`. */
  readonly out: Lane;
  /** From `far` to `near`. */
  readonly back: Lane;
}

function join<Near extends EngineEnd, Far extends EngineEnd | NodePeer>(
  connection: Connection<Near, Far>,
): Connection<Near, Far> {
  const { near, far, out, back } = connection;
  out.to = far;
  back.to = near;
  near.pumpIn = () => back.pump();
  if ('pumpIn' in far) far.pumpIn = () => out.pump();
  out.pump();
  back.pump();
  return connection;
}

/** A server under test, and a client of node:tls. */
export function servingNode(
  bench: Bench,
  context: TlsServerContext | number,
  options: ConnectionOptions = {},
): Connection<EngineEnd, NodePeer> {
  const [out, back] = [new Lane(bench), new Lane(bench)];
  const near = bench.server(typeof context === 'number' ? context : bench.define(context), out);
  return join({ near, far: new NodePeer(bench, back, nodeClient(options)), out, back });
}

export const nowhere = '192.0.2.1:443';

/** A client under test, and a server of node:tls. */
export function askingNode(
  bench: Bench,
  context: TlsClientContext | number,
  options: TlsOptions,
  serverName = 'server.test',
  endpoint = nowhere,
): Connection<EngineEnd, NodePeer> {
  const [out, back] = [new Lane(bench), new Lane(bench)];
  const far = new NodePeer(bench, back, nodeServer(options));
  const id = typeof context === 'number' ? context : bench.define(context);
  const near = bench.client(id, { serverName, endpoint }, out);
  return join({ near, far, out, back });
}

/** Both ends under test: the client is near. They may be of two benches. */
export function both(
  clients: Bench,
  client: TlsClientContext | number,
  servers: Bench,
  server: TlsServerContext | number,
  serverName = 'server.test',
  endpoint = nowhere,
): Connection<EngineEnd, EngineEnd> {
  const [out, back] = [new Lane(clients), new Lane(servers)];
  const far = servers.server(typeof server === 'number' ? server : servers.define(server), back);
  const id = typeof client === 'number' ? client : clients.define(client);
  const near = clients.client(id, { serverName, endpoint }, out);
  return join({ near, far, out, back });
}
