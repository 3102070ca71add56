/**
 * Why TLS failed on a connection, reported the same way by both engines: a kind for metrics, and words for operators.
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
  /** No trusted authority has signed the certificate. */
  'untrusted',
  /** The certificate is out of date, or not valid yet. */
  'expired',
  'revoked',
  /** The peer has no certificate, and must. */
  'no_certificate',
  /** The peer refused the handshake: its alert has the reason. */
  'alert',
  /** The connection ended without close_notify. */
  'truncated',
  /** The peer left during the handshake. */
  'left',
  /** The peer asked for another handshake on the same connection. */
  'renegotiation',
  /** The peer keeps sending TLS messages without any data in between. */
  'flood',
  'timeout',
  'other',
] as const;
export type TroubleKind = (typeof troubleKinds)[number];

export interface TlsTrouble {
  readonly kind: TroubleKind;
  /** The reason in OpenSSL's words, with the alert's or the verification's name, and the likely cause, if known, after a `;`. */
  readonly text: string;
}

/** The role of linkerd-tcp on the connection that failed. */
export type TlsRole = 'server' | 'client';

interface Cause {
  readonly kind: TroubleKind;
  /** Likely cause and next step; a pair where it depends on the role of linkerd-tcp: the server's first. */
  readonly advice?: string | readonly [asServer: string, asClient: string];
}

/**
 * @param reason OpenSSL's reason string: 'no shared cipher', 'tlsv1 alert unknown ca'
 * @param verification Node's name of the X.509 verification error, 'CERT_HAS_EXPIRED'; '' where it was not verification that failed
 */
export function opensslTrouble(role: TlsRole, reason: string, verification: string): TlsTrouble {
  const { kind, advice } =
    (verification === '' ? undefined : (byVerification.get(verification) ?? otherVerification)) ??
    byReason.get(reason) ??
    alertCause(reason) ??
    otherCause;
  const chosen = typeof advice === 'string' ? advice : advice?.[role === 'server' ? 0 : 1];
  const what = verification === '' ? reason : `${reason} (${verification})`;
  return { kind, text: chosen === undefined ? what : `${what}; ${chosen}` };
}

const otherCause: Cause = { kind: 'other' };
const otherVerification: Cause = {
  kind: 'untrusted',
  advice: ['the client’s certificate is not acceptable', 'the endpoint’s certificate is not acceptable'],
};

const notTls: Cause = {
  kind: 'not_tls',
  advice: [
    'the client does not speak TLS: is this the right port for it?',
    'the endpoint does not speak TLS: is its port right, or should the tls of this client be removed?',
  ],
};
const noVersion: Cause = {
  kind: 'version',
  advice: [
    'the client has no protocol version that this server allows',
    'the endpoint has no protocol version that this client allows',
  ],
};
const noCipher: Cause = {
  kind: 'cipher',
  advice: [
    'the client offers no cipher, group or signature algorithm that this server has, or none that suits its certificate’s key',
    'the endpoint has chosen no cipher, group or signature algorithm that this client offers',
  ],
};
const noProtocol: Cause = {
  kind: 'alpn',
  advice: [
    'none of the application protocols of the client is among those of this server',
    'none of the application protocols of this client is among those of the endpoint',
  ],
};
const weakKey: Cause = { kind: 'cipher', advice: 'a key or signature in the chain is weaker than OpenSSL allows' };
const noCertificate: Cause = {
  kind: 'no_certificate',
  advice: [
    'the client has sent no certificate: it needs one that this server trusts',
    'the endpoint has no certificate',
  ],
};
const brokenRecord: Cause = {
  kind: 'other',
  advice: 'the bytes were changed on their way, or the peer makes a mistake',
};

/** A renegotiation would cost a handshake each time, as often as the peer likes: it ends the connection. */
export const renegotiation: TlsTrouble = {
  kind: 'renegotiation',
  text: 'the peer asked to renegotiate, which is not supported; let it use TLS 1.3, or open a new connection',
};
/** Key updates and the like cost CPU and no data limits them. */
export const flood: TlsTrouble = {
  kind: 'flood',
  text: 'the peer sent many TLS messages in a row without data (key updates, for example)',
};

