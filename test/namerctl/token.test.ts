/** Tokens: where they come from, where they go, that they are never shown, and what 401 and 403 say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tempDir } from '../support/temp-dir.ts';
import { answering, namerctl, namerctlOf, type TestTerminal } from './setup.ts';

const token = 's3cret.Token-of_mine';
const good = { status: 200, body: '["default"]' };

/** The Authorization header that a server receives. */
async function sent(t: Parameters<typeof answering>[0], args: readonly string[], options: TestTerminal = {}) {
  const server = await answering(t, () => good);
  const ran = await namerctlOf(server)(['list', ...args], options);
  assert.deepEqual(ran, { code: 0, stdout: 'default\n', stderr: '' });
  return server.heard[0].headers.authorization;
}

test('the flag goes before the variables, the token before its file, and all before the configuration file', async t => {
  const folder = tempDir(t);
  for (const name of ['flag', 'variable', 'configured']) folder.write(name, `${name}-token\n`);
  folder.write('.namerctl.yaml', 'token-file: configured\n');
  const at = { folder: folder.path };
  const file = { NAMERCTL_TOKEN_FILE: 'variable' };
  const env = { ...file, NAMERCTL_TOKEN: 'direct-token' };
  assert.equal(await sent(t, ['--token-file', 'flag'], { ...at, env }), 'Bearer flag-token');
  assert.equal(await sent(t, [], { ...at, env }), 'Bearer direct-token');
  assert.equal(await sent(t, [], { ...at, env: file }), 'Bearer variable-token');
  assert.equal(await sent(t, [], at), 'Bearer configured-token');
  assert.equal(
    await sent(t, [], { ...at, env: { NAMERCTL_TOKEN: '', NAMERCTL_TOKEN_FILE: '' } }),
    'Bearer configured-token',
  );
  assert.equal(await sent(t, [], {}), undefined);
});

test('a file is found from where it is named, and its first line counts', async t => {
  const folder = tempDir(t);
  folder.write('etc/token', `\ufeff\r\n${token}\r\nthe-old-token\r\n`);
  folder.write('etc/.namerctl.json', '{"Token-File": "token"}');
  folder.write('etc/deep/er/x', '');
  assert.equal(await sent(t, [], { folder: `${folder.path}/etc/deep/er` }), `Bearer ${token}`);
  assert.equal(await sent(t, ['--config', 'etc/.namerctl.json'], { folder: folder.path }), `Bearer ${token}`);
});

test('the token of a configuration file is for the base URL of that file alone', async t => {
  const folder = tempDir(t);
  const [own, other] = [await answering(t, () => good), await answering(t, () => good)];
  folder.write('token', token);
  folder.write('.namerctl.yaml', `base-url: ${own.url}/pre\ntoken-file: token\n`);
  const at = { folder: folder.path };
  await namerctl(['list'], at);
  await namerctl(['list', '--base-url', own.url], at);
  await namerctl(['list', '--base-url', other.url], at);
  await namerctl(['list'], { ...at, env: { NAMERCTL_BASE_URL: other.url } });
  const asking = await answering(t, () => ({ status: 401 }));
  const { stderr } = await namerctl(['list', '--base-url', asking.url], at);
  assert.ok(
    stderr.endsWith(
      `\nThe token of ${folder.path}/.namerctl.yaml is for the base URL there; send it here with --token-file.\n`,
    ),
    stderr,
  );
  assert.deepEqual(
    own.heard.map(({ headers }) => headers.authorization),
    [`Bearer ${token}`, `Bearer ${token}`],
  );
  assert.deepEqual(
    other.heard.map(({ headers }) => headers.authorization),
    [undefined, undefined],
  );
});

test('every request has the token, the stream of watch too', async t => {
  const server = await answering(t, ({ url }) =>
    url.includes('watch')
      ? { status: 403, body: `not for ${token}` }
      : { status: 200, headers: { etag: 'A=' }, body: '[]' },
  );
  const env = { NAMERCTL_TOKEN: token };
  await namerctlOf(server)(['update', 'x', '-'], { env, input: '/a=>/b' });
  await namerctlOf(server)(['bind', '/a'], { env });
  const { code, stderr } = await namerctlOf(server)(['watch', 'x'], { env });
  assert.equal(code, 77);
  assert.match(stderr, /does not allow this \(403\): not for \[secret\]\n/);
  assert.ok(server.heard.length >= 4);
  for (const { headers } of server.heard) assert.equal(headers.authorization, `Bearer ${token}`);
});

