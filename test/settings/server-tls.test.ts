/** `tls` of a server: defaults, and each mistake at its place. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { LinkerdTcpError } from '../../src/errors.ts';
import { kinds } from '../../src/settings/linkerd-tcp/kinds.ts';
import { loadLinkerdTcp } from '../../src/settings/linkerd-tcp/load.ts';
import { createAuthority } from '../support/certificates.ts';
import { tempDir } from '../support/temp-dir.ts';

const dir = tempDir({ after });
const authority = createAuthority({ after });
const issued = authority.issue({ names: ['a.test'] });
dir.write('cert.pem', issued.chain);
dir.write('key.pem', issued.key);
dir.write('other.pem', authority.issue().key);
dir.write('ca.pem', authority.certificate);

const file = `${dir.path}/edge.yml`;
const load = (keys: string) =>
  loadLinkerdTcp(
    { file, text: `routers:\n- label: a\n  servers:\n  - port: 1\n    dstName: /svc/a\n    tls: {${keys}}\n` },
    kinds,
  ).routers[0].servers[0].tls!;

/** `line:column path: message`, the path without what all have in common. */
function problemsOf(keys: string): string[] {
  try {
    load(keys);
  } catch (error) {
    assert.ok(error instanceof LinkerdTcpError, String(error));
    return error.message
      .split('\n')
      .slice(1, -1)
      .map(line =>
        line.replaceAll(`${dir.path}/`, '').replace(/^ +edge.yml:(\S+) +routers\[0\]\.servers\[0\]\.tls\.?/, '$1 '),
      );
  }
  assert.fail('expected an error');
}

const own = '{certs: [cert.pem], privateKey: key.pem}';

test('an identity is enough; relative files start from the folder of the configuration', () => {
  assert.deepEqual(load(`defaultIdentity: ${own}`), {
    defaultIdentity: { certs: [`${dir.path}/cert.pem`], privateKey: `${dir.path}/key.pem` },
    alpnMismatch: 'tolerate',
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: [
      'ECDHE-ECDSA-AES128-GCM-SHA256',
      'ECDHE-RSA-AES128-GCM-SHA256',
      'ECDHE-ECDSA-AES256-GCM-SHA384',
      'ECDHE-RSA-AES256-GCM-SHA384',
      'ECDHE-ECDSA-CHACHA20-POLY1305',
      'ECDHE-RSA-CHACHA20-POLY1305',
    ],
    cipherSuites: ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'],
    groups: ['X25519MLKEM768', 'X25519', 'P-256', 'P-384'],
    clientAuth: 'none',
    sessionTickets: { enabled: true, rotateSecs: 3600, lifetimeSecs: 7200 },
    handshakeTimeoutMs: 10_000,
    maxClientHelloBytes: 65_536,
  });
});

test('every file key starts from the folder of the configuration', () => {
  const { identities, trustCerts } = load(
    `identities: {a.test: ${own}, "*.b.test": ${own}}, clientAuth: optional, trustCerts: [ca.pem, ./ca.pem]`,
  );
  assert.equal(identities?.['*.b.test'].privateKey, `${dir.path}/key.pem`);
  assert.deepEqual(trustCerts, [`${dir.path}/ca.pem`, `${dir.path}/ca.pem`]);
});

// 0.1.1 took it, and refused every client.
test('without any identity it is refused', () => {
  for (const keys of ['', 'identities: {}'])
    assert.deepEqual(problemsOf(keys), [
      '6:5 : expected defaultIdentity or identities: serving TLS needs a certificate',
    ]);
});

test('what is wrong with a file is told where the file is named, together with everything else', () => {
  assert.deepEqual(
    problemsOf(
      'defaultIdentity: {certs: [cert.pem], privateKey: other.pem}, identities: {b.test: {certs: [cert.pem, no.pem], privateKey: key.pem}}, ' +
        'clientAuth: required, trustCerts: [key.pem], crls: [ca.pem], maxClientHelloByte: 1',
    ),
    [
      '6:60 defaultIdentity.privateKey: the key in other.pem does not belong to the certificate in cert.pem',
      '6:112 identities["b.test"].certs[1]: cannot read no.pem: no such file',
      '6:179 trustCerts[0]: no certificate in key.pem: there is PRIVATE KEY',
      '6:196 crls[0]: no revocation list in ca.pem: there is CERTIFICATE',
      '6:205 maxClientHelloByte: unknown key; did you mean maxClientHelloBytes?',
    ],
  );
});

