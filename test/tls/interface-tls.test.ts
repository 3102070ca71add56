/** The TLS of namerd's interfaces follows its files. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from '../../src/metrics/registry.ts';
import { CertificateExpiry } from '../../src/tls/certificate-monitor.ts';
import { LiveInterfaceTls } from '../../src/tls/interface-tls.ts';
import { createAuthority } from '../support/certificates.ts';
import { recordedLog } from '../support/naming.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

test('a renewed certificate is in use without a signal, and its expiry is a metric', async t => {
  const authority = createAuthority(t);
  const dir = tempDir(t);
  const install = (days: number) => {
    const issued = authority.issue({ names: ['namerd.test'], days });
    return { certPath: dir.write('cert.pem', issued.chain), keyPath: dir.write('key.pem', issued.key), issued };
  };
  const { issued: first, ...paths } = install(90);
  const registry = new Registry({ pages: 1 });
  const certificates = new CertificateExpiry(registry, recordedLog());
  t.after(() => certificates.close());
  const tls = new LiveInterfaceTls({ ...paths, requireClientAuth: false }, recordedLog(), 1);
  t.after(() => tls.close());
  assert.equal(String(tls.options().cert).trim(), first.chain.trim());
  let renewed = '';
  tls.follow('api 127.0.0.1:4180', ({ cert }) => (renewed = String(cert)), certificates);
  const { issued: second } = install(1);
  await until(() => renewed.trim() === second.chain.trim(), 'the new certificate');
  const seconds = /control_cert:expiry_seconds\{user="api 127\.0\.0\.1:4180"\} (\d+)/.exec(registry.expose())?.[1];
  assert.ok(Number(seconds) <= 86_400, `${seconds} s`);
});

test('an authority for clients that is replaced counts from the next connection on', async t => {
  const [one, two] = [createAuthority(t, 'one'), createAuthority(t, 'two')];
  const dir = tempDir(t);
  const { certFile: certPath, keyFile: keyPath } = one.issue({ names: ['namerd.test'] });
  const caCertPath = dir.write('ca.pem', one.certificate);
  const tls = new LiveInterfaceTls({ certPath, keyPath, caCertPath, requireClientAuth: true }, recordedLog(), 1);
  t.after(() => tls.close());
  assert.equal(tls.options().ca, one.certificate);
  dir.write('ca.pem', two.certificate);
  await until(() => tls.options().ca === two.certificate, 'the new authority');
});