test('a redirect does not get it', async t => {
  const elsewhere = await answering(t, () => good);
  const server = await answering(t, () => ({ status: 307, headers: { location: elsewhere.url } }));
  const { code } = await namerctlOf(server)(['list'], { env: { NAMERCTL_TOKEN: token } });
  assert.equal(code, 76);
  assert.deepEqual(elsewhere.heard, []);
});

for (const [status, challenge, env, hint] of [
  [401, 'Bearer', {}, 'Give a token with --token-file, NAMERCTL_TOKEN, NAMERCTL_TOKEN_FILE, or'],
  [
    401,
    '',
    { NAMERCTL_TOKEN: token },
    'It does not take the token of NAMERCTL_TOKEN: wrong, expired, or of another namerd.',
  ],
  [401, 'Basic realm=x', {}, 'It asks for a user and a password: they go into the base URL,'],
  [403, '', { NAMERCTL_TOKEN: token }, 'Ask its operator for the permissions of the token of NAMERCTL_TOKEN.\n'],
  [403, '', {}, 'Perhaps it wants a token: --token-file,'],
] as const)
  test(`${status} with "${challenge}" and ${JSON.stringify(env)} says what to do`, async t => {
    const server = await answering(t, () => ({
      status,
      ...(challenge && { headers: { 'www-authenticate': challenge } }),
      body: `no ${token} here`,
    }));
    const ran = await namerctlOf(server)(['get', 'x'], { env });
    assert.equal(ran.code, 77);
    const shown = 'NAMERCTL_TOKEN' in env ? '[secret]' : token;
    const what = status === 401 ? 'did not accept your credentials (401)' : 'does not allow this (403)';
    assert.ok(
      ran.stderr.startsWith(`namerctl: ${server.url}/api/1/dtabs/x ${what}: no ${shown} here\n${hint}`),
      ran.stderr,
    );
  });

for (const [text, problem] of [
  ['', 'it is empty'],
  [' \n\n', 'it is empty'],
  ['two words', 'a token is one word'],
  ['tök', 'it has characters that cannot be sent in a header'],
  ['a\x00b', 'it has characters that cannot be sent in a header'],
] as const)
  test(`a token file with ${JSON.stringify(text)} is refused, and the token not shown`, async t => {
    const folder = tempDir(t);
    const file = folder.write('token', text);
    assert.deepEqual(await namerctl(['list', '--token-file', 'token'], { folder: folder.path }), {
      code: 78,
      stdout: '',
      stderr: `namerctl: the token of ${file} cannot be used: ${problem}\n`,
    });
  });

test('a token file that is missing, and one beside a user in the base URL, are refused', async t => {
  const { path: folder } = tempDir(t);
  assert.deepEqual(await namerctl(['list', '--token-file', 'none'], { folder }), {
    code: 78,
    stdout: '',
    stderr: `namerctl: cannot read ${folder}/none: no such file\n`,
  });
  const both = { NAMERCTL_TOKEN: token, NAMERCTL_BASE_URL: 'http://ann:pw@127.0.0.1:1' };
  assert.deepEqual(await namerctl(['list'], { env: both }), {
    code: 78,
    stdout: '',
    stderr:
      'namerctl: the token of NAMERCTL_TOKEN cannot be used: the base URL of NAMERCTL_BASE_URL has a user already, and only ' +
      'one can be sent\n',
  });
});

for (const [url, isWarned] of [
  ['http://namerd.invalid:1', true],
  ['http://127.0.0.9:1', false],
  ['http://[::1]:1', false],
  ['http://localhost:1', false],
  ['http://namerd.localhost:1', false],
  ['https://namerd.invalid:1', false],
] as const)
  test(`a token for ${url} is ${isWarned ? '' : 'not '}warned of`, async () => {
    const env = { NAMERCTL_TOKEN: token, NAMERCTL_BASE_URL: url };
    const { code, stderr } = await namerctl(['list', '--timeout', '200ms'], { env });
    assert.equal(code, 69);
    const warning = `namerctl: warning: the token of NAMERCTL_TOKEN goes to ${url} unencrypted; use https\n`;
    assert.equal(stderr.startsWith(warning), isWarned, stderr);
    assert.equal(stderr.includes('warning'), isWarned);
  });

test('a token in the configuration file itself is refused', async t => {
  const folder = tempDir(t);
  const file = folder.write('.namerctl.yaml', `token: ${token}\n`);
  assert.deepEqual(await namerctl(['list'], { folder: folder.path }), {
    code: 78,
    stdout: '',
    stderr: `namerctl: ${file}:1:1: token: a token is not kept in the configuration; name a file that has it with token-file\n`,
  });
});
