/** The messages for operators when TLS fails. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { opensslTrouble, type TlsRole, type TroubleKind } from '../../../src/io/tls/trouble.ts';

const cases: readonly [TlsRole, string, string, TroubleKind, RegExp][] = [
  ['client', 'wrong version number', '', 'not_tls', /; the endpoint does not speak TLS: is its port right/],
  ['server', 'http request', '', 'not_tls', /; the client does not speak TLS/],
  ['server', 'unsupported protocol', '', 'version', /; the client has no protocol version/],
  ['client', 'tlsv1 alert protocol version', '', 'version', /; the endpoint has no protocol version/],
  ['server', 'no shared cipher', '', 'cipher', /; the client offers no cipher/],
  ['client', 'no suitable key share', '', 'cipher', /; the endpoint has chosen/],
  ['server', 'no application protocol', '', 'alpn', /; none of the application protocols of the client/],
  ['client', 'tlsv1 alert no application protocol', '', 'alpn', /; none of the application protocols of this client/],
  ['client', 'tlsv1 unrecognized name', '', 'name_unknown', /; the endpoint has no certificate for the name/],
  ['server', 'peer did not return a certificate', '', 'no_certificate', /; the client has sent no certificate/],
  ['server', 'tlsv1 alert unknown ca', '', 'alert', /; the client does not trust the authority of our certificate/],
  ['client', 'tlsv13 alert certificate required', '', 'alert', /; the endpoint wants a certificate of ours/],
  ['server', 'sslv3 alert user cancelled', '', 'alert', /^sslv3 alert user cancelled$/],
  ['client', 'unexpected eof while reading', '', 'truncated', /; the connection ended without close_notify/],
  [
    'client',
    'certificate verify failed',
    'CERT_HAS_EXPIRED',
    'expired',
    /; the endpoint’s certificate, or one above it/,
  ],
  [
    'server',
    'certificate verify failed',
    'CERT_NOT_YET_VALID',
    'expired',
    /; the client’s certificate is not valid yet/,
  ],
  [
    'client',
    'certificate verify failed',
    'CERT_REVOKED',
    'revoked',
    /; the endpoint’s certificate is on the revocation/,
  ],
  [
    'client',
    'certificate verify failed',
    'UNABLE_TO_GET_CRL',
    'untrusted',
    /; there is no certificate revocation list/,
  ],
  ['server', 'certificate verify failed', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'untrusted', /; the client’s certificate/],
  ['client', 'certificate verify failed', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'untrusted', /; the endpoint’s .* by itself/],
  ['client', 'certificate verify failed', 'HOSTNAME_MISMATCH', 'name_mismatch', /; the endpoint’s .* another name/],
  ['client', 'certificate verify failed', 'IP_ADDRESS_MISMATCH', 'name_mismatch', /another name/],
  ['client', 'certificate verify failed', 'ERR_TLS_CERT_ALTNAME_INVALID', 'name_mismatch', /another name/],
  ['server', 'certificate verify failed', 'OUT_OF_MEM', 'untrusted', /; the client’s certificate is not acceptable/],
  ['server', 'library bug', '', 'other', /^library bug$/],
];

for (const [role, reason, verification, kind, text] of cases) {
  const what = verification === '' ? reason : `${reason} by ${verification}`;
  test(`${what} as ${role} is ${kind}`, () => {
    const trouble = opensslTrouble(role, reason, verification);
    assert.equal(trouble.kind, kind);
    assert.match(trouble.text, text);
  });
}

test('the text begins with the words of OpenSSL, and the name of what failed', () => {
  assert.ok(opensslTrouble('client', 'no shared cipher', '').text.startsWith('no shared cipher; '));
  assert.ok(
    opensslTrouble('client', 'certificate verify failed', 'CERT_REVOKED').text.startsWith(
      'certificate verify failed (CERT_REVOKED); ',
    ),
  );
});

test('an alert is understood under the names all versions of OpenSSL have for it', () => {
  const texts = ['sslv3', 'ssl/tls'].map(prefix => opensslTrouble('client', `${prefix} alert handshake failure`, ''));
  for (const { kind, text } of texts) {
    assert.equal(kind, 'alert');
    assert.match(text, /; the endpoint shares no cipher or group with us, or wants a certificate/);
  }
});
