/** The `tls` of one of namerd's interfaces, with its files read. */
import { readFileSync } from 'node:fs';
import type { TlsOptions } from 'node:tls';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import type { HttpControllerConfig } from '../config/namerd-config.ts';

/** @throws LinkerdTcpError CONFIG_UNREADABLE */
export function serverTlsOptions(tls: NonNullable<HttpControllerConfig['tls']>): TlsOptions {
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
