/** `tls` of a client: how entries are laid over each other, what captures stand for, and each mistake at its place. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { LinkerdTcpError } from '../../src/errors.ts';
import { clientConfig, clientFor } from '../../src/settings/linkerd-tcp/client-config.ts';
import { kinds } from '../../src/settings/linkerd-tcp/kinds.ts';
import { loadLinkerdTcp } from '../../src/settings/linkerd-tcp/load.ts';
import { createAuthority } from '../support/certificates.ts';
import { tempDir } from '../support/temp-dir.ts';

const dir = tempDir({ after });
dir.write('ca.pem', createAuthority({ after }).certificate);
const file = `${dir.path}/edge.yml`;

const tlsOf = (config: unknown, dst: string) =>
  clientFor(clientConfig.parse(config), dst.split('/').filter(Boolean)).tls;

const statics = (...configs: object[]) => ({ kind: 'io.l5d.static', configs });

function problemsOf(client: string): string[] {
  const servers = '[{port: 1, dstName: /svc/a}, {port: 2, dstName: /svc/b}]';
  try {
    loadLinkerdTcp({ file, text: `routers:\n- label: a\n  servers: ${servers}\n  client: ${client}\n` }, kinds);
  } catch (error) {
    assert.ok(error instanceof LinkerdTcpError, String(error));
    return error.message
      .split('\n')
      .slice(1, -1)
      .map(line => line.replaceAll(`${dir.path}/`, '').replace(/^ +edge.yml:(\S+) +routers\[0\]\.client\./, '$1 '));
  }
  return [];
}

test('a name is enough', () => {
  assert.deepEqual(tlsOf({ tls: { dnsName: 'A.test.' } }, '/svc/a'), {
    ok: true,
    serverName: 'a.test',
    settings: {
      alpnProtocols: [],
      disableValidation: false,
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
      sessionResumption: true,
    },
  });
  assert.equal(tlsOf({}, '/svc/a'), undefined);
});

// 0.1.1 replaced `tls` as a whole.
test('entries that match are merged in the order of the file, key by key inside tls, too', () => {
  const config = statics(
    { prefix: '/svc/b', tls: { dnsName: 'b.test', minVersion: 'TLSv1.3' } },
    { prefix: '/', tls: { trustCerts: ['ca.pem'], alpnProtocols: ['h2'] } },
    { prefix: '/svc', tls: { dnsName: 'svc.test', alpnProtocols: [] } },
    { prefix: '/svc/b/c', tls: { enabled: false } },
  );
  const b = tlsOf(config, '/svc/b');
  assert.ok(b?.ok);
  assert.deepEqual([b.serverName, b.settings.minVersion], ['svc.test', 'TLSv1.3']);
  assert.deepEqual([b.settings.trustCerts, b.settings.alpnProtocols], [['ca.pem'], []]);
  assert.equal(tlsOf(config, '/svc/b/c'), undefined);
});

test('variables are what the prefix of their own entry captures', () => {
  const config = statics(
    { prefix: '/svc/{name}.{zone}', tls: { dnsName: '{name}-x.{zone}.test' } },
    { prefix: '/{name}', tls: { trustCerts: ['ca.pem'] } },
  );
  const tls = tlsOf(config, '/svc/users.eu');
  assert.equal(tls?.ok && tls.serverName, 'users-x.eu.test');
});

test('a name may be an address', () => {
  const tls = tlsOf(statics({ prefix: '/svc/{ip}', tls: { dnsName: '{ip}' } }), '/svc/127.0.0.1');
  assert.equal(tls?.ok && tls.serverName, '127.0.0.1');
});

test('a capture that makes no name fails its destination alone', () => {
  const config = statics({ prefix: '/svc/{name}', tls: { dnsName: '{name}.test' } });
  assert.deepEqual(tlsOf(config, '/svc/a b'), {
    ok: false,
    layer: 0,
    reason: 'its dnsName would be "a b.test", which is neither a host name nor an IP address',
  });
  assert.ok(tlsOf(config, '/svc/a')?.ok);
});

test('nobody is connected to without a name to verify, unless that is disabled', () => {
  assert.equal(tlsOf({ tls: {} }, '/svc/a')?.ok, false);
  const tls = tlsOf({ tls: { disableValidation: true } }, '/svc/a');
  assert.equal(tls?.ok && tls.serverName, '');
});

test('without dnsName a configuration is refused, by destination where entries are merged', () => {
  assert.deepEqual(problemsOf('{tls: {trustCerts: [ca.pem]}}'), [
    '4:12 tls: dnsName is missing: the name that the certificates of the backends must be for',
  ]);
  assert.deepEqual(
    problemsOf(
      '{kind: io.l5d.static, configs: [{prefix: /, tls: {trustCerts: [ca.pem]}}, {prefix: /svc/a, tls: {dnsName: a.test}}]}',
    ),
    ['4:55 configs[0].tls: for /svc/b, dnsName is missing: the name that the certificates of the backends must be for'],
  );
  assert.deepEqual(problemsOf('{tls: {disableValidation: true}}'), []);
  assert.deepEqual(problemsOf('{tls: {enabled: false}}'), []);
});

test('a variable that its prefix does not capture is told at its place', () => {
  assert.deepEqual(
    problemsOf(
      '{kind: io.l5d.static, configs: [{prefix: "/svc/{name}", tls: {dnsName: "x.{nam}.test"}}, {prefix: /x, tls: {dnsName: "{y}"}}]}',
    ),
    [
      '4:85 configs[0].tls.dnsName: {nam} is not captured by the prefix of this entry, /svc/{name}, which captures {name}',
      '4:129 configs[1].tls.dnsName: {y} is not captured by the prefix of this entry, /x',
    ],
  );
  assert.deepEqual(problemsOf('{tls: {dnsName: "{name}.test"}}'), [
    '4:28 tls.dnsName: {name} is captured by nothing: variables need kind: io.l5d.static, and an entry with a prefix like /svc/{name}',
  ]);
});

test('names and files are checked, whether or not a destination uses them', () => {
  assert.deepEqual(
    problemsOf(
      '{kind: io.l5d.static, configs: [{prefix: /other, tls: {dnsName: "a b", trustCerts: [no.pem], clientAuth: {certs: [ca.pem], privateKey: ca.pem}}}]}',
    ),
    [
      '4:75 configs[0].tls.dnsName: expected a host name, an IP address, or a name with variables like "{name}.internal", found "a b"',
      '4:95 configs[0].tls.trustCerts[0]: cannot read no.pem: no such file',
      '4:146 configs[0].tls.clientAuth.privateKey: no private key in ca.pem: there is CERTIFICATE',
    ],
  );
});

test('versions that contradict each other are told, in one entry or in several', () => {
  assert.deepEqual(problemsOf('{tls: {dnsName: a, minVersion: TLSv1.3, maxVersion: TLSv1.2}}'), [
    '4:63 tls.maxVersion: expected at least minVersion, which is TLSv1.3, found TLSv1.2',
  ]);
  const entries = '{prefix: /, tls: {dnsName: a, minVersion: TLSv1.3}}, {prefix: /svc/a, tls: {maxVersion: TLSv1.2}}';
  assert.deepEqual(problemsOf(`{kind: io.l5d.static, configs: [${entries}]}`), [
    '4:113 configs[1].tls: for /svc/a, its minVersion is above its maxVersion',
  ]);
});

test('words of Linkerd 1.x are explained', () => {
  assert.deepEqual(problemsOf('{tls: {commonName: a.test, dnsName: a, clientAuth: {certPath: a, keyPath: b}}}'), [
    '4:18 tls.commonName: unknown key; Linkerd 1.x called it so; write dnsName',
    '4:62 tls.clientAuth.certs: missing; expected a list of paths of PEM files',
    '4:62 tls.clientAuth.privateKey: missing; expected the path of a PEM file',
    '4:63 tls.clientAuth.certPath: unknown key; Linkerd 1.x called it so; write certs: [file]',
    '4:76 tls.clientAuth.keyPath: unknown key; Linkerd 1.x called it so; write privateKey',
  ]);
});
