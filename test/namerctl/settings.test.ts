/** Where namerd is: flag, environment, configuration file, default, and which file. */
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../support/ports.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';
import { namerctl, type TestTerminal } from './setup.ts';

/** The base URL that is used, by the message of a namerd that is not there. */
async function used(args: readonly string[], options: TestTerminal): Promise<string | undefined> {
  const { stderr } = await namerctl(['list', '--timeout', '2s', ...args], options);
  return /cannot reach (\S+)\/api\/1\/dtabs: /.exec(stderr)?.[1] ?? stderr;
}

const port = await freePort();
const at = (path: string) => `http://127.0.0.1:${port}/${path}`;

test('the flag goes before the environment, and that before the file', async t => {
  const folder = tempDir(t);
  folder.write('.namerctl.json', JSON.stringify({ 'base-url': at('file') }));
  const env = { NAMERCTL_BASE_URL: at('env') };
  assert.equal(await used(['--base-url', at('flag')], { env, folder: folder.path }), at('flag'));
  assert.equal(await used([`--base-url=${at('flag')}`], { env, folder: folder.path }), at('flag'));
  assert.equal(await used([], { env, folder: folder.path }), at('env'));
  assert.equal(await used([], { folder: folder.path }), at('file'));
  assert.equal(await used([], { env: { NAMERCTL_BASE_URL: '' }, folder: folder.path }), at('file'));
});

for (const [name, text] of [
  ['.namerctl.json', `{"BASE-URL": "${at('x')}"}`],
  ['.namerctl.toml', `# here\n\nbase-url = "${at('x')}" # there\n`],
  ['.namerctl.yaml', `Base-Url: ${at('x')}\n`],
  ['.namerctl.yml', `base-url: "${at('x')}"\n`],
  ['.namerctl.properties', `! here\n# and here\nbase-url=${at('x')}\n`],
  ['.namerctl.props', `base-url : ${at('x')}\n`],
  ['.namerctl.prop', `base-url ${at('x')}\n`],
  ['.namerctl.hcl', `// here\r\nbase-url = "${at('x')}"\r\n`],
] as const)
  test(`${name} is read`, async t => {
    const folder = tempDir(t);
    folder.write(name, text);
    assert.equal(await used([], { folder: folder.path }), at('x'));
  });

test('the nearest directory counts, and in it the first of the extensions', async t => {
  const folder = tempDir(t);
  folder.write('.namerctl.json', `{"base-url": "${at('far')}"}`);
  folder.write('a/.namerctl.yml', `base-url: ${at('yml')}`);
  folder.write('a/.namerctl.yaml', `base-url: ${at('yaml')}`);
  mkdirSync(join(folder.path, 'a/b'));
  mkdirSync(join(folder.path, 'c'));
  assert.equal(await used([], { folder: join(folder.path, 'a/b') }), at('yaml'));
  assert.equal(await used([], { folder: join(folder.path, 'c') }), at('far'));
});

test('$PWD counts where it is another name of the working directory, and not where it is stale', async t => {
  const folder = tempDir(t);
  folder.write('real/.namerctl.json', `{"base-url": "${at('real')}"}`);
  folder.write('linked/.namerctl.json', `{"base-url": "${at('linked')}"}`);
  mkdirSync(join(folder.path, 'real/here'));
  symlinkSync('../real/here', join(folder.path, 'linked/here'));
  const here = join(folder.path, 'real/here');
  assert.equal(await used([], { folder: here, env: { PWD: join(folder.path, 'linked/here') } }), at('linked'));
  assert.equal(await used([], { folder: here, env: { PWD: join(folder.path, 'linked') } }), at('real'));
  assert.equal(await used([], { folder: here, env: { PWD: 'linked' } }), at('real'));
});

test('--config takes that file and no other; it must be good even where the flag decides', async t => {
  const folder = tempDir(t);
  folder.write('.namerctl.json', `{"base-url": "${at('nearest')}"}`);
  folder.write('other.yaml', `base-url: ${at('other')}`);
  folder.write('empty.yaml', '');
  assert.equal(await used(['--config', 'other.yaml'], { folder: folder.path }), at('other'));
  assert.equal(await used(['--config=other.yaml', '--base-url', at('flag')], { folder: folder.path }), at('flag'));
  assert.equal(await used(['--config', 'empty.yaml', '--base-url', at('flag')], { folder: folder.path }), at('flag'));
  assert.deepEqual(await namerctl(['list', '--config', 'none.yaml', '--base-url', at('')], { folder: folder.path }), {
    code: 78,
    stdout: '',
    stderr: `namerctl: cannot read ${folder.path}/none.yaml: no such file\n`,
  });
});

const refused = (name: string, text: string, message: string) =>
  test(`${name} with ${JSON.stringify(text)} is refused: ${message}`, async t => {
    const folder: TempDir = tempDir(t);
    const file = folder.write(name, text);
    assert.deepEqual(await namerctl(['list'], { folder: folder.path }), {
      code: 78,
      stdout: '',
      stderr: `namerctl: ${file}:${message}\n`,
    });
  });

refused('.namerctl.yaml', 'a: b\n', '1:1: a: unknown key; there are base-url, token-file, tls-ca, tls-cert, tls-key');
refused('.namerctl.json', '{\n  "baseUrl": "x"}', '2:3: baseUrl: unknown key; did you mean base-url?');
refused('.namerctl.yaml', 'base-url: 3\n', '1:11: base-url: expected a URL, found 3');
refused('.namerctl.yaml', '- base-url\n', '1:1: expected a mapping, found a list');
refused(
  '.namerctl.toml',
  '[server]\nbase-url = "x"\n',
  '1:1: expected base-url = "URL": no more is read of .toml files',
);
refused('.namerctl.hcl', '\n  base_url = "x"\n', '2:3: base_url: unknown key; did you mean base-url?');

test('a base URL of a file that is none names the file', async t => {
  const folder = tempDir(t);
  const file = folder.write('.namerctl.yaml', 'base-url: namerd:4180');
  assert.equal(
    (await namerctl(['list'], { folder: folder.path })).stderr,
    `namerctl: invalid base URL namerd:4180 from ${file}: no scheme; did you mean http://namerd:4180?\n`,
  );
});
