/** Authorities and revocation lists from files. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Reading } from '../../src/tls/reading.ts';
import { readRevocations, readTrust, systemTrust } from '../../src/tls/trust-files.ts';
import { createAuthority } from '../support/certificates.ts';
import { tempDir } from '../support/temp-dir.ts';

const scope = { after };
const notAfter = new Date(Date.UTC(2061, 5, 4, 3, 2, 1));
const authority = createAuthority(scope, 'Long CA', { notAfter });
const dir = tempDir(scope);

function read<T>(reader: (files: readonly string[], reading: Reading) => T, ...files: string[]) {
  const reading = new Reading();
  const value = reader(files, reading);
  const short = (text: string) => text.replaceAll(`${dir.path}/`, '');
  return {
    value,
    problems: reading.problems.map(({ message }) => short(message)),
    warnings: reading.warnings.map(short),
  };
}

test('authorities of all files are one list without repetitions, with the time each expires', () => {
  const other = createAuthority(scope, 'Other CA');
  const both = dir.write('both.pem', other.certificate + authority.certificate);
  const { value, problems, warnings } = read(readTrust, both, authority.file);
  assert.deepEqual([problems, warnings], [[], []]);
  assert.equal(value?.pem, other.certificate + authority.certificate);
  assert.equal(value?.expiring[1].notAfter, notAfter.getTime());
});

test('a certificate that is not one of an authority is warned of', () => {
  const { certificate } = authority.issue({ names: ['a.test'] });
  assert.deepEqual(read(readTrust, dir.write('leaf.pem', certificate)).warnings, [
    'a.test in leaf.pem is not an authority: certificates that it signed are not trusted',
  ]);
});

test('revocation lists say when they are over', () => {
  for (const until of [notAfter, new Date(Date.UTC(2030, 0, 2, 3, 4, 5))]) {
    const crl = authority.crl({ notAfter: until });
    const { value, problems } = read(readRevocations, dir.write('list.crl', `text before\n${crl}`));
    assert.deepEqual(problems, []);
    assert.deepEqual(
      value?.expiring.map(each => each.notAfter),
      [until.getTime()],
    );
    assert.equal(value?.pem, crl);
  }
});

test('what is no revocation list, or a damaged one, is refused', () => {
  const damaged = '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n';
  const { value, problems } = read(readRevocations, authority.file, dir.write('damaged.crl', damaged));
  assert.equal(value, undefined);
  assert.deepEqual(problems, [
    `no revocation list in ${authority.file}: there is CERTIFICATE`,
    'the revocation list in damaged.crl is damaged',
  ]);
});

test('the system has authorities, or Node has', () => {
  assert.match(systemTrust(), /^-----BEGIN CERTIFICATE-----/);
});
