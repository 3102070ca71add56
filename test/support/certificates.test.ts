/** The certificate authority of the tests issues certificates that Node, the tests' TLS clients and openssl accept. */
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { createAuthority } from './certificates.ts';
import { runProgram } from './process.ts';

test('a certificate carries the names it was asked for and is signed by its authority', t => {
  const ca = createAuthority(t, 'Root');
  const issued = ca.issue({
    ...{ names: ['a.example', '*.b.example'], ips: ['127.0.0.1', '::1'], uris: ['spiffe://x/y'] },
    subject: '/O=Example/CN=first',
  });
  const certificate = new X509Certificate(issued.certificate);
  assert.ok(certificate.verify(new X509Certificate(ca.certificate).publicKey));
  assert.ok(certificate.checkPrivateKey(createPrivateKey(issued.key)));
  assert.equal(certificate.subject, 'O=Example\nCN=first');
  assert.equal(
    certificate.subjectAltName,
    'DNS:a.example, DNS:*.b.example, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, URI:spiffe://x/y',
  );
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  assert.deepEqual(new X509Certificate(ca.issue({ client: true }).certificate).keyUsage, ['1.3.6.1.5.5.7.3.2']);
});

test('keys come in every kind and format, encrypted where a passphrase is given', t => {
  const ca = createAuthority(t);
  const heading = (request: Parameters<typeof ca.issue>[0]): string => ca.issue(request).key.split('\n')[0] as string;
  assert.equal(heading({}), '-----BEGIN PRIVATE KEY-----');
  assert.equal(heading({ keyFormat: 'sec1' }), '-----BEGIN EC PRIVATE KEY-----');
  assert.equal(heading({ key: 'rsa', keyFormat: 'pkcs1' }), '-----BEGIN RSA PRIVATE KEY-----');
  assert.equal(heading({ key: 'ed25519' }), '-----BEGIN PRIVATE KEY-----');
  const { key, certificate } = ca.issue({ passphrase: 'secret' });
  assert.match(key, /BEGIN ENCRYPTED PRIVATE KEY/);
  assert.ok(new X509Certificate(certificate).checkPrivateKey(createPrivateKey({ key, passphrase: 'secret' })));
  assert.match(ca.issue({ keyFormat: 'sec1', passphrase: 'secret' }).key, /Proc-Type: 4,ENCRYPTED/);
});

test('a certificate is valid when it was asked to be', t => {
  const ca = createAuthority(t);
  const certificate = new X509Certificate(
    ca.issue({ notBefore: new Date('2030-01-02T03:04:05Z'), notAfter: new Date('2031-01-02T03:04:05Z') }).certificate,
  );
  assert.equal(certificate.validFromDate.toISOString(), '2030-01-02T03:04:05.000Z');
  assert.equal(certificate.validToDate.toISOString(), '2031-01-02T03:04:05.000Z');
  const expired = new X509Certificate(ca.issue({ days: -1 }).certificate);
  assert.ok(expired.validToDate.getTime() < Date.now());
  assert.ok(expired.validFromDate.getTime() < expired.validToDate.getTime());
});

test('a chain holds the intermediate authorities and not the root', async t => {
  const root = createAuthority(t, 'Root');
  const issued = root
    .intermediate('Middle')
    .intermediate('Low')
    .issue({ names: ['a.example'] });
  assert.equal(issued.chain.match(/BEGIN CERTIFICATE/g)?.length, 3);
  const verified = await runProgram(t, 'openssl', [
    ...['verify', '-CAfile', root.file, '-untrusted', issued.certFile, issued.certFile],
  ]);
  assert.equal(verified.code, 0, verified.output);
});

test('a revocation list and OCSP answers tell what was revoked', async t => {
  const ca = createAuthority(t);
  const [good, bad] = [ca.issue({ names: ['good.example'] }), ca.issue({ names: ['bad.example'] })];
  ca.revoke(bad);
  const folder = dirname(good.certFile);
  const list = join(folder, 'list.pem');
  writeFileSync(list, ca.crl());
  const check = (certFile: string) =>
    runProgram(t, 'openssl', ['verify', '-CAfile', ca.file, '-crl_check', '-CRLfile', list, certFile]);
  assert.equal((await check(good.certFile)).code, 0);
  assert.match((await check(bad.certFile)).output, /certificate revoked/);
  writeFileSync(list, ca.crl({ days: -1 }));
  assert.match((await check(good.certFile)).output, /CRL has expired/);

  for (const [issued, status] of [
    [good, 'good'],
    [bad, 'revoked'],
  ] as const) {
    const file = join(folder, `${status}.der`);
    writeFileSync(file, ca.ocspResponse(issued));
    const about = ['-issuer', ca.file, '-cert', issued.certFile, '-CAfile', ca.file];
    const { output } = await runProgram(t, 'openssl', ['ocsp', '-no_nonce', '-respin', file, ...about]);
    assert.match(output, new RegExp(`: ${status}`));
    assert.match(output, /Response verify OK/);
  }
});
