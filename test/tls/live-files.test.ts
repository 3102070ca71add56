/** Files that are followed while they change. */
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { LoadedIdentity } from '../../src/tls/identity-files.ts';
import { readIdentity } from '../../src/tls/identity-files.ts';
import { LiveFiles } from '../../src/tls/live-files.ts';
import { createAuthority } from '../support/certificates.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

function follow(t: TestContext, folder: string, settleMs = 5) {
  const lines: string[] = [];
  const seen: LoadedIdentity[] = [];
  const say = (level: string) => (message: string, details?: object) =>
    void lines.push(`${level} ${[message, ...Object.values(details ?? {})].join(': ')}`.replaceAll(`${folder}/`, ''));
  const files = { certs: [join(folder, 'tls.crt')], privateKey: join(folder, 'tls.key') };
  const live = new LiveFiles({
    what: 'the certificate',
    files: [...files.certs, files.privateKey],
    read: reading => readIdentity(files, reading),
    log: { info: say('info'), warn: say('warn'), error: say('error') },
    settleMs,
  });
  live.follow(() => void seen.push(live.value));
  t.after(() => live.close());
  return { live, lines, seen };
}

test('a good new certificate takes the place of the one before; a bad one is said once, and what was before stays', async t => {
  const authority = createAuthority(t);
  const dir = tempDir(t);
  const put = ({ chain, key }: { chain: string; key: string }) => {
    dir.write('tls.crt', chain);
    dir.write('tls.key', key);
  };
  const [first, second] = [authority.issue({ names: ['a.test'] }), authority.issue({ names: ['a.test'] })];
  put(first);
  const { live, lines, seen } = follow(t, dir.path, 50);
  const original = live.value;
  put(second);
  await until(() => seen.length > 0, 'the second certificate');
  assert.equal(live.value.identity.chain, second.chain);
  assert.deepEqual(lines.splice(0), ['info the certificate changed; new handshakes use the new content']);

  dir.write('tls.key', first.key);
  await until(() => lines.length > 0, 'a complaint');
  live.refresh();
  assert.deepEqual(lines.splice(0), [
    'error the certificate changed and cannot be used; the previous content stays in effect: ' +
      'the key in tls.key does not belong to the certificate in tls.crt',
  ]);
  assert.notEqual(live.value, original);
  assert.equal(live.value.identity.chain, second.chain);

  dir.remove('tls.crt');
  await until(() => lines.length > 0, 'another complaint');
  assert.match(lines.splice(0)[0], /: cannot read tls.crt: no such file$/);
  put(second);
  await until(() => lines.some(line => line.startsWith('info')), 'good files again');
  assert.ok(lines.includes('info the certificate recovered; new handshakes use the new content'));
});

test('a swap of the symbolic link on the way is seen, as Kubernetes does it', async t => {
  const authority = createAuthority(t);
  const dir = tempDir(t);
  const version = (name: string) => {
    const { chain, key } = authority.issue({ names: ['a.test'] });
    mkdirSync(join(dir.path, name));
    writeFileSync(join(dir.path, name, 'tls.crt'), chain);
    writeFileSync(join(dir.path, name, 'tls.key'), key);
    symlinkSync(name, join(dir.path, '..data_tmp'));
    renameSync(join(dir.path, '..data_tmp'), join(dir.path, '..data'));
    return chain;
  };
  version('..1');
  for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(dir.path, name));
  const { live, lines, seen } = follow(t, dir.path);
  const second = version('..2');
  await until(() => seen.length > 0, 'the new version');
  assert.equal(live.value.identity.chain, second);
  assert.deepEqual(lines, ['info the certificate changed; new handshakes use the new content']);
});

test('following unchanged files says and changes nothing', t => {
  const dir = tempDir(t);
  const { chain, key } = createAuthority(t).issue();
  dir.write('tls.crt', chain);
  dir.write('tls.key', key);
  const { live, lines, seen } = follow(t, dir.path);
  live.refresh();
  dir.write('tls.crt', chain);
  live.refresh();
  assert.deepEqual([lines, seen], [[], []]);
});
