/** `tls` of a server, which terminates TLS from clients: its files, its trusted authorities, its protocol settings. */
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { z } from 'zod';
import type { ValuePath } from '../config/document.ts';
import { millis, seconds, wholeNumber } from '../config/fields.ts';
import { withFormerKeys } from '../config/former-keys.ts';
import { describe, type Problem, valueAt } from '../config/problem.ts';
import { isServerName, normalName } from './host-name.ts';
import {
  alpnProtocols,
  checkVersions,
  defaultCiphers,
  defaultGroups,
  defaultSuites,
  descriptions,
  pemFile,
  pemFiles,
  protocolFields,
} from './tls-fields.ts';

export const identityConfig = z.strictObject({
  certs: pemFiles().meta({
    description: 'PEM files with the certificate, first, and those of the authorities between it and the root',
  }),
  privateKey: pemFile().meta({ description: 'PEM file with the key that belongs to it' }),
  passphraseFile: pemFile().optional().meta({ description: 'file with the passphrase of an encrypted key' }),
  ocspStaple: pemFile().optional().meta({
    description:
      'file with an OCSP response (DER or base64) to staple; watched, so that whatever renews it need only write it',
  }),
});

export type IdentityConfig = z.output<typeof identityConfig>;

const serverName = z.string().superRefine((name, context) => {
  if (isServerName(name)) return;
  const ascii = domainToASCII(name);
  const message =
    isIP(name) !== 0
      ? `expected a server name (clients do not ask for addresses; use defaultIdentity)`
      : ascii !== '' && /[^\0-\x7f]/.test(name)
        ? `expected a server name in ASCII: ${ascii}`
        : `expected a server name like www.example.com or *.example.com`;
  context.addIssue({ code: 'custom', message });
});

/** A ticket key for each of them is accepted at once. */
export const mostTicketKeys = 32;

const sessionTickets = z.strictObject({
  enabled: z.boolean().default(true).meta({ description: 'let clients resume sessions; nothing is kept here for it' }),
  rotateSecs: seconds(60).default(3600).meta({ description: 'a new ticket key after this long' }),
  lifetimeSecs: wholeNumber(1, 604_800, 'a whole number of seconds from 1 to 604800, a week')
    .default(7200)
    .meta({ description: 'how long a session can be resumed; its key is accepted as long' }),
});

export const serverTls = withFormerKeys(
  z.strictObject({
    defaultIdentity: identityConfig
      .optional()
      .meta({ description: 'shown to clients that ask for no name, or for one that is not among `identities`' }),
    identities: z
      .record(serverName, identityConfig)
      .optional()
      .meta({ description: 'by the server name a client asks for; `*.example.com` stands for one label more' }),
    alpnProtocols: alpnProtocols().optional().meta({ description: 'ALPN, in the order of preference' }),
    alpnMismatch: z.enum(['tolerate', 'refuse']).default('tolerate').meta({
      description:
        'whether clients none of whose protocols is among `alpnProtocols` are served without one, or refused',
    }),
    minVersion: protocolFields.minVersion.default('TLSv1.2').meta({ description: descriptions.minVersion }),
    maxVersion: protocolFields.maxVersion.default('TLSv1.3').meta({ description: descriptions.maxVersion }),
    ciphers: protocolFields.ciphers.default(defaultCiphers).meta({ description: descriptions.ciphers }),
    cipherSuites: protocolFields.cipherSuites.default(defaultSuites).meta({ description: descriptions.cipherSuites }),
    groups: protocolFields.groups.default(defaultGroups).meta({ description: descriptions.groups }),
    clientAuth: z.enum(['none', 'optional', 'required']).default('none').meta({
      description:
        'whether clients are asked for a certificate; `optional` serves those without one, too. One that is not good is always refused',
    }),
    trustCerts: pemFiles()
      .optional()
      .meta({ description: 'PEM files of the authorities whose client certificates are trusted' }),
    crls: pemFiles().optional().meta({
      description:
        'PEM files of revocation lists; with any, every certificate of a client’s chain must be covered by one',
    }),
    sessionTickets: sessionTickets.prefault({}).meta({ description: 'resumption of sessions' }),
    handshakeTimeoutMs: millis(1).default(10_000).meta({
      description: 'a connection whose handshake is not complete this long after accept is ended',
    }),
    maxClientHelloBytes: wholeNumber(512, 131_072, 'a whole number of bytes from 512 to 131072')
      .default(65_536)
      .meta({ description: 'a longer ClientHello is refused' }),
  }),
  { mostHelloBytes: 'maxClientHelloBytes' },
);

export type ServerTlsConfig = z.output<typeof serverTls>;

/** Checks across keys. */
export function checkServerTls(root: unknown, server: ValuePath, complain: (problem: Problem) => void): void {
  const path = [...server, 'tls'];
  const tls = valueAt(root, path);
  if (typeof tls !== 'object' || tls === null || Array.isArray(tls)) return;
  const at = (...keys: string[]) => valueAt(tls, keys);
  checkVersions(root, path, complain);
  const names = Object.keys(typeof at('identities') === 'object' ? (at('identities') ?? {}) : {});
  if (at('defaultIdentity') === undefined && names.length === 0)
    complain({
      path,
      onKey: true,
      message: 'expected defaultIdentity or identities: serving TLS needs a certificate',
    });
  checkNames(names, [...path, 'identities'], complain);
  if (at('alpnMismatch') === 'refuse' && !((at('alpnProtocols') as unknown[] | undefined)?.length ?? 0))
    complain({ path: [...path, 'alpnMismatch'], message: 'refuse needs alpnProtocols' });
  const asks = at('clientAuth') ?? 'none';
  if (asks === 'none')
    for (const key of ['trustCerts', 'crls'])
      if (at(key) !== undefined)
        complain({
          path: [...path, key],
          onKey: true,
          message: 'not used, because clients are not asked for a certificate; add clientAuth: required (or optional)',
        });
  if (asks !== 'none' && at('trustCerts') === undefined)
    complain({
      path: [...path, 'clientAuth'],
      message: `${describeWord(asks)} needs trustCerts, the authorities of client certificates`,
    });
  checkTickets(at('sessionTickets'), [...path, 'sessionTickets'], complain);
}

function checkNames(names: readonly string[], path: ValuePath, complain: (problem: Problem) => void): void {
  const first = new Map<string, string>();
  for (const name of names) {
    const normal = normalName(name);
    const earlier = first.get(normal);
    if (earlier === undefined) first.set(normal, name);
    else
      complain({ path: [...path, name], onKey: true, message: `the same server name as ${earlier}; keep one of them` });
  }
}

function checkTickets(tickets: unknown, path: ValuePath, complain: (problem: Problem) => void): void {
  const rotate = valueAt(tickets, ['rotateSecs']) ?? 3600;
  const lifetime = valueAt(tickets, ['lifetimeSecs']) ?? 7200;
  if (typeof rotate !== 'number' || typeof lifetime !== 'number' || rotate < 60) return;
  const most = rotate * (mostTicketKeys - 2);
  if (lifetime > most)
    complain({
      path: [...path, valueAt(tickets, ['lifetimeSecs']) === undefined ? 'rotateSecs' : 'lifetimeSecs'],
      message: `expected a lifetimeSecs of at most ${mostTicketKeys - 2} times rotateSecs, ${most}, found ${lifetime}`,
    });
}

const describeWord = (value: unknown): string => (typeof value === 'string' ? value : describe(value));
