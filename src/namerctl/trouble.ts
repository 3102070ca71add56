/** Network failures in the words of an operator, with advice if there is any. */
import { networkReason } from '../errors.ts';

interface Trouble {
  readonly reason: string;
  readonly advice?: string;
}

const cut = 'the connection was cut';

const troubles: readonly (readonly [RegExp, string, string?])[] = [
  [/ECONNREFUSED/, 'connection refused'],
  [/ENOTFOUND/, 'no such host'],
  [/EAI_AGAIN/, 'the name server does not answer'],
  [
    /SELF_SIGNED_CERT|UNABLE_TO_(?:VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT)/,
    'no authority we trust has signed its certificate',
    'Name the authority with --tls-ca, NAMERCTL_TLS_CA, or tls-ca in .namerctl.yaml.',
  ],
  [/CERT_HAS_EXPIRED/, 'its certificate has expired', 'Whoever runs namerd has to renew it.'],
  [/CERT_NOT_YET_VALID/, 'its certificate is not valid yet', 'Look at the clocks, here and there.'],
  [/ERR_TLS_CERT_ALTNAME_INVALID/, 'its certificate is for another name', 'Is the base URL the one it is for?'],
  [/WRONG_VERSION_NUMBER/, 'it does not speak TLS', 'Is it http, not https?'],
  [/ECONNRESET|UND_ERR_SOCKET|other side closed|CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE/, cut],
];

/** @param isAnonymous over TLS without a client certificate: TLS 1.3 fails like this if the server requires one */
export function troubleOf(error: unknown, isAnonymous: boolean): Trouble {
  const { code } = error as { code?: unknown };
  const text = networkReason(error);
  const row = troubles.find(([pattern]) => pattern.test(String(code)) || pattern.test(text));
  if (row === undefined) return { reason: text };
  const [, reason, known] = row;
  const advice = reason === cut && isAnonymous ? 'Perhaps it wants a certificate: --tls-cert, --tls-key.' : known;
  return advice === undefined ? { reason } : { reason, advice };
}