const byReason: ReadonlyMap<string, Cause> = new Map<string, Cause>([
  ['wrong version number', notTls],
  ['http request', notTls],
  ['https proxy request', notTls],
  ['unknown protocol', notTls],
  ['packet length too long', notTls],
  ['bad record type', notTls],
  ['unsupported protocol', noVersion],
  ['wrong ssl version', noVersion],
  ['unknown ssl version', noVersion],
  ['unsupported ssl version', noVersion],
  ['bad protocol version number', noVersion],
  ['no protocols available', noVersion],
  ['version too low', noVersion],
  ['version too high', noVersion],
  ['inappropriate fallback', noVersion],
  ['no shared cipher', noCipher],
  ['no ciphers available', noCipher],
  ['wrong cipher returned', noCipher],
  ['unknown cipher returned', noCipher],
  ['no shared group', noCipher],
  ['no shared groups', noCipher],
  ['no suitable groups', noCipher],
  ['no suitable key share', noCipher],
  ['bad key share', noCipher],
  ['wrong curve', noCipher],
  ['unsupported elliptic curve', noCipher],
  ['no shared signature algorithms', noCipher],
  ['no suitable signature algorithm', noCipher],
  ['no suitable digest algorithm', noCipher],
  ['legacy sigalg disallowed or unsupported', noCipher],
  ['wrong signature type', noCipher],
  ['insufficient security', noCipher],
  ['dh key too small', weakKey],
  ['ee key too small', weakKey],
  ['ca key too small', weakKey],
  ['ca md too weak', weakKey],
  ['no application protocol', noProtocol],
  ['peer did not return a certificate', noCertificate],
  ['no certificates returned', noCertificate],
  [
    'certificate verify failed',
    {
      kind: 'untrusted',
      advice: ['the client’s certificate is not acceptable', 'the endpoint’s certificate is not acceptable'],
    },
  ],
  [
    'unexpected eof while reading',
    { kind: 'truncated', advice: 'the connection ended without close_notify, so something may be missing' },
  ],
  ['no renegotiation', { kind: 'other', advice: 'the peer wants to renegotiate, which is not done here' }],
  [
    'unsafe legacy renegotiation disabled',
    { kind: 'other', advice: 'the peer lacks RFC 5746, secure renegotiation: it needs a newer TLS library' },
  ],
  ['decryption failed or bad record mac', brokenRecord],
  ['digest check failed', brokenRecord],
  ['bad signature', brokenRecord],
]);

/** By what is left of the reason without 'sslv3', 'ssl/tls', 'tlsv1', 'tlsv13' and 'alert', which depend on OpenSSL's version. */
function alertCause(reason: string): Cause | undefined {
  const match = /^(?:sslv3|ssl\/tls|tlsv1|tlsv13) (?:alert )?(.+)$/.exec(reason);
  return match ? (byAlert.get(match[1]) ?? { kind: 'alert' }) : undefined;
}

const refusedCertificate: readonly [string, string] = [
  'the client does not accept our certificate',
  'the endpoint does not accept our certificate',
];

const byAlert: ReadonlyMap<string, Cause> = new Map<string, Cause>([
  ['protocol version', noVersion],
  ['inappropriate fallback', noVersion],
  ['no application protocol', noProtocol],
  [
    'unrecognized name',
    {
      kind: 'name_unknown',
      advice: ['the client knows no such name', 'the endpoint has no certificate for the name we asked for'],
    },
  ],
  [
    'handshake failure',
    {
      kind: 'alert',
      advice: [
        'the client can do with none of what this server has chosen',
        'the endpoint shares no cipher or group with us, or wants a certificate of ours',
      ],
    },
  ],
  ['insufficient security', { kind: 'alert', advice: 'the peer asks for stronger ciphers or groups than ours' }],
  [
    'unknown ca',
    {
      kind: 'alert',
      advice: [
        'the client does not trust the authority of our certificate',
        'the endpoint does not trust the authority of our certificate',
      ],
    },
  ],
  ['bad certificate', { kind: 'alert', advice: refusedCertificate }],
  ['certificate unknown', { kind: 'alert', advice: refusedCertificate }],
  ['unsupported certificate', { kind: 'alert', advice: refusedCertificate }],
  ['access denied', { kind: 'alert', advice: refusedCertificate }],
  [
    'certificate expired',
    { kind: 'alert', advice: 'our certificate is out of date, or the peer’s clock is wrong: renew it' },
  ],
  ['certificate revoked', { kind: 'alert', advice: 'our certificate is revoked: get another one' }],
  [
    'certificate required',
    {
      kind: 'alert',
      advice: [
        'the client wants a certificate',
        'the endpoint wants a certificate of ours: give this client’s tls a certificate and key',
      ],
    },
  ],
  [
    'decrypt error',
    { kind: 'alert', advice: 'the peer could not verify a signature: does our key belong to our certificate?' },
  ],
  ['internal error', { kind: 'alert', advice: 'the peer’s own log may say more' }],
]);

