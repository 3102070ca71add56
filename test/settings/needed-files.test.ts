/** Files that a program cannot start without are looked for when its configuration is checked. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { kinds } from '../../src/settings/linkerd-tcp/kinds.ts';
import { loadLinkerdTcp } from '../../src/settings/linkerd-tcp/load.ts';
import { namerdKinds } from '../../src/settings/namerd/kinds.ts';
import { loadNamerd } from '../../src/settings/namerd/load.ts';
import { tempDir } from '../support/temp-dir.ts';

const namerdText = (storage: string) => `storage: ${storage}\ninterfaces:\n- kind: io.l5d.httpController\n`;

function report(load: () => unknown): string {
  try {
    load();
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

// It was resolved from the working directory, which is `/` under systemd.
test('the password file of etcd is looked for beside the configuration', t => {
  const dir = tempDir(t);
  dir.write('etcd.pw', 'hunter2\n');
  const text = namerdText('{kind: io.l5d.etcd, username: namerd, passwordFile: etcd.pw}');
  const { storage } = loadNamerd({ file: join(dir.path, 'namerd.yml'), text }, namerdKinds);
  assert.equal(storage['passwordFile'], join(dir.path, 'etcd.pw'));
});

test('files of a storage that are not there are reported together, each where it stands', t => {
  const dir = tempDir(t);
  const load = (storage: string) =>
    report(() => loadNamerd({ file: join(dir.path, 'namerd.yml'), text: namerdText(storage) }, namerdKinds));
  const tls = 'tls: {trustCerts: [ca.pem], clientAuth: {certPath: a.pem, keyPath: a.key}}';
  const found = load(`{kind: io.l5d.etcd, username: u, passwordFile: pw, ${tls}}`);
  for (const place of ['passwordFile', 'tls.trustCerts[0]', 'tls.clientAuth.certPath', 'tls.clientAuth.keyPath'])
    assert.ok(found.includes(`storage.${place}: cannot read ${dir.path}/`), found);
  assert.match(
    load('{kind: io.l5d.consul, tokenFile: consul.token}'),
    /storage\.tokenFile: cannot read .*no such file/,
  );
  assert.match(load('{kind: io.l5d.k8s, kubeconfig: .}'), /storage\.kubeconfig: cannot read .*it is a directory/);
  assert.match(
    load('{kind: io.l5d.k8s, serviceAccountDir: none}'),
    /storage\.serviceAccountDir: cannot read .*no such/,
  );
  assert.equal(load('{kind: io.l5d.sqlite, path: new.sqlite}'), '');
});

test('a token for namerd that is not there is found when a proxy’s configuration is checked', t => {
  const dir = tempDir(t);
  const interpreter = '{kind: io.l5d.namerd.http, dst: /$/inet/127.0.0.1/4180, tokenFile: namerd.token}';
  const text = `routers: [{label: a, servers: [], interpreter: ${interpreter}}]`;
  const found = report(() => loadLinkerdTcp({ file: join(dir.path, 'proxy.yml'), text }, kinds));
  assert.match(found, /routers\[0\]\.interpreter\.tokenFile: cannot read .*namerd\.token: no such file/);
});
