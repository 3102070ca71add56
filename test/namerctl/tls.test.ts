/** https: a private authority, a client certificate, and unusable files. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { type Authority, createAuthority } from '../support/certificates.ts';
import { tempDir } from '../support/temp-dir.ts';
import { answering, namerctl } from './setup.ts';

/** Answers with the common name of the client. */
async function asking(t: TestContext, authority: Authority, requestCert: boolean): Promise<string> {
  const { chain: cert, key } = authority.issue({ ips: ['127.0.0.1'] });
  const options = { cert, key, ca: authority.certificate, requestCert, rejectUnauthorized: requestCert };
  const server = createServer(options, (request, response) => {
    const { subject } = (request.socket as TLSSocket).getPeerCertificate();
    response.end(JSON.stringify([subject?.CN ?? 'nobody']));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('a private authority is trusted if a flag, a variable or the configuration file names it', async t => {
  const authority = createAuthority(t);
  const url = await asking(t, authority, false);
  const nobody = { code: 0, stdout: 'nobody\n', stderr: '' };
  const list = ['list', '--base-url', url];
  const untrusted = await namerctl(list);
  assert.equal(untrusted.code, 69);
  assert.match(
    untrusted.stderr,
    /: no authority we trust has signed its certificate\nName the authority with --tls-ca,/,
  );
  assert.deepEqual(await namerctl([...list, '--tls-ca', authority.file]), nobody);
  assert.deepEqual(await namerctl(list, { env: { NAMERCTL_TLS_CA: authority.file } }), nobody);
  const folder = tempDir(t);
  folder.write('ca.pem', authority.certificate);
  folder.write('.namerctl.toml', `base-url = "${url}"\ntls-ca = "ca.pem"\n`);
  assert.deepEqual(await namerctl(['list'], { folder: folder.path }), nobody);
});

test('a certificate is shown to a server that asks for one', async t => {
  const authority = createAuthority(t);
  const url = await asking(t, authority, true);
  const { certFile, keyFile } = authority.issue({ subject: '/CN=ann', client: true });
  const list = ['list', '--base-url', url, '--tls-ca', authority.file];
  assert.deepEqual(await namerctl([...list, '--tls-cert', certFile, '--tls-key', keyFile]), {
    code: 0,
    stdout: 'ann\n',
    stderr: '',
  });
  const without = await namerctl(list);
  assert.equal(without.code, 69);
  assert.match(without.stderr, /: the connection was cut\nPerhaps it wants a certificate: --tls-cert, --tls-key\.\n$/);
});

test('other TLS failures are reported', async t => {
  const authority = createAuthority(t);
  const url = await asking(t, authority, false);
  const elsewhere = await namerctl([
    'list',
    '--base-url',
    url.replace('127.0.0.1', 'localhost'),
    '--tls-ca',
    authority.file,
  ]);
  assert.match(elsewhere.stderr, /: its certificate is for another name\nIs the base URL the one it is for\?\n$/);
  const plain = await answering(t, () => ({ status: 200, body: '[]' }));
  const { stderr } = await namerctl(['list', '--base-url', plain.url.replace('http', 'https')]);
  assert.match(stderr, /: it does not speak TLS\nIs it http, not https\?\n$/);
});

test('files that are missing, no certificates, or do not belong together are refused', async t => {
  const authority = createAuthority(t);
  const [one, other] = [authority.issue(), authority.issue()];
  const folder = tempDir(t);
  const text = folder.write('text.pem', 'no certificate');
  for (const [args, code, message] of [
    [['--tls-ca', 'none.pem'], 78, `cannot read ${folder.path}/none.pem: `],
    [['--tls-ca', text], 78, `TLS cannot be set up: no certificate in ${text}\n`],
    [['--tls-cert', one.certFile], 78, 'TLS cannot be set up: --tls-cert needs a tls-key beside it\n'],
    [['--tls-key', one.keyFile], 78, 'TLS cannot be set up: --tls-key needs a tls-cert beside it\n'],
    [
      ['--tls-cert', one.certFile, '--tls-key', other.keyFile],
      78,
      `TLS cannot be set up: ${one.certFile}, ${other.keyFile}: key values mismatch\n`,
    ],
    [
      ['--tls-cert', text, '--tls-key', one.keyFile],
      78,
      `TLS cannot be set up: ${text}, ${one.keyFile}: no start line\n`,
    ],
    [['--tls-ca', authority.file, '--base-url', 'http://127.0.0.1:1'], 64, '--tls-ca needs a base URL with https;'],
  ] as const) {
    const ran = await namerctl(['list', '--base-url', 'https://127.0.0.1:1', ...args], { folder: folder.path });
    assert.equal(ran.code, code, ran.stderr);
    assert.ok(ran.stderr.startsWith(`namerctl: ${message}`), ran.stderr);
  }
});

test('settings for https in the environment do not matter to a base URL with http', async () => {
  const env = { NAMERCTL_TLS_CA: 'none.pem', NAMERCTL_BASE_URL: 'http://127.0.0.1:1' };
  assert.equal((await namerctl(['list'], { env })).code, 69);
});
