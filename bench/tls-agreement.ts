/**
 * The parameters that every TLS connection of the benchmark must negotiate, so that all proxies do the same work: TLS 1.3, AES-128-GCM,
 * X25519 and a certificate with a P-256 key.
 */
import { readFileSync } from 'node:fs';
import tls from 'node:tls';
import { createAuthority } from '../test/support/certificates.ts';
import type { Scope } from '../test/support/scope.ts';

export const cipherSuite = 'TLS_AES_128_GCM_SHA256';
export const group = 'X25519';
export const serverName = 'bench.example';

/** Files of what the proxies show, and of what their clients trust. */
export interface Identity {
  readonly certFile: string;
  readonly keyFile: string;
  readonly authorityFile: string;
}

export function createIdentity(scope: Scope): Identity {
  const authority = createAuthority(scope, 'Benchmark');
  const { certFile, keyFile } = authority.issue({ names: [serverName], key: 'ec' });
  return { certFile, keyFile, authorityFile: authority.file };
}

/** Options of `tls.connect` but for the session; the context is made once, as it takes longer than a handshake. */
export function clientOptions(port: number, authorityFile: string): tls.ConnectionOptions {
  const secureContext = tls.createSecureContext({
    ca: readFileSync(authorityFile),
    minVersion: 'TLSv1.3',
    ciphers: cipherSuite,
    ecdhCurve: group,
  });
  return { port, host: '127.0.0.1', servername: serverName, secureContext };
}

/** @throws Error when the connection has not agreed on what is measured */
export function checkAgreement(socket: tls.TLSSocket, { resumed }: { readonly resumed: boolean }): void {
  const { name: cipher } = socket.getCipher();
  const { name: exchange } = socket.getEphemeralKeyInfo() as tls.EphemeralKeyInfo;
  if (cipher !== cipherSuite || exchange !== group) throw new Error(`agreed on ${cipher} and ${exchange}`);
  if (socket.isSessionReused() === resumed) return;
  throw new Error(resumed ? 'a full handshake instead of a resumed one' : 'a resumed handshake instead of a full one');
}
