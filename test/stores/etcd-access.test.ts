/** An etcd that asks who we are: by password, by certificate. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseDtab } from '../../src/dtab/parse.ts';
import { showDtab } from '../../src/dtab/show.ts';
import { createAuthority } from '../support/certificates.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { configuredEtcdStore } from '../support/etcd-store.ts';
import { observe } from '../support/naming.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';
import { known, presentOf, rejects } from './contract.ts';

const root = '--user=root:secret';

/** `writer` and `reader` may do so below /namerd/dtabs; their passwords are their names. */
async function withUsers(etcd: Etcd, identity: readonly string[] = []): Promise<void> {
  const run = (...args: readonly string[]) => etcd.ctl(...identity, ...args);
  await run('user', 'add', 'root:secret');
  await run('user', 'grant-role', 'root', 'root');
  for (const [user, right] of [
    ['writer', 'readwrite'],
    ['reader', 'read'],
  ] as const) {
    await run('user', 'add', `${user}:${user}`);
    await run('role', 'add', user);
    await run('role', 'grant-permission', user, right, '--prefix=true', '/namerd/dtabs/');
    await run('user', 'grant-role', user, user);
  }
  await run('auth', 'enable');
}

test('users of etcd: whoever may only read is forbidden to write, and reads on; tokens and passwords may change', async t => {
  const etcd = await startEtcd(t);
  await withUsers(etcd);
  const folder = tempDir(t);
  const as = (user: string, password = user) => {
    const file = folder.write(`${user}.password`, `${password}\n`);
    const place = `host: 127.0.0.1, port: ${etcd.port}`;
    return { file, store: configuredEtcdStore(t, `${place}, username: ${user}, passwordFile: ${file}`) };
  };
  const { store: writer, file } = as('writer');
  const { store: reader } = as('reader');
  const seen = await known(observe(t, reader.observe('web')));
  const version = await writer.create('web', parseDtab('/svc=>/a'));
  await seen.until(() => presentOf(seen)?.dtab === '/svc=>/a', 'the write of the other');
  await rejects(reader.put('web', parseDtab('')), 'STORE_FORBIDDEN');
  await rejects(reader.update('web', parseDtab(''), version), 'STORE_FORBIDDEN');
  await rejects(reader.delete('web'), 'STORE_FORBIDDEN');
  assert.equal(presentOf(seen)?.dtab, '/svc=>/a');

  const { store: stranger } = as('stranger');
  const nothing = observe(t, stranger.list());
  const failed = await nothing.until(({ state }) => state === 'failed', 'the refusal');
  assert.match(
    failed.state === 'failed' ? failed.error.message : '',
    /does not allow namerd to .*authentication failed/,
  );
  await rejects(stranger.put('web', parseDtab('')), 'STORE_FORBIDDEN');
  await rejects(configuredEtcdStore(t, `host: 127.0.0.1, port: ${etcd.port}`).put('web', []), 'STORE_FORBIDDEN');

  // It may have forgotten its tokens.
  await etcd.kill();
  await etcd.start();
  await writer.put('web', parseDtab('/svc=>/b'));
  await seen.until(() => presentOf(seen)?.dtab === '/svc=>/b', 'the reader to be back');

  await etcd.ctl(root, 'user', 'delete', 'writer');
  await etcd.ctl(root, 'user', 'add', 'writer:new');
  await etcd.ctl(root, 'user', 'grant-role', 'writer', 'writer');
  rmSync(file);
  await assert.rejects(
    writer.put('web', parseDtab('/svc=>/c')),
    /writer\.password: .*; reads go on; try again once writes work/,
  );
  writeFileSync(file, 'new\n');
  await until(
    async () =>
      writer.put('web', parseDtab('/svc=>/c')).then(
        () => true,
        () => false,
      ),
    'the new password',
  );
  await seen.until(() => presentOf(seen)?.dtab === '/svc=>/c', 'the last write');
});

test('authentication that is enabled again is no lock-out, also with a client certificate', async t => {
  const ca = createAuthority(t);
  const server = ca.issue({ names: ['etcd.example'], ips: ['127.0.0.1'] });
  // etcd takes the name in the certificate for the user of a request without a token.
  const client = ca.issue({ names: ['reader'], client: true });
  const etcd = await startEtcd(t, { tls: { ca: ca.file, cert: server.certFile, key: server.keyFile } });
  const identity = [`--cacert=${ca.file}`, `--cert=${client.certFile}`, `--key=${client.keyFile}`];
  const password = tempDir(t).write('writer.password', 'writer\n');
  const tls = `tls: {trustCertsBundle: ${ca.file}, clientAuth: {certPath: ${client.certFile}, keyPath: ${client.keyFile}}}`;
  const place = `host: 127.0.0.1, port: ${etcd.port}, ${tls}`;
  const store = configuredEtcdStore(t, `${place}, username: writer, passwordFile: ${password}`);
  const seen = await known(observe(t, store.observe('web')));
  await store.put('web', parseDtab('/svc=>/a'));
  await withUsers(etcd, identity);
  await store.put('web', parseDtab('/svc=>/b'));
  await etcd.ctl(...identity, root, 'auth', 'disable');
  await store.put('web', parseDtab('/svc=>/c'));
  await etcd.ctl(...identity, 'auth', 'enable');
  await store.put('web', parseDtab('/svc=>/d'));
  await seen.until(() => presentOf(seen)?.dtab === '/svc=>/d', 'the last write');
});

test('TLS: both sides show certificates; what does not fit is an error that says so', async t => {
  const ca = createAuthority(t);
  const server = ca.issue({ names: ['etcd.example'], ips: ['127.0.0.1'] });
  const client = ca.issue({ names: ['namerd'], client: true });
  const etcd = await startEtcd(t, { tls: { ca: ca.file, cert: server.certFile, key: server.keyFile } });
  const auth = `clientAuth: {certPath: ${client.certFile}, keyPath: ${client.keyFile}}`;
  const trust = `trustCertsBundle: ${ca.file}`;
  const opened = (tls: string) => configuredEtcdStore(t, `host: 127.0.0.1, port: ${etcd.port}${tls}`);
  for (const name of ['', ', commonName: etcd.example', ', commonName: 127.0.0.1']) {
    const store = opened(`, tls: {${trust}, ${auth}${name}}`);
    const seen = await known(observe(t, store.observe('web')));
    const dtab = parseDtab(`/svc=>/a${name.length}`);
    await store.put('web', dtab);
    assert.equal(presentOf(seen)?.dtab, showDtab(dtab));
  }
  const other = createAuthority(t, 'Another CA');
  for (const [tls, reason] of [
    [`, tls: {${trust}, ${auth}, commonName: other.example}`, /other\.example/],
    [`, tls: {trustCertsBundle: ${other.file}, ${auth}}`, /self.signed|unable to/],
    [`, tls: {${trust}}`, /certificate|ECONNRESET|socket|dropped/i],
    ['', /ECONNRESET|socket|dropped|closed/i],
  ] as const) {
    const list = observe(t, opened(tls).list());
    const failed = await list.until(({ state }) => state === 'failed', 'the failure');
    assert.match(failed.state === 'failed' ? failed.error.message : '', reason);
  }
});
