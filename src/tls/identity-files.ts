/** A certificate with its key, as files: read, checked against each other, and tried out, so that every worker can use them. */
import type { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { reasonOf } from '../errors.ts';
import type { TlsIdentity } from '../io/tls/context.ts';
import { type FileCertificate, nameOf, readCertificates } from './chain-files.ts';
import type { Expiring } from './expiry.ts';
import { type KeyFiles, readKey } from './key-file.ts';
import type { Reading } from './reading.ts';
import { readStaple } from './staple-file.ts';

export interface IdentityFiles extends KeyFiles {
  /** Leaf first. */
  readonly certs: readonly string[];
  readonly ocspStaple?: string | undefined;
}

export interface LoadedIdentity {
  readonly identity: TlsIdentity;
  readonly leaf: X509Certificate;
  /** Where the leaf is from. */
  readonly file: string;
  readonly staple: Uint8Array | null;
  /** When the first of the chain expires; milliseconds since the epoch. */
  readonly notAfter: number;
  readonly expiring: readonly Expiring[];
}

export const filesOf = ({ certs, privateKey, passphraseFile, ocspStaple }: IdentityFiles): string[] =>
  [...certs, privateKey, passphraseFile, ocspStaple].filter(file => file !== undefined);

/** @returns undefined when it cannot be used; then `reading` has the problems */
export function readIdentity(files: IdentityFiles, reading: Reading): LoadedIdentity | undefined {
  const chain = readCertificates(files.certs, ['certs'], reading);
  const key = readKey(files, reading);
  const staple = files.ocspStaple === undefined ? null : readStaple(files.ocspStaple, reading);
  if (reading.problems.length > 0 || key === undefined || staple === undefined) return undefined;
  const [leaf] = chain;
  if (!leaf.certificate.checkPrivateKey(key)) {
    const other = chain.findIndex(({ certificate }) => certificate.checkPrivateKey(key));
    reading.complain(
      ['privateKey'],
      `the key in ${files.privateKey} does not belong to the certificate in ${leaf.file}` +
        (other > 0 ? `, but to certificate ${other + 1} of certs; it must come first` : ''),
    );
    return undefined;
  }
  const identity = {
    chain: chain.map(({ pem }) => pem).join(''),
    key: key.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
  try {
    createSecureContext({ cert: identity.chain, key: identity.key });
  } catch (error) {
    reading.complain(['certs'], `OpenSSL refuses the certificate in ${leaf.file}: ${reasonOf(error)}`);
    return undefined;
  }
  warnOfOrder(chain, reading);
  const first = expiryOf(chain);
  return {
    identity,
    leaf: leaf.certificate,
    file: leaf.file,
    staple: staple?.der ?? null,
    notAfter: first.notAfter,
    expiring: [first, ...(staple?.expiring ?? [])],
  };
}

function warnOfOrder(chain: readonly FileCertificate[], reading: Reading): void {
  for (const [i, { certificate, file }] of chain.entries()) {
    const above = chain[i + 1]?.certificate;
    if (above === undefined || certificate.checkIssued(above)) continue;
    reading.warn(
      `certificate ${i + 2} of the chain in ${[...new Set([file, chain[i + 1].file])].join(' and ')} (${nameOf(above)}) has not ` +
        `issued the one before it (${nameOf(certificate)}); peers may not be able to verify the chain`,
    );
  }
}

function expiryOf(chain: readonly FileCertificate[]): Expiring {
  const [{ certificate, file }] = chain.toSorted((a, b) => notAfter(a) - notAfter(b));
  return {
    what: `the certificate ${nameOf(certificate)} in ${file}`,
    notAfter: certificate.validToDate.getTime(),
    fingerprint: certificate.fingerprint256,
    effect: 'peers that verify it refuse it',
    isLong: true,
  };
}

const notAfter = ({ certificate }: FileCertificate): number => certificate.validToDate.getTime();
