/** `interfaces[].auth` of namerd's configuration: what it comes to, and that no complaint tells a token. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AuthConfig } from '../../src/namerd/access/auth-config.ts';
import { namerdKinds } from '../../src/settings/namerd/kinds.ts';
import { loadNamerd } from '../../src/settings/namerd/load.ts';
import { tempDir } from '../support/temp-dir.ts';

const secret = 'hunter2-hunter2-hunter2';

const configOf = (auth: string) =>
  `storage: {kind: io.l5d.inMemory}\ninterfaces:\n- kind: io.l5d.httpController\n  auth: ${auth}\n`;
const load = (auth: string, file = 'namerd.yml') => loadNamerd({ file, text: configOf(auth) }, namerdKinds);

function problemsOf(auth: string, file?: string): string {
  try {
    load(auth, file);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

test('a token has a name and its rights; without a token nothing may be done', () => {
  const { interfaces } = load(`{tokens: [{name: deploy, token: ${secret}, read: ['*'], write: [web, 'team-a/*']}]}`);
  assert.deepEqual(interfaces[0].auth, {
    anonymous: 'none',
    tokens: [{ name: 'deploy', token: secret, read: ['*'], write: ['web', 'team-a/*'] }],
  });
  assert.deepEqual(load('{anonymous: read}').interfaces[0].auth, { anonymous: 'read', tokens: [] });
  assert.equal(
    loadNamerd({ file: 'x', text: configOf('{}').replace('  auth: {}\n', '') }, namerdKinds).interfaces[0].auth,
    undefined,
  );
});

test('a token file is relative to the directory of the configuration, and read with it', t => {
  const folder = tempDir(t);
  folder.write('deploy.token', `${secret}\n`);
  folder.write('two.token', `\uFEFF${secret}-new\r\n${secret}-old\r\n`);
  const auth =
    '{tokens: [{name: a, tokenFile: deploy.token, read: [web]}, {name: b, tokenFile: two.token, read: [web]}]}';
  const { interfaces } = load(auth, join(folder.path, 'namerd.yml'));
  const { tokens } = interfaces[0]['auth'] as AuthConfig;
  assert.equal(tokens[0].tokenFile, join(folder.path, 'deploy.token'));
});

for (const [title, auth, expected] of [
  ['nothing is granted', '{}', /auth: grants nothing: add tokens, or anonymous: read/],
  ['an unknown key', '{anonymus: read}', /auth\.anonymus: unknown key; did you mean anonymous\?/],
  ['another word for anonymous', '{anonymous: write}', /auth\.anonymous: expected one of none, read, found "write"/],
  ['no token', '{tokens: [{name: a, read: [x]}]}', /tokens\[0\]\.name: needs token or tokenFile/],
  [
    'token and tokenFile',
    `{tokens: [{name: a, read: [x], token: ${secret}, tokenFile: ok}]}`,
    /tokens\[0\]\.token: cannot be combined with tokenFile/,
  ],
  ['no rights', `{tokens: [{name: a, token: ${secret}}]}`, /tokens\[0\]\.name: has no rights: list namespaces in read/],
  ['an empty token', "{tokens: [{name: a, read: [x], token: ''}]}", /tokens\[0\]\.token: is empty/],
  [
    'a short token',
    '{tokens: [{name: a, read: [x], token: hunter2}]}',
    /tokens\[0\]\.token: is too short: at least 16/,
  ],
  [
    'a number',
    '{tokens: [{name: a, read: [x], token: 2222222222222222}]}',
    /tokens\[0\]\.token: is no text; put it in/,
  ],
  [
    'a token with spaces',
    "{tokens: [{name: a, read: [x], token: 'hunter2 hunter2 hunter2'}]}",
    /may only have letters/,
  ],
  [
    'a token twice',
    `{tokens: [{name: a, read: [x], token: ${secret}}, {name: b, read: [y], token: ${secret}}]}`,
    /tokens\[1\]\.token: the token is already used by interfaces\[0\]\.auth\.tokens\[0\]\.token/,
  ],
  [
    'a token in a file too',
    `{tokens: [{name: a, read: [x], token: ${secret}}, {name: b, read: [y], tokenFile: ok}]}`,
    /tokens\[1\]\.tokenFile: the token is already used by interfaces\[0\]\.auth\.tokens\[0\]\.token/,
  ],
  [
    'a name twice',
    `{tokens: [{name: a, read: [x], token: ${secret}}, {name: a, read: [y], token: ${secret}2}]}`,
    /tokens\[1\]\.name: the name is already used by interfaces\[0\]\.auth\.tokens\[0\]\.name/,
  ],
  [
    'a name with spaces',
    `{tokens: [{name: a b, read: [x], token: ${secret}}]}`,
    /tokens\[0\]\.name: expected up to 64/,
  ],
  ['the name of those without', `{tokens: [{name: none, read: [x], token: ${secret}}]}`, /\(and not "none"\)/],
  ['a * inside', `{tokens: [{name: a, read: ['a*b'], token: ${secret}}]}`, /read\[0\]: expected \* only at the end/],
  ['an empty namespace', `{tokens: [{name: a, write: [''], token: ${secret}}]}`, /write\[0\]: expected a namespace/],
  ['a missing file', '{tokens: [{name: a, read: [x], tokenFile: no}]}', /tokenFile: cannot read \S+no: no such file/],
  ['a folder', '{tokens: [{name: a, read: [x], tokenFile: folder}]}', /tokenFile: cannot read \S+: it is a directory/],
  ['an empty file', '{tokens: [{name: a, read: [x], tokenFile: empty}]}', /cannot use \S+: there is no token in it/],
  [
    'a bad file',
    '{tokens: [{name: a, read: [x], tokenFile: bad}]}',
    /cannot use \S+: the token on line 2 is too short/,
  ],
] as const)
  test(`${title} is complained of where it stands, and no token is told`, t => {
    const folder = tempDir(t);
    folder.write('ok', secret);
    folder.write('empty', '\n \n');
    folder.write('bad', `${secret}-good\nhunter2\n`);
    mkdirSync(join(folder.path, 'folder'));
    const problems = problemsOf(auth, join(folder.path, 'namerd.yml'));
    assert.match(problems, expected);
    assert.match(problems, /namerd\.yml:4:\d+/);
    assert.ok(!problems.replaceAll(folder.path, '').includes('hunter2') && !problems.includes('2222'), problems);
  });
