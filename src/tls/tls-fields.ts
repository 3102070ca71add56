/** Fields that TLS from clients and TLS to backends share: versions, algorithms, files, and their words in a configuration. */
import { createSecureContext, getCiphers } from 'node:tls';
import { z } from 'zod';
import type { ValuePath } from '../config/document.ts';
import { filePath } from '../config/file-fields.ts';
import { type Problem, valueAt } from '../config/problem.ts';
import { nearest } from '../config/suggest.ts';
import type { TlsVersion } from '../io/tls/context.ts';

export const tlsVersions = ['TLSv1.2', 'TLSv1.3'] as const satisfies readonly TlsVersion[];

/** Forward secret and authenticated, all of them. */
export const defaultCiphers = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
];

export const defaultSuites = ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'];

export const defaultGroups = ['X25519MLKEM768', 'X25519', 'P-256', 'P-384'];

/** Suggestions for an unknown group; an OpenSSL may have others. */
const commonGroups = [...defaultGroups, 'P-521', 'X448', 'SecP256r1MLKEM768', 'SecP384r1MLKEM1024', 'ffdhe2048'];

/** Whether the OpenSSL of this process has the group. */
export function hasGroup(name: string): boolean {
  if (!/^[\w-]+$/.test(name)) return false;
  try {
    createSecureContext({ ecdhCurve: name });
    return true;
  } catch {
    return false;
  }
}

const known = getCiphers().map(name => name.toUpperCase());
/** Those that neither encrypt nor say who the peer is are no TLS to speak of. */
const ciphers = known.filter(name => !name.startsWith('TLS_') && !/NULL|ADH|AECDH|PSK|SRP/.test(name));
const suites = known.filter(name => name.startsWith('TLS_'));

const algorithms = (what: string, isKnown: (name: string) => boolean, likely: readonly string[], other = '') =>
  z
    .array(
      z.string(`expected the name of ${what}`).refine(isKnown, {
        error: issue => {
          const found = JSON.stringify(issue.input);
          const meant = nearest(String(issue.input), likely);
          return `${found} is not ${what} of this OpenSSL; ${meant === undefined ? `there are ${likely.join(', ')}${other}` : `did you mean ${meant}?`}`;
        },
      }),
      `expected a list of names`,
    )
    .min(1, 'expected at least one name');

/** Its content is checked by check-files.ts. */
export const pemFile = () => filePath('content', 'the path of a PEM file');

export const pemFiles = () =>
  z.array(pemFile(), 'expected a list of paths of PEM files').min(1, 'expected at least one file');

export const alpnProtocols = () =>
  z.array(
    z
      .string('expected the name of a protocol')
      .refine(
        name => Buffer.byteLength(name) >= 1 && Buffer.byteLength(name) <= 255,
        'expected the name of a protocol, 1 to 255 bytes',
      ),
    'expected a list of protocols, like [h2, http/1.1]',
  );

/** Without their defaults: what holds where nothing is said differs by side. */
export const protocolFields = {
  minVersion: z.enum(tlsVersions),
  maxVersion: z.enum(tlsVersions),
  ciphers: algorithms('a TLS 1.2 cipher', name => ciphers.includes(name), ciphers),
  cipherSuites: algorithms('a TLS 1.3 cipher suite', name => suites.includes(name), suites),
  groups: algorithms('a key exchange group', hasGroup, commonGroups, ' and more'),
};

export const descriptions = {
  minVersion: 'the oldest version of TLS to speak',
  maxVersion: 'the newest version of TLS to speak',
  ciphers: 'for TLS 1.2, the preferred one first, by OpenSSL’s names',
  cipherSuites: 'for TLS 1.3, the preferred one first',
  groups: 'for the key exchange, the preferred one first',
};

export function checkVersions(root: unknown, tls: ValuePath, complain: (problem: Problem) => void): void {
  const least = valueAt(root, [...tls, 'minVersion']) ?? 'TLSv1.2';
  const path = [...tls, 'maxVersion'];
  if (least === 'TLSv1.3' && valueAt(root, path) === 'TLSv1.2')
    complain({ path, message: 'expected at least minVersion, which is TLSv1.3, found TLSv1.2' });
}
