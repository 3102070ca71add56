/** Trust anchors: authorities and revocation lists from files, or the authorities of the system. */
import { createHash } from 'node:crypto';
import { createSecureContext, getCACertificates } from 'node:tls';
import { nameOf, readCertificates } from './chain-files.ts';
import { derElements, derTime, Tag } from './der.ts';
import type { Expiring } from './expiry.ts';
import { pemBlocks, whatIsThere } from './pem.ts';
import type { Reading } from './reading.ts';

export interface TrustAnchors {
  readonly pem: string;
  readonly expiring: readonly Expiring[];
}

/** @returns none twice; undefined when it cannot be used: then `reading` has the problems */
export function readTrust(files: readonly string[], reading: Reading): TrustAnchors | undefined {
  const found = readCertificates(files, ['trustCerts'], reading);
  if (reading.problems.length > 0) return undefined;
  for (const { certificate, file } of found)
    if (!certificate.ca && !certificate.checkIssued(certificate))
      reading.warn(
        `${nameOf(certificate)} in ${file} is not an authority: certificates that it signed are not trusted`,
      );
  const expiring = found.map(({ certificate, file }) => ({
    what: `the authority ${nameOf(certificate)} in ${file}`,
    notAfter: certificate.validToDate.getTime(),
    fingerprint: certificate.fingerprint256,
    effect: 'certificates that it signed are no longer trusted',
    isLong: false,
  }));
  return { pem: [...new Set(found.map(({ pem }) => pem))].join(''), expiring };
}

/** @returns undefined when it cannot be used: then `reading` has the problems */
export function readRevocations(files: readonly string[], reading: Reading): TrustAnchors | undefined {
  const lists = files.flatMap((file, i) => {
    const place = ['crls', i];
    const bytes = reading.read(file, place);
    if (bytes === undefined) return [];
    const blocks = pemBlocks(bytes.toString('latin1')).filter(({ label }) => label === 'X509 CRL');
    if (blocks.length === 0) reading.complain(place, `no revocation list in ${file}: ${whatIsThere(bytes)}`);
    try {
      for (const { text } of blocks) createSecureContext({ crl: text });
    } catch {
      reading.complain(place, `the revocation list in ${file} is damaged`);
      return [];
    }
    return blocks.map(({ text }) => ({ file, text }));
  });
  if (reading.problems.length > 0) return undefined;
  return { pem: lists.map(({ text }) => text).join(''), expiring: lists.flatMap(expiryOfList) };
}

/** Source: RFC 5280, 5.1: tbsCertList has the times of this update and the next after a version, perhaps, an algorithm and a name. */
function expiryOfList({ file, text }: { readonly file: string; readonly text: string }): Expiring[] {
  const der = Buffer.from(text.replace(/-----[^-]*-----/g, ''), 'base64');
  const [list] = derElements(der);
  const [signed] = derElements(list.content);
  const times = derElements(signed.content).filter(({ tag }) => tag === Tag.utcTime || tag === Tag.time);
  if (times.length < 2) return [];
  const what = `the revocation list in ${file}`;
  const effect = 'every certificate that it covers is refused; renew the file';
  const fingerprint = createHash('sha256').update(der).digest('hex');
  return [{ what, notAfter: derTime(times[1]), fingerprint, effect, isLong: false }];
}

let system: string | undefined;

/** Read once: those of the machine or, where it has none, those that come with Node. */
export function systemTrust(): string {
  system ??= [...new Set(found())].join('\n');
  return system;
}

function found(): readonly string[] {
  const own = getCACertificates('system');
  return own.length > 0 ? own : getCACertificates('bundled');
}