test('server names are host names or begin with `*.`, and differ whatever their case and the dot at the end', () => {
  assert.deepEqual(
    problemsOf(
      `identities: {a.test: ${own}, A.test.: ${own}, "a*.test": ${own}, "*": ${own}, 1.2.3.4: ${own}, "::1": ${own}, grün.test: ${own}, "a b": ${own}}`,
    ),
    [
      '6:74 identities["A.test."]: the same server name as a.test; keep one of them',
      '6:125 identities["a*.test"]: as a key: expected a server name like www.example.com or *.example.com, found "a*.test"',
      '6:178 identities["*"]: as a key: expected a server name like www.example.com or *.example.com, found "*"',
      '6:225 identities["1.2.3.4"]: as a key: expected a server name (clients do not ask for addresses; use defaultIdentity), found "1.2.3.4"',
      '6:276 identities["::1"]: as a key: expected a server name (clients do not ask for addresses; use defaultIdentity), found "::1"',
      '6:325 identities["grün.test"]: as a key: expected a server name in ASCII: xn--grn-ioa.test, found "grün.test"',
      '6:378 identities["a b"]: as a key: expected a server name like www.example.com or *.example.com, found "a b"',
    ],
  );
});

test('algorithms that this OpenSSL does not have are refused, with the nearest one', () => {
  assert.deepEqual(
    problemsOf(
      `defaultIdentity: ${own}, ciphers: [ecdhe-rsa-aes128-gcm-sha256, NULL-SHA256], cipherSuites: [TLS_AES_128_GCM_SHA265], groups: [x25519, ""]`,
    ).map(line => line.replace(/there are .*/, 'there are …')),
    [
      '6:80 ciphers[0]: "ecdhe-rsa-aes128-gcm-sha256" is not a TLS 1.2 cipher of this OpenSSL; did you mean ECDHE-RSA-AES128-GCM-SHA256?',
      '6:109 ciphers[1]: "NULL-SHA256" is not a TLS 1.2 cipher of this OpenSSL; there are …',
      '6:138 cipherSuites[0]: "TLS_AES_128_GCM_SHA265" is not a TLS 1.3 cipher suite of this OpenSSL; did you mean TLS_AES_128_GCM_SHA256?',
      '6:180 groups[1]: "" is not a key exchange group of this OpenSSL; there are …',
    ],
  );
});

test('keys that contradict each other are refused', () => {
  const problems = (keys: string) =>
    problemsOf(`defaultIdentity: ${own}, ${keys}`).map(line => line.replace(/^\S+ /, ''));
  assert.deepEqual(problems('minVersion: TLSv1.3, maxVersion: TLSv1.2'), [
    'maxVersion: expected at least minVersion, which is TLSv1.3, found TLSv1.2',
  ]);
  assert.deepEqual(problems('clientAuth: required'), [
    'clientAuth: required needs trustCerts, the authorities of client certificates',
  ]);
  assert.deepEqual(problems('trustCerts: [ca.pem]'), [
    'trustCerts: not used, because clients are not asked for a certificate; add clientAuth: required (or optional)',
  ]);
  assert.deepEqual(problems('alpnMismatch: refuse'), ['alpnMismatch: refuse needs alpnProtocols']);
  assert.deepEqual(problems('sessionTickets: {rotateSecs: 100, lifetimeSecs: 3001}'), [
    'sessionTickets.lifetimeSecs: expected a lifetimeSecs of at most 30 times rotateSecs, 3000, found 3001',
  ]);
});

test('names of protocols have 1 to 255 bytes', () => {
  assert.deepEqual(load(`defaultIdentity: ${own}, alpnProtocols: [h2, "${'x'.repeat(255)}"]`).alpnProtocols?.length, 2);
  assert.equal(problemsOf(`defaultIdentity: ${own}, alpnProtocols: ["", "${'ü'.repeat(128)}"]`).length, 2);
});

test('words of Linkerd 1.x and of linkerd-tcp 0.0.x are explained', () => {
  assert.deepEqual(
    problemsOf(
      'identities: {a.test: {certPaths: [a], keyPath: b, certs: [cert.pem], privateKey: key.pem}}, certPath: c, requireClientAuth: true',
    ),
    [
      '6:33 identities["a.test"].certPaths: unknown key; linkerd-tcp 0.0.x called it so; write certs',
      '6:49 identities["a.test"].keyPath: unknown key; Linkerd 1.x called it so; write privateKey',
      '6:103 certPath: unknown key; a certificate belongs to an identity; write defaultIdentity: {certs: [file], privateKey: file}',
      '6:116 requireClientAuth: unknown key; Linkerd 1.x called it so; write clientAuth: required, with trustCerts',
    ],
  );
});
