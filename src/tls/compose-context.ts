/** From settings and what is in files now to the contexts that workers go by. */
import { createHash } from 'node:crypto';
import type { TlsClientContext, TlsServerContext } from '../io/tls/context.ts';
import type { ClientTlsSettings } from './client-tls.ts';
import type { LoadedIdentity } from './identity-files.ts';
import type { ServerTlsConfig } from './server-tls.ts';
import { defaultGroups, hasGroup } from './tls-fields.ts';
import { systemTrust } from './trust-files.ts';

type Protocols = Pick<ClientTlsSettings, 'minVersion' | 'maxVersion' | 'ciphers' | 'cipherSuites' | 'groups'>;

/** The last good content of files. */
export interface ServerMaterial {
  /** The server name it is for; '' is the default. */
  readonly name: string;
  readonly identity: LoadedIdentity;
  /** PEM. */
  readonly trust: string;
  readonly crls: string;
  readonly ticketKeys: readonly Uint8Array[];
}

export function serverContext(tls: ServerTlsConfig, material: ServerMaterial): TlsServerContext {
  const { identity, trust, crls, ticketKeys } = material;
  return {
    role: 'server',
    ...protocolsOf(tls),
    identity: identity.identity,
    staple: identity.staple,
    protocols: tls.alpnProtocols ?? [],
    refuseOtherProtocols: tls.alpnMismatch === 'refuse',
    clientAuth: tls.clientAuth,
    trust,
    crls,
    binding: bindingOf(tls, material),
    ticketKeys,
    sessionSecs: tls.sessionTickets.lifetimeSecs,
  };
}

export interface ClientMaterial {
  readonly identity: LoadedIdentity | null;
  /** PEM; null: the system's. */
  readonly trust: string | null;
  readonly crls: string;
}

export function clientContext(
  settings: ClientTlsSettings,
  { identity, trust, crls }: ClientMaterial,
): TlsClientContext {
  const verify = !settings.disableValidation;
  return {
    role: 'client',
    ...protocolsOf(settings),
    identity: identity?.identity ?? null,
    protocols: settings.alpnProtocols,
    verify,
    trust: verify ? (trust ?? systemTrust()) : '',
    crls: verify ? crls : '',
    resume: settings.sessionResumption,
  };
}

function protocolsOf({ minVersion, maxVersion, ciphers, cipherSuites, groups }: Protocols) {
  return {
    leastVersion: minVersion,
    mostVersion: maxVersion,
    ciphers: ciphers.join(':'),
    cipherSuites: cipherSuites.join(':'),
    groups: groups.filter(hasHere).join(':'),
  };
}

/** Those a configuration names were checked; of the default ones an older OpenSSL may not have all. */
const lacking = defaultGroups.filter(group => !hasGroup(group));
const hasHere = (group: string): boolean => !lacking.includes(group);

/** Whatever makes a session of one identity worthless for another. */
function bindingOf({ clientAuth }: ServerTlsConfig, { name, identity, trust, crls }: ServerMaterial): Uint8Array {
  const hash = createHash('sha256');
  for (const part of [name, identity.leaf.raw, clientAuth, trust, crls]) hash.update(`${part.length} `).update(part);
  return hash.digest();
}
