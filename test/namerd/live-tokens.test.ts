/** Tokens in files: changed while they are in use. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AuthConfig } from '../../src/namerd/access/auth-config.ts';
import { LiveTokens } from '../../src/namerd/access/live-tokens.ts';
import { recordedLog } from '../support/naming.ts';
import type { Scope } from '../support/scope.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

const secret = (n: number) => `secret-${n}-0123456789`;

async function openTokens(t: Scope, others: AuthConfig['tokens'] = []) {
  const folder = tempDir(t);
  const tokenFile = folder.write('deploy.token', secret(1));
  const log = recordedLog();
  const own = { name: 'deploy', tokenFile, read: [], write: ['*'] };
  const tokens = await LiveTokens.open({ anonymous: 'none', tokens: [own, ...others] }, log);
  t.after(() => tokens.close());
  const nameOf = (n: number): string | undefined => {
    try {
      return tokens.access.authenticate(`Bearer ${secret(n)}`).name;
    } catch {
      return undefined;
    }
  };
  const logged = (text: RegExp) => until(() => log.lines.some(line => text.test(line)), `a line like ${text}`);
  return { folder, log, nameOf, logged };
}

test('a new token in the file replaces the old one; two tokens are valid together', async t => {
  const { folder, log, nameOf, logged } = await openTokens(t);
  assert.deepEqual([nameOf(1), nameOf(2)], ['deploy', undefined]);
  folder.write('deploy.token', `${secret(2)}\n${secret(1)}\n`);
  await until(() => nameOf(2) === 'deploy', 'the new token');
  assert.equal(nameOf(1), 'deploy');
  folder.write('deploy.token', `${secret(2)}\n`);
  await until(() => nameOf(1) === undefined, 'the end of the old token');
  assert.equal(nameOf(2), 'deploy');
  await logged(/^info: token deploy: \S+deploy\.token has changed and is in effect$/);
  assert.ok(!log.lines.some(line => line.includes('0123456789')), log.lines.join('\n'));
});

test('a file that is missing, empty, damaged or has the token of another name changes nothing, and is logged', async t => {
  const other = { name: 'other', token: secret(9), read: ['x'], write: [] };
  const { folder, log, nameOf, logged } = await openTokens(t, [other]);
  folder.remove('deploy.token');
  await logged(/^warn: token deploy: \S+ cannot be used; its last tokens stay valid$/);
  for (const [i, bad] of ['', 'short', secret(9)].entries()) {
    folder.write('deploy.token', bad);
    await until(() => log.lines.length > i + 1, 'the complaint');
    assert.match(log.lines.at(-1)!, /^warn: token deploy/);
    assert.deepEqual([nameOf(1), nameOf(9)], ['deploy', 'other']);
  }
  folder.write('deploy.token', secret(3));
  await until(() => nameOf(3) === 'deploy', 'the mended file');
  assert.equal(nameOf(1), undefined);
});

test("a token that moves to another name is that name's as soon as the one before has let go of it", async t => {
  const folder = tempDir(t);
  const other = { name: 'other', tokenFile: folder.write('other.token', secret(5)), read: ['x'], write: [] };
  const { folder: own, nameOf, logged } = await openTokens(t, [other]);
  folder.write('other.token', secret(1));
  await logged(/^warn: token other: \S+ cannot be used/);
  assert.deepEqual([nameOf(1), nameOf(5)], ['deploy', 'other']);
  own.write('deploy.token', secret(2));
  await until(() => nameOf(1) === 'other', 'the token under its new name');
  assert.deepEqual([nameOf(2), nameOf(5)], ['deploy', undefined]);
});

test('a file that cannot be used at the start is an error', async t => {
  const folder = tempDir(t);
  const tokenFile = join(folder.path, 'none');
  const auth = { anonymous: 'none', tokens: [{ name: 'a', tokenFile, read: ['x'], write: [] }] } as const;
  const opened = LiveTokens.open({ ...auth, tokens: [...auth.tokens] } as unknown as AuthConfig, recordedLog());
  await assert.rejects(opened, { code: 'CONFIG_UNREADABLE', message: `cannot read ${tokenFile}: no such file` });
});
