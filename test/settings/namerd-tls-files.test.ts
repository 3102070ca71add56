/** The TLS files of namerd's interfaces are read with the configuration. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namerdKinds } from '../../src/settings/namerd/kinds.ts';
import { loadNamerd } from '../../src/settings/namerd/load.ts';
import { createAuthority } from '../support/certificates.ts';
import { tempDir } from '../support/temp-dir.ts';

test('TLS files that are missing or do not belong together are problems of the configuration, with their place', t => {
  const folder = tempDir(t);
  const ca = createAuthority(t);
  const [one, other] = ['one.test', 'other.test'].map(name => ca.issue({ names: [name] }));
  folder.write('cert.pem', one!.chain);
  folder.write('key.pem', one!.key);
  folder.write('other.key', other!.key);
  const load = (tls: string) =>
    loadNamerd(
      {
        file: `${folder.path}/namerd.yml`,
        text: `storage: {kind: io.l5d.inMemory}\ninterfaces:\n- {kind: io.l5d.httpController, tls: {${tls}}}\n`,
        purpose: 'check',
      },
      namerdKinds,
    );
  load('certPath: cert.pem, keyPath: key.pem');
  assert.throws(
    () => load('certPath: nope.pem, keyPath: key.pem'),
    /:3:49 +interfaces\[0\]\.tls\.certPath: cannot read \S+\/nope\.pem: no such file/,
  );
  assert.throws(
    () => load('certPath: cert.pem, keyPath: other.key'),
    /:3:33 +interfaces\[0\]\.tls: these files cannot be used together: key values mismatch/,
  );
});
