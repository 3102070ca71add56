/**
 * `tls` of a client: TLS to backends. Entries of io.l5d.static overlay each other key by key; what comes out is what one
 * destination gets.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import type { TlsVersion } from '../io/tls/context.ts';
import { isHostName, normalName } from './host-name.ts';
import {
  alpnProtocols,
  defaultCiphers,
  defaultGroups,
  defaultSuites,
  descriptions,
  pemFile,
  pemFiles,
  protocolFields,
} from './tls-fields.ts';

export const clientAuthConfig = z.strictObject({
  certs: pemFiles().meta({
    description: 'PEM files with the certificate, first, and those of the authorities between it and the root',
  }),
  privateKey: pemFile().meta({ description: 'PEM file with the key that belongs to it' }),
  passphraseFile: pemFile().optional().meta({ description: 'file with the passphrase of an encrypted key' }),
});

const variable = /\{([A-Za-z_]\w*)\}/;

const dnsName = z.string('expected the name in the backends’ certificates').superRefine((text, context) => {
  // A variable may stand for anything that a name can have at its place.
  if (isPeerName(text.replaceAll(new RegExp(variable, 'g'), 'x'))) return;
  context.addIssue({
    code: 'custom',
    message: `expected a host name, an IP address, or a name with variables like "{name}.internal", found ${JSON.stringify(text)}`,
  });
});

// Optional instead of defaulted: an entry of io.l5d.static overlays only the keys it has.
export const clientTls = z.strictObject({
  enabled: z.boolean().optional().meta({
    default: true,
    description: '`false` is for entries of io.l5d.static: no TLS, though an earlier entry has it',
  }),
  dnsName: dnsName.optional().meta({
    description:
      'host name (sent as SNI) or IP address that the certificates of the backends must be for. `{name}` in it stands for ' +
      'what the `prefix` of the same entry captures. Needed unless `disableValidation` is true',
  }),
  trustCerts: pemFiles()
    .optional()
    .meta({ description: 'PEM files of the authorities to trust, instead of the system’s' }),
  crls: pemFiles().optional().meta({
    description:
      'PEM files of revocation lists; with any, every certificate of a backend’s chain must be covered by one',
  }),
  clientAuth: clientAuthConfig.optional().meta({ description: 'the certificate shown to backends that ask for one' }),
  alpnProtocols: alpnProtocols().optional().meta({ default: [], description: 'ALPN, in the order of preference' }),
  disableValidation: z.boolean().optional().meta({
    default: false,
    description: 'accept any certificate; for tests only, logged at each start and reload',
  }),
  minVersion: protocolFields.minVersion.optional().meta({ default: 'TLSv1.2', description: descriptions.minVersion }),
  maxVersion: protocolFields.maxVersion.optional().meta({ default: 'TLSv1.3', description: descriptions.maxVersion }),
  ciphers: protocolFields.ciphers.optional().meta({ default: defaultCiphers, description: descriptions.ciphers }),
  cipherSuites: protocolFields.cipherSuites
    .optional()
    .meta({ default: defaultSuites, description: descriptions.cipherSuites }),
  groups: protocolFields.groups.optional().meta({ default: defaultGroups, description: descriptions.groups }),
  sessionResumption: z
    .boolean()
    .optional()
    .meta({ default: true, description: 'resume sessions instead of beginning each connection with a full handshake' }),
});

export type ClientTlsConfig = z.output<typeof clientTls>;
export type ClientAuthConfig = z.output<typeof clientAuthConfig>;

/** How to speak TLS to backends: the same for all destinations whose entries agree on it. */
export interface ClientTlsSettings {
  readonly trustCerts?: readonly string[] | undefined;
  readonly crls?: readonly string[] | undefined;
  readonly clientAuth?: ClientAuthConfig | undefined;
  readonly alpnProtocols: readonly string[];
  readonly disableValidation: boolean;
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  readonly ciphers: readonly string[];
  readonly cipherSuites: readonly string[];
  readonly groups: readonly string[];
  readonly sessionResumption: boolean;
}

/** The settings of one destination. */
export type DestinationTls =
  | {
      readonly ok: true;
      readonly settings: ClientTlsSettings;
      /** Sent and verified; '' without verification and without a name. */
      readonly serverName: string;
    }
  /** Connections must fail: neither these settings nor plain TCP may be used. */
  | {
      readonly ok: false;
      readonly reason: string;
      /** Index of the layer with the fault. */
      readonly layer: number;
    };

/** One entry that applies to a destination. */
export interface TlsLayer {
  readonly tls?: ClientTlsConfig | undefined;
  /** The captures of its prefix. */
  readonly captured: Readonly<Record<string, string>>;
}

const defaults: ClientTlsSettings = {
  alpnProtocols: [],
  disableValidation: false,
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: defaultCiphers,
  cipherSuites: defaultSuites,
  groups: defaultGroups,
  sessionResumption: true,
};

/** @param layers in the order of the file; later ones win. Undefined: no TLS. */
export function overlayTls(layers: readonly TlsLayer[]): DestinationTls | undefined {
  const speaking = layers.flatMap(({ tls, captured }, layer) => (tls === undefined ? [] : [{ tls, captured, layer }]));
  const present = speaking.map(({ tls }) =>
    Object.fromEntries(Object.entries(tls).filter(([, each]) => each !== undefined)),
  );
  const merged: ClientTlsConfig = Object.assign({}, ...present);
  const { enabled, dnsName: _, ...settings } = merged;
  const last = speaking.at(-1);
  if (last === undefined || enabled === false) return undefined;
  const whole: ClientTlsSettings = { ...defaults, ...settings };
  if (whole.minVersion > whole.maxVersion)
    return { ok: false, layer: last.layer, reason: 'its minVersion is above its maxVersion' };
  const naming = speaking.findLast(({ tls }) => tls.dnsName !== undefined);
  if (naming === undefined) {
    if (whole.disableValidation) return { ok: true, settings: whole, serverName: '' };
    return {
      ok: false,
      layer: last.layer,
      reason: 'dnsName is missing: the name that the certificates of the backends must be for',
    };
  }
  const serverName = bindName(naming.tls.dnsName as string, naming.captured);
  if (typeof serverName === 'string') return { ok: true, settings: whole, serverName: normalName(serverName) };
  return { ok: false, layer: naming.layer, reason: serverName.reason };
}

/** The variables of a `dnsName`, with their places. */
export const variablesOf = (dnsName: string): { readonly name: string; readonly offset: number }[] =>
  [...dnsName.matchAll(new RegExp(variable, 'g'))].map(({ 1: name, index }) => ({ name, offset: index }));

function bindName(template: string, captured: Readonly<Record<string, string>>): string | { readonly reason: string } {
  const unknown = variablesOf(template).find(({ name }) => !Object.hasOwn(captured, name));
  if (unknown) return { reason: `nothing captures {${unknown.name}} of dnsName` };
  const name = template.replaceAll(new RegExp(variable, 'g'), (_, key: string) => captured[key]);
  return isPeerName(name)
    ? name
    : { reason: `its dnsName would be ${JSON.stringify(name)}, which is neither a host name nor an IP address` };
}

const isPeerName = (name: string): boolean => isIP(name) !== 0 || isHostName(name);
