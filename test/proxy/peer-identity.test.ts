/** The identity read from the certificates of peers: made by openssl, unusual ones too. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { findProgram } from '../../scripts/debian-packages.ts';
import { peerIdentity } from '../../src/proxy/peer-identity.ts';
import { createAuthority } from '../support/certificates.ts';
import type { Scope } from '../support/scope.ts';
import { tempDir } from '../support/temp-dir.ts';

interface Asked {
  /** Sections of an openssl configuration: `dn` for the subject, `names` for alternative names. */
  readonly subject: readonly string[];
  readonly alternatives?: readonly string[];
  /** DER of the alternative names, instead. */
  readonly names?: Uint8Array;
}

/** A maker of self-signed certificates, for what an orderly authority would not sign. @returns DER */
function strangeCertificates(t: Scope): (asked: Asked) => Uint8Array {
  const { path } = tempDir(t);
  const program = findProgram('openssl') ?? 'openssl';
  const openssl = (args: readonly string[]): void => {
    const { status, stderr } = spawnSync(program, args, { cwd: path, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  };
  openssl(['genpkey', '-algorithm', 'ed25519', '-out', 'key.pem']);
  return ({ subject, alternatives = [], names }) => {
    const head = ['[req]', 'prompt = no', 'utf8 = yes', 'string_mask = utf8only', 'distinguished_name = dn'];
    const hex = names && Buffer.from(names).toString('hex');
    const value = hex ? `DER:${hex}` : '@names';
    const extensions = hex || alternatives.length > 0 ? [`subjectAltName = ${value}`] : ['basicConstraints = CA:FALSE'];
    const config = [...head, '[dn]', ...subject, '[ext]', ...extensions, '[names]', ...alternatives, ''];
    writeFileSync(join(path, 'config'), config.join('\n'));
    const bare = subject.length === 0 ? ['-subj', '/'] : [];
    openssl([
      ...['req', '-x509', '-key', 'key.pem', '-config', 'config', '-extensions', 'ext', '-days', '3'],
      ...[...bare, '-outform', 'DER', '-out', 'out.der'],
    ]);
    return new Uint8Array(readFileSync(join(path, 'out.der')));
  };
}

test('names are listed URIs first, then DNS names, then IP addresses, each kind in its order', t => {
  const { certificate } = createAuthority(t).issue({
    subject: '/O=Acme/CN=web',
    names: ['b.test', '*.a.test'],
    ips: ['10.0.0.1', '2001:db8::1'],
    uris: ['spiffe://acme/web', 'urn:second'],
  });
  assert.deepEqual(peerIdentity(new X509Certificate(certificate).raw), {
    subject: 'O=Acme,CN=web',
    commonName: 'web',
    names: ['spiffe://acme/web', 'urn:second', 'b.test', '*.a.test', '10.0.0.1', '2001:DB8:0:0:0:0:0:1'],
  });
});

test('of several common names the last one counts, as the most specific', t => {
  const make = strangeCertificates(t);
  const { subject, commonName } = peerIdentity(make({ subject: ['0.CN = first', 'O = Acme', '1.CN = second'] }));
  assert.deepEqual([subject, commonName], ['CN=first,O=Acme,CN=second', 'second']);
});

test('a common name is that, not how it is escaped, nor what is joined to it', t => {
  const make = strangeCertificates(t);
  assert.equal(peerIdentity(make({ subject: ['CN = "Miller, J. + Sons"'] })).commonName, 'Miller, J. + Sons');
  assert.equal(peerIdentity(make({ subject: ['CN = jürgen'] })).commonName, 'jürgen');
  const joined = peerIdentity(make({ subject: ['O = Acme', '+OU = Web', '+CN = web'] }));
  assert.equal(joined.commonName, 'web');
  const inOrganization = peerIdentity(make({ subject: ['O = "x, CN=admin"'] }));
  assert.equal(inOrganization.commonName, '');
});

test('a certificate without a subject, or without names, has none', t => {
  const make = strangeCertificates(t);
  assert.deepEqual(peerIdentity(make({ subject: [] })), { subject: '', commonName: '', names: [] });
  assert.deepEqual(peerIdentity(make({ subject: [], alternatives: ['DNS.1 = a.test'] })).names, ['a.test']);
  assert.deepEqual(peerIdentity(make({ subject: ['O = Acme'] })), { subject: 'O=Acme', commonName: '', names: [] });
});

test('a name that holds what separates names is one name', t => {
  const make = strangeCertificates(t);
  const uri = 'spiffe://x/a, DNS:admin.test';
  const { names } = peerIdentity(make({ subject: ['CN = x'], alternatives: [`URI.1 = "${uri}"`, 'DNS.1 = b.test'] }));
  assert.deepEqual(names, [uri, 'b.test']);
  const quoted = 'spiffe://x/"quoted"\\and';
  const escaped = quoted.replaceAll(/["\\]/g, '\\$&');
  assert.deepEqual(peerIdentity(make({ subject: ['CN = x'], alternatives: [`URI.1 = '${escaped}'`] })).names, [quoted]);
});

test('names of whatever bytes are read, each as one name', t => {
  const make = strangeCertificates(t);
  const tags = { dns: 0x82, uri: 0x86 } as const;
  const one = fc.record({
    tag: fc.constantFrom(tags.dns, tags.uri),
    bytes: fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 12 }),
      fc.constantFrom('a\nb', 'a\0b', '", DNS:x', '\\u0041', 'é').map(text => new TextEncoder().encode(text)),
    ),
  });
  fc.assert(
    fc.property(fc.array(one, { minLength: 1, maxLength: 4 }), all => {
      const content = all.flatMap(({ tag, bytes }) => [tag, bytes.length, ...bytes]);
      const found = peerIdentity(make({ subject: [], names: Uint8Array.of(0x30, content.length, ...content) })).names;
      const expected = [...all.filter(({ tag }) => tag === tags.uri), ...all.filter(({ tag }) => tag === tags.dns)];
      assert.deepEqual(
        found,
        expected.map(({ bytes }) => Buffer.from(bytes).toString('latin1')),
      );
    }),
    { numRuns: 40, interruptAfterTimeLimit: 10_000 },
  );
});

test('names of other kinds are omitted', t => {
  const make = strangeCertificates(t);
  const alternatives = [
    'RID.1 = 1.2.3.4',
    'email.1 = me@a.test',
    'otherName.1 = 1.2.3;UTF8:other, DNS:x.test',
    'DNS.1 = a.test',
  ];
  assert.deepEqual(peerIdentity(make({ subject: ['CN = x'], alternatives })).names, ['a.test', 'me@a.test']);
});

test('whatever openssl puts into a certificate is read, and every URI and DNS name comes out as it went in', t => {
  const make = strangeCertificates(t);
  // No white space at the ends, which the configuration drops, and nothing it would interpret.
  const text = fc.stringMatching(/^[!#%&(-Z_a-z|~][ !#%&(-Z_a-z|~]{0,20}[!#%&(-Z_a-z|~]$/);
  const asked = fc.record({
    commonName: text,
    uris: fc.array(text, { maxLength: 3 }),
    names: fc.array(text, { maxLength: 3 }),
  });
  fc.assert(
    fc.property(asked, ({ commonName, uris, names }) => {
      const alternatives = [
        ...uris.map((uri, i) => `URI.${i} = "${uri}"`),
        ...names.map((name, i) => `DNS.${i} = "${name}"`),
      ];
      const found = peerIdentity(make({ subject: [`CN = "${commonName}"`], alternatives }));
      assert.equal(found.commonName, commonName);
      assert.deepEqual(found.names, [...uris, ...names]);
    }),
    { numRuns: 40, interruptAfterTimeLimit: 10_000 },
  );
});
