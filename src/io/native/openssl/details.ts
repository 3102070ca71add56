/** The parameters a handshake has agreed on, read from OpenSSL when it is done. */
import type { TlsDetails } from '../../tls/engine.ts';
import { mapMemory, pointerOf } from '../kernel/memory.ts';
import type { OpensslContext } from './context.ts';
import { bytesAt, nullPointer, openssl, textAt } from './library.ts';

/** Where OpenSSL puts a pointer and a length. */
const cell = mapMemory(16);
const cellPointers = new BigUint64Array(cell.buffer);
const cellInts = new Uint32Array(cell.buffer);

/** As they are written where they are configured. */
const groupNames: ReadonlyMap<string, string> = new Map([
  ['secp256r1', 'P-256'],
  ['secp384r1', 'P-384'],
  ['secp521r1', 'P-521'],
  ['x25519', 'X25519'],
  ['x448', 'X448'],
]);

export function readDetails(ssl: bigint, context: OpensslContext): TlsDetails {
  const group = textAt(openssl.SSL_get0_group_name(ssl));
  return {
    version: textAt(openssl.SSL_get_version(ssl)),
    cipher: textAt(openssl.SSL_CIPHER_get_name(openssl.SSL_get_current_cipher(ssl))),
    group: groupNames.get(group) ?? group,
    resumed: openssl.SSL_session_reused(ssl) === 1,
    protocol: context.protocols ? protocolOf(ssl) : '',
    peerCertificate: context.verifies ? verifiedCertificate(ssl) : null,
  };
}

function protocolOf(ssl: bigint): string {
  openssl.SSL_get0_alpn_selected(ssl, cell.pointer, cell.pointer + 8n);
  const [pointer] = cellPointers;
  return pointer === nullPointer ? '' : Buffer.from(bytesAt(pointer, cellInts[2])).toString('latin1');
}

function verifiedCertificate(ssl: bigint): Uint8Array | null {
  const certificate = openssl.SSL_get0_peer_certificate(ssl);
  if (certificate === nullPointer || openssl.SSL_get_verify_result(ssl) !== 0n) return null;
  // The memory of an ArrayBuffer never moves.
  const der = new Uint8Array(new ArrayBuffer(openssl.i2d_X509(certificate, nullPointer)));
  cellPointers[0] = pointerOf(der);
  openssl.i2d_X509(certificate, cell.pointer);
  return der;
}
