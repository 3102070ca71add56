/** Linkerd's `tls` keys of a client, and what they mean to node's TLS. */

import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, createSecureContext, type SecureVersion } from 'node:tls';
import { z } from 'zod';
import { filePath } from '../config/file-fields.ts';
import { LinkerdTcpError, reasonOf } from '../errors.ts';

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
        certPath: filePath().meta({ description: 'PEM file with the certificate we show' }),
        keyPath: filePath().meta({ description: 'PEM file with its private key' }),
        intermediateCertsPath: filePath().optional().meta({ description: 'PEM file with the chain above it' }),
      })
      .optional()
      .meta({ description: 'the certificate we show to the server' }),
    protocols: z.array(z.enum(versions)).min(1).optional().meta({ description: 'the versions of TLS to offer' }),
  })
  .refine(tls => !(tls.trustCerts && tls.trustCertsBundle), {
    message: 'give trustCerts or trustCertsBundle, not both',
    path: ['trustCertsBundle'],
  })
  .refine(tls => !(tls.disableValidation && tls.clientAuth), {
    message: 'would show our certificate to a server that nobody checked (disableValidation is true)',
    path: ['clientAuth'],
  });

export type TlsConfig = z.output<typeof clientTls>;

/**
 * Undefined where TLS is not wanted. What the files have is looked at once, now.
 *
 * @param user whose TLS it is, for messages
 * @throws LinkerdTcpError CONFIG_UNREADABLE, TLS_UNUSABLE
 */
export function readyTls(tls: TlsConfig | undefined, user: string): ConnectionOptions | undefined {
  if (tls === undefined || tls.enabled === false) return undefined;
  const options = connectionOptions(tls);
  try {
    return { ...options, secureContext: createSecureContext(options) };
  } catch (error) {
    const reason = `the PEM files of ${user}: ${reasonOf(error)}`;
    throw new LinkerdTcpError('TLS_UNUSABLE', { reason }, { cause: error });
  }
}

/** Reads the files that `tls` names. @throws LinkerdTcpError CONFIG_UNREADABLE */
export function connectionOptions(tls: TlsConfig): ConnectionOptions {
  const { commonName, clientAuth, protocols } = tls;
  const trusted = tls.trustCertsBundle === undefined ? tls.trustCerts : [tls.trustCertsBundle];
  const offered = versions.filter(version => protocols?.includes(version));
  return {
    rejectUnauthorized: !tls.disableValidation,
    ...(trusted && { ca: trusted.map(read) }),
    ...(commonName && {
      // An address is not sent as a server name, but it is checked.
      ...(isIP(commonName) === 0 && { servername: commonName }),
      checkServerIdentity: (_host, certificate) => checkServerIdentity(commonName, certificate),
    }),
    ...(clientAuth && {
      cert: [clientAuth.certPath, clientAuth.intermediateCertsPath]
        .flatMap(file => (file ? read(file) : []))
        .join('\n'),
      key: read(clientAuth.keyPath),
    }),
    ...(offered.length > 0 && { minVersion: offered[0], maxVersion: offered.at(-1) }),
  };
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new LinkerdTcpError('CONFIG_UNREADABLE', { file, reason: reasonOf(error) }, { cause: error });
  }
}