/** Advice about the peer's certificate, by role. */
const theirs = (advice: string): readonly [string, string] => [`the client’s ${advice}`, `the endpoint’s ${advice}`];

const unknownAuthority: Cause = {
  kind: 'untrusted',
  advice: theirs('certificate is signed by no authority that is trusted here, or comes without an intermediate one'),
};
const badSignature: Cause = { kind: 'untrusted', advice: theirs('certificate does not bear a valid signature') };
const badAuthority: Cause = { kind: 'untrusted', advice: theirs('certificate is signed by one that is no authority') };
const staleList: Cause = {
  kind: 'untrusted',
  advice: 'a certificate revocation list is out of date, or not valid yet: fetch it anew',
};
const brokenList: Cause = {
  kind: 'untrusted',
  advice: 'a certificate revocation list does not bear a valid signature',
};
const otherName: Cause = {
  kind: 'name_mismatch',
  advice: theirs('certificate is for another name: is the right name looked for, and is this the right endpoint?'),
};

const byVerification: ReadonlyMap<string, Cause> = new Map<string, Cause>([
  ['UNABLE_TO_GET_ISSUER_CERT', unknownAuthority],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', unknownAuthority],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', unknownAuthority],
  ['CERT_UNTRUSTED', unknownAuthority],
  ['CERT_REJECTED', unknownAuthority],
  [
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    {
      kind: 'untrusted',
      advice: theirs('certificate is signed by itself: trust that very certificate, or replace it'),
    },
  ],
  [
    'SELF_SIGNED_CERT_IN_CHAIN',
    { kind: 'untrusted', advice: theirs('authority, at the top of its chain, is not trusted here') },
  ],
  ['CERT_HAS_EXPIRED', { kind: 'expired', advice: theirs('certificate, or one above it, is out of date') }],
  [
    'CERT_NOT_YET_VALID',
    { kind: 'expired', advice: theirs('certificate is not valid yet: is the clock of this machine right?') },
  ],
  ['CERT_REVOKED', { kind: 'revoked', advice: theirs('certificate is on the revocation list of its authority') }],
  [
    'UNABLE_TO_GET_CRL',
    { kind: 'untrusted', advice: 'there is no certificate revocation list of one of the authorities in the chain' },
  ],
  [
    'UNABLE_TO_GET_CRL_ISSUER',
    { kind: 'untrusted', advice: 'who signed a certificate revocation list is not known here' },
  ],
  ['CRL_HAS_EXPIRED', staleList],
  ['CRL_NOT_YET_VALID', staleList],
  ['CRL_SIGNATURE_FAILURE', brokenList],
  ['UNABLE_TO_DECRYPT_CRL_SIGNATURE', brokenList],
  ['CERT_SIGNATURE_FAILURE', badSignature],
  ['UNABLE_TO_DECRYPT_CERT_SIGNATURE', badSignature],
  ['INVALID_CA', badAuthority],
  ['PATH_LENGTH_EXCEEDED', badAuthority],
  ['CERT_CHAIN_TOO_LONG', badAuthority],
  [
    'INVALID_PURPOSE',
    {
      kind: 'untrusted',
      advice: ['the client’s certificate is not for clients', 'the endpoint’s certificate is not for servers'],
    },
  ],
  ['HOSTNAME_MISMATCH', otherName],
  ['IP_ADDRESS_MISMATCH', otherName],
  ['ERR_TLS_CERT_ALTNAME_INVALID', otherName],
]);
