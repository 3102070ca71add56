/** Linkerd's `tls` keys of a client, and what they mean to node's TLS. */

import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, type SecureVersion } from 'node:tls';
import { z } from 'zod';
import { filePath } from '../config/file-fields.ts';
import { fileReason, LinkerdTcpError } from '../errors.ts';

const versions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const satisfies readonly SecureVersion[];

export const clientTls = z
  .strictObject({
    enabled: z.boolean().optional().meta({ description: '`false` turns TLS off and leaves the other keys unused' }),
    commonName: z
      .string()
      .min(1)
      .optional()
      .meta({ description: "the name that the server's certificate must be for" }),
    disableValidation: z.boolean().default(false).meta({ description: 'accept any certificate; for tests' }),
    trustCerts: z
      .array(filePath())
      .min(1)
      .optional()
      .meta({ description: "PEM files of the authorities to trust, instead of the system's well-known ones" }),
    trustCertsBundle: filePath().optional().meta({ description: 'one PEM file with all of them' }),
    clientAuth: z
      .strictObject({
        certPath: filePath().meta({ description: 'PEM file with the certificate to present' }),
        keyPath: filePath().meta({ description: 'PEM file with its private key' }),
        intermediateCertsPath: filePath().optional().meta({ description: 'PEM file with the chain above it' }),
      })
      .optional()
      .meta({ description: 'the certificate to present to the server' }),
    protocols: z.array(z.enum(versions)).min(1).optional().meta({ description: 'the versions of TLS to offer' }),
  })
  .refine(tls => !(tls.trustCerts && tls.trustCertsBundle), {
    message: 'give trustCerts or trustCertsBundle, not both',
    path: ['trustCertsBundle'],
  })
  .refine(tls => !(tls.disableValidation && tls.clientAuth), {
    message: 'would present a certificate to a server that is not verified (disableValidation is true)',
    path: ['clientAuth'],
  });

export type TlsConfig = z.output<typeof clientTls>;

/** PEM of what files hold. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export function connectionOptions(tls: TlsConfig, material: TlsMaterial): ConnectionOptions {
  const { commonName, protocols } = tls;
  const offered = versions.filter(version => protocols?.includes(version));
  return {
    rejectUnauthorized: !tls.disableValidation,
    ...material,
    ...(commonName && {
      // An address is not sent as a server name, but it is checked.
      ...(isIP(commonName) === 0 && { servername: commonName }),
      checkServerIdentity: (_host, certificate) => checkServerIdentity(commonName, certificate),
    }),
    ...(offered.length > 0 && { minVersion: offered[0], maxVersion: offered.at(-1) }),
  };
}

/** Undefined where the authorities of the system are trusted. */
export const trustFilesOf = ({ trustCerts, trustCertsBundle }: TlsConfig): readonly string[] | undefined =>
  trustCertsBundle === undefined ? trustCerts : [trustCertsBundle];

/** Reads the files that `tls` names, once. @throws LinkerdTcpError CONFIG_UNREADABLE */
export function readMaterial(tls: TlsConfig): TlsMaterial {
  const { clientAuth } = tls;
  const trusted = trustFilesOf(tls);
  return {
    ...(trusted && { ca: trusted.map(read).join('\n') }),
    ...(clientAuth && {
      cert: [clientAuth.certPath, clientAuth.intermediateCertsPath]
        .flatMap(file => (file ? read(file) : []))
        .join('\n'),
      key: read(clientAuth.keyPath),
    }),
  };
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new LinkerdTcpError('CONFIG_UNREADABLE', { file, reason: fileReason(error) }, { cause: error });
  }
}
