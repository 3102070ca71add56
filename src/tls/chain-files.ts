/** Certificates in PEM files: the chain a peer is shown, and the authorities that are trusted. */
import { X509Certificate } from 'node:crypto';
import type { ValuePath } from '../config/document.ts';
import { pemBlocks, whatIsThere } from './pem.ts';
import type { Reading } from './reading.ts';

export interface FileCertificate {
  readonly certificate: X509Certificate;
  readonly pem: string;
  readonly file: string;
}

const labels = new Set(['CERTIFICATE', 'X509 CERTIFICATE', 'TRUSTED CERTIFICATE']);

/** All certificates of all files, in their order. Complains about each file that has none. */
export function readCertificates(files: readonly string[], place: ValuePath, reading: Reading): FileCertificate[] {
  return files.flatMap((file, i) => {
    const bytes = reading.read(file, [...place, i]);
    if (bytes === undefined) return [];
    const blocks = pemBlocks(bytes.toString('latin1')).filter(({ label }) => labels.has(label));
    if (blocks.length === 0) reading.complain([...place, i], `no certificate in ${file}: ${whatIsThere(bytes)}`);
    return blocks.flatMap(({ text }, n) => {
      try {
        const certificate = new X509Certificate(text);
        return [{ certificate, pem: certificate.toString(), file }];
      } catch {
        const which = blocks.length === 1 ? 'the certificate' : `certificate ${n + 1}`;
        reading.complain([...place, i], `${which} in ${file} is damaged`);
        return [];
      }
    });
  });
}

/** How to call it in a message: what it is for, else whose it is. */
export function nameOf({ subject, subjectAltName }: X509Certificate): string {
  const common = /^CN=(.*)$/m.exec(subject ?? '')?.[1];
  const alternative = subjectAltName?.split(', ')[0].replace(/^[^:]*:/, '');
  return common ?? alternative ?? ((subject ?? '').replaceAll('\n', ', ') || 'without a name');
}
