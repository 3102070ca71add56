/** `tls` of one of namerd's interfaces: its schema, and the options of node:tls that its files make. */
import { readFileSync } from 'node:fs';
import type { TlsOptions } from 'node:tls';
import { z } from 'zod';
import { nonEmpty } from '../config/fields.ts';
import { LinkerdTcpError, reasonOf } from '../errors.ts';

const file = (what: string) => nonEmpty('the path of a PEM file').meta({ description: what });

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
