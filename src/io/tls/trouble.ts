/**
 * Why TLS failed on a connection, told the same way by both engines: a kind for metrics, and words for operators.
 */

export const troubleKinds = [
  /** The peer does not speak TLS. */
  'not_tls',
  /** No protocol version in common. */
  'version',
  /** No cipher, group or signature algorithm in common. */
  'cipher',
  /** No ALPN protocol in common. */
  'alpn',
  /** No identity for the server name. */
  'name_unknown',
  /** The certificate is for another name. */
  'name_mismatch',
  /** The certificate is signed by nobody we trust. */
  'untrusted',
  /** The certificate is out of date, or not valid yet. */
  'expired',
  'revoked',
  /** The peer has no certificate, and must. */
  'no_certificate',
  /** The peer refused what we sent: the alert says why. */
  'alert',
  /** The connection ended without close_notify. */
  'truncated',
  /** The peer left during the handshake. */
  'left',
  'timeout',
  'other',
] as const;
export type TroubleKind = (typeof troubleKinds)[number];

export interface TlsTrouble {
  readonly kind: TroubleKind;
  /** The reason in OpenSSL's words, with the alert's or the verification's name, and where there is one the likely cause after a `;`. */
  readonly text: string;
}
