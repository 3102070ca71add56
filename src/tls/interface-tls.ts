/** `tls` of one of namerd's interfaces: its schema, and the options of node:tls that its files make. */
import { readFileSync } from 'node:fs';
import { createSecureContext, type TlsOptions } from 'node:tls';
import { z } from 'zod';
import type { ValuePath } from '../config/document.ts';
import { filePath } from '../config/file-fields.ts';
import type { Problem } from '../config/problem.ts';
import { LinkerdTcpError, reasonOf } from '../errors.ts';
import { Reading } from './reading.ts';

const file = (what: string) => filePath('content', 'the path of a PEM file').meta({ description: what });

export const interfaceTls = z
  .strictObject({
    certPath: file('PEM file with the certificate'),
    keyPath: file('PEM file with its private key'),
    intermediateCertsPath: file('PEM file with the chain above the certificate').optional(),
    caCertPath: file('PEM file with the authorities that certificates of clients are checked against').optional(),
    requireClientAuth: z
      .boolean()
      .default(false)
      .meta({ description: 'refuse clients without a certificate of one of these authorities' }),
    ciphers: z
      .array(z.string())
      .min(1)
      .optional()
      .meta({ description: 'cipher suites to offer, by the names of OpenSSL' }),
  })
  .refine(tls => !tls.requireClientAuth || tls.caCertPath !== undefined, {
    message: 'needs caCertPath: whose certificates are good',
    path: ['requireClientAuth'],
  });

export type InterfaceTlsConfig = z.output<typeof interfaceTls>;

/** Reads the files and tries them together, so that what is wrong stands in the report of the configuration. */
export function checkInterfaceTls(value: unknown, path: ValuePath, complain: (problem: Problem) => void): void {
  const tls = interfaceTls.safeParse(value);
  if (!tls.success) return;
  const reading = new Reading();
  for (const key of ['certPath', 'keyPath', 'intermediateCertsPath', 'caCertPath'] as const) {
    const file = tls.data[key];
    if (file !== undefined) reading.read(file, [key]);
  }
  for (const { place, message } of reading.problems) complain({ path: [...path, ...place], message });
  if (reading.problems.length > 0) return;
  try {
    createSecureContext(serverTlsOptions(tls.data));
  } catch (error) {
    complain({ path, onKey: true, message: `these files cannot be used together: ${opensslReason(error)}` });
  }
}

/** Without OpenSSL's number and library: `error:05800074:x509 certificate routines::key values mismatch`. */
const opensslReason = (error: unknown): string => reasonOf(error).replace(/^error:[\dA-F]+:[^:]*:[^:]*:/, '');

/** @throws LinkerdTcpError CONFIG_UNREADABLE */
export function serverTlsOptions(tls: InterfaceTlsConfig): TlsOptions {
  const { certPath, keyPath, intermediateCertsPath, caCertPath, requireClientAuth, ciphers } = tls;
  return {
    cert: [certPath, intermediateCertsPath].flatMap(file => (file ? read(file) : [])).join('\n'),
    key: read(keyPath),
    ...(caCertPath && { ca: read(caCertPath) }),
    ...(requireClientAuth && { requestCert: true, rejectUnauthorized: true }),
    ...(ciphers && { ciphers: ciphers.join(':') }),
  };
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new LinkerdTcpError('CONFIG_UNREADABLE', { file, reason: reasonOf(error) }, { cause: error });
  }
}
