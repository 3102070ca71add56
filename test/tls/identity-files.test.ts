/** Reading a certificate with its key: every kind of key, and every mistake with its message. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type IdentityFiles, type LoadedIdentity, readIdentity } from '../../src/tls/identity-files.ts';
import { Reading } from '../../src/tls/reading.ts';
import { createAuthority, type KeyRequest } from '../support/certificates.ts';
import { tempDir } from '../support/temp-dir.ts';

const scope = { after };
const authority = createAuthority(scope);
const issued = authority.issue({ names: ['a.test'], key: 'ec' });
const dir = tempDir(scope);

function read(files: IdentityFiles): { identity: LoadedIdentity | undefined; problems: string[]; warnings: string[] } {
  const reading = new Reading();
  const identity = readIdentity(files, reading);
  const problems = reading.problems.map(({ place, message }) => `${place.join('.')}: ${message}`);
  return { identity, problems: problems.map(text => text.replaceAll(`${dir.path}/`, '')), warnings: reading.warnings };
}

const problemsOf = (files: Partial<IdentityFiles>): string[] => {
  const { identity, problems } = read({ certs: [issued.certFile], privateKey: issued.keyFile, ...files });
  assert.equal(identity, undefined);
  return problems;
};

for (const [title, request] of [
  ['RSA in PKCS#1', { key: 'rsa', keyFormat: 'pkcs1' }],
  ['RSA in PKCS#8', { key: 'rsa', keyFormat: 'pkcs8' }],
  ['EC in SEC1', { key: 'ec', keyFormat: 'sec1' }],
  ['EC in PKCS#8', { key: 'ec', keyFormat: 'pkcs8' }],
  ['Ed25519', { key: 'ed25519' }],
  ['an encrypted PKCS#8 key', { key: 'ec', passphrase: 'fräulein' }],
  ['an encrypted PKCS#1 key', { key: 'rsa', keyFormat: 'pkcs1', passphrase: 'x y' }],
  ['an encrypted SEC1 key', { key: 'ec', keyFormat: 'sec1', passphrase: 'x' }],
] as readonly [string, KeyRequest][])
  test(`${title} is read, and becomes PKCS#8 without a passphrase`, () => {
    const { certFile, keyFile } = authority.issue({ names: ['a.test'], ...request });
    const passphraseFile = request.passphrase && dir.write('pass', `${request.passphrase}\n`);
    const { identity, problems, warnings } = read({ certs: [certFile], privateKey: keyFile, passphraseFile });
    assert.deepEqual([problems, warnings], [[], []]);
    assert.match(identity?.identity.key ?? '', /^-----BEGIN PRIVATE KEY-----/);
    assert.ok(identity?.leaf.checkPrivateKey(createPrivateKey(identity.identity.key)));
  });

test('parameters before an EC key, text around blocks and Windows line ends do not matter', () => {
  const params = spawnSync('openssl', ['ecparam', '-name', 'prime256v1'], { encoding: 'utf8' }).stdout;
  const privateKey = dir.write('params.pem', params + issued.key);
  const cert = dir.write(
    'noisy.pem',
    `Subject: a\n\n${issued.certificate}\ntrailing - words\n`.replaceAll('\n', '\r\n'),
  );
  assert.deepEqual(read({ certs: [cert], privateKey }).problems, []);
});

test('the chain is that of all files in their order, each with any number of certificates', () => {
  const above = authority.intermediate('Above');
  const below = above.intermediate('Below');
  const { certificate, key } = below.issue({ names: ['a.test'] });
  const leaf = dir.write('leaf.pem', certificate);
  const privateKey = dir.write('leaf.key', key);
  const rest = dir.write('rest.pem', below.certificate + above.certificate);
  const { identity, warnings } = read({ certs: [leaf, rest], privateKey });
  assert.deepEqual(identity?.identity.chain.match(/BEGIN CERTIFICATE/g)?.length, 3);
  assert.deepEqual(warnings, []);
  const upsideDown = dir.write('upside-down.pem', above.certificate + below.certificate);
  assert.deepEqual(
    read({ certs: [leaf, upsideDown], privateKey }).warnings.map(text => text.replaceAll(`${dir.path}/`, '')),
    [
      'certificate 2 of the chain in leaf.pem and upside-down.pem (Above) has not issued the one before it (a.test); peers may not be able to verify the chain',
      'certificate 3 of the chain in upside-down.pem (Below) has not issued the one before it (Above); peers may not be able to verify the chain',
    ],
  );
});

test('files that cannot be read are named with the reason, all of them at once', () => {
  mkdirSync(join(dir.path, 'folder'));
  assert.deepEqual(problemsOf({ certs: [join(dir.path, 'no.pem')], privateKey: join(dir.path, 'folder') }), [
    'certs.0: cannot read no.pem: no such file',
    'privateKey: cannot read folder: it is a directory; name a file in it',
  ]);
  assert.deepEqual(problemsOf({ privateKey: '/dev/zero' }), [
    'privateKey: cannot read /dev/zero: it is not a regular file',
  ]);
  if (process.getuid?.() === 0) return;
  const secret = dir.write('secret.pem', issued.key);
  chmodSync(secret, 0);
  assert.deepEqual(problemsOf({ privateKey: secret }), ['privateKey: cannot read secret.pem: permission denied']);
});

test('a file without a certificate, and one without a key, say what is in them', () => {
  const request = dir.write(
    'csr.pem',
    '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n',
  );
  const empty = dir.write('empty.pem', '');
  const words = dir.write('words.pem', 'hello');
  const cut = dir.write('cut.pem', issued.certificate.slice(0, 200));
  const der = join(dir.path, 'der');
  writeFileSync(der, Buffer.from(issued.certificate.split('\n').slice(1, -2).join(''), 'base64'));
  assert.deepEqual(problemsOf({ certs: [request, empty, words, cut, der, issued.certFile] }), [
    'certs.0: no certificate in csr.pem: there is CERTIFICATE REQUEST',
    'certs.1: no certificate in empty.pem: it is empty',
    'certs.2: no certificate in words.pem: it is not PEM',
    'certs.3: no certificate in cut.pem: a block in it is cut short or damaged',
    'certs.4: no certificate in der: it is binary (DER or PKCS#12); convert it with openssl',
  ]);
  const swapped = problemsOf({
    certs: [dir.write('k.pem', issued.key)],
    privateKey: dir.write('c.pem', issued.certificate),
  });
  assert.deepEqual(swapped, [
    'certs.0: no certificate in k.pem: there is PRIVATE KEY',
    'privateKey: no private key in c.pem: there is CERTIFICATE',
  ]);
});

test('damaged certificates and keys are told from missing ones', () => {
  const broken = issued.certificate.replace(/(?<=-----\n)./, '!');
  const two = dir.write('two.pem', issued.certificate + broken);
  assert.deepEqual(problemsOf({ certs: [two] }), ['certs.0: certificate 2 in two.pem is damaged']);
  const key = dir.write('key.pem', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n');
  assert.deepEqual(problemsOf({ privateKey: key }), ['privateKey: the key in key.pem is damaged']);
});

test('several keys in a file are refused', () => {
  const keys = dir.write('keys.pem', issued.key + issued.key);
  assert.deepEqual(problemsOf({ privateKey: keys }), ['privateKey: 2 private keys in keys.pem; expected one']);
});

test('a key that belongs to another certificate is refused, and one of an authority in the chain is recognised', () => {
  const other = authority.issue({ names: ['b.test'] });
  const cert = dir.write('cert.pem', issued.certificate);
  const privateKey = dir.write('other.key', other.key);
  assert.deepEqual(problemsOf({ certs: [cert], privateKey }), [
    'privateKey: the key in other.key does not belong to the certificate in cert.pem',
  ]);
  const second = dir.write('second.pem', other.certificate);
  assert.deepEqual(problemsOf({ certs: [cert, second], privateKey }), [
    'privateKey: the key in other.key does not belong to the certificate in cert.pem, but to certificate 2 of certs; it must come first',
  ]);
});

test('of an encrypted key a missing, a wrong, an empty and an unreadable passphrase are told apart', () => {
  const { certFile, key } = authority.issue({ names: ['a.test'], passphrase: 'right' });
  const privateKey = dir.write('enc.key', key);
  const problems = (passphraseFile?: string) => problemsOf({ certs: [certFile], privateKey, passphraseFile });
  assert.deepEqual(problems(), ['privateKey: the key in enc.key is encrypted; add passphraseFile beside it']);
  assert.deepEqual(problems(dir.write('wrong', 'wrong\n')), [
    'passphraseFile: the passphrase in wrong does not decrypt the key in enc.key',
  ]);
  assert.deepEqual(problems(dir.write('blank', '\n')), [
    'passphraseFile: no passphrase in blank: its first line is empty',
  ]);
  assert.deepEqual(problems(join(dir.path, 'none')), ['passphraseFile: cannot read none: no such file']);
});

test('keys TLS cannot use are refused: short RSA, other curves, other kinds, OpenSSH’s own format', () => {
  const pem = (key: ReturnType<typeof createPrivateKey>) => key.export({ type: 'pkcs8', format: 'pem' }) as string;
  const short = dir.write('short.key', pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey));
  const curve = dir.write('curve.key', pem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey));
  const kind = dir.write('kind.key', pem(generateKeyPairSync('x25519').privateKey));
  const ssh = dir.write('ssh.key', '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n');
  assert.deepEqual(
    [short, curve, kind, ssh].flatMap(privateKey => problemsOf({ privateKey })),
    [
      'privateKey: the key in short.key has 1024 bits; RSA needs at least 2048',
      'privateKey: the key in curve.key is on the curve secp256k1; TLS has P-256, P-384 and P-521',
      'privateKey: the key in kind.key is of the kind x25519, which certificates of TLS cannot have; use RSA, EC or Ed25519',
      'privateKey: the key in ssh.key is one of OpenSSH; convert it with ssh-keygen -p -m PKCS8 -f ssh.key',
    ],
  );
});

test('an expired certificate is used, with the time it expired at', () => {
  const { certFile, keyFile } = authority.issue({ names: ['a.test'], days: -1 });
  const { identity, problems } = read({ certs: [certFile], privateKey: keyFile });
  assert.deepEqual(problems, []);
  assert.ok((identity?.notAfter ?? Number.NaN) < Date.now());
});

test('of a chain the time is that of the certificate that expires first', () => {
  const below = authority.intermediate('Below', { days: 10 });
  const { certFile, keyFile } = below.issue({ names: ['a.test'], days: 20 });
  assert.match(
    read({ certs: [certFile], privateKey: keyFile }).identity?.expiring[0].what ?? '',
    /^the certificate Below in /,
  );
});

test('an OCSP response is taken in DER and in base64, and anything else is refused', () => {
  const der = authority.ocspResponse(issued);
  const raw = join(dir.path, 'ocsp.der');
  writeFileSync(raw, der);
  const base64 = dir.write(
    'ocsp.b64',
    `-----BEGIN OCSP RESPONSE-----\n${der.toString('base64')}\n-----END OCSP RESPONSE-----\n`,
  );
  for (const ocspStaple of [raw, base64]) {
    const { identity } = read({ certs: [issued.certFile], privateKey: issued.keyFile, ocspStaple });
    assert.deepEqual(Buffer.from(identity?.staple ?? []), der);
    const [, { what, notAfter }] = identity?.expiring ?? [];
    assert.equal(what, `the OCSP response in ${ocspStaple}`);
    const days = (notAfter - Date.now()) / 86_400_000;
    assert.ok(days > 6.9 && days < 7.1, `${days} days`);
  }
  const refused = join(dir.path, 'refused.der');
  writeFileSync(refused, Buffer.from([0x30, 3, 0x0a, 1, 3]));
  assert.deepEqual(problemsOf({ ocspStaple: refused }), [
    'ocspStaple: the OCSP response in refused.der is a refusal: tryLater',
  ]);
  for (const ocspStaple of [dir.write('text', 'hello!'), dir.write('cut', der.subarray(0, 50).toString('base64'))])
    assert.match(problemsOf({ ocspStaple })[0], /^ocspStaple: no OCSP response in (text|cut): expected DER or base64/);
});
