/** namerctl as a program: the launcher, standard input, a real editor, signals, pipes that close. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { startNamerd } from '../support/namerd.ts';
import { startProgram } from '../support/process.ts';
import { tempDir } from '../support/temp-dir.ts';

const root = join(import.meta.dirname, '../..');
const launcher = join(root, 'bin/namerctl');

/** Not spawnSync: the server answers in this process. */
async function run(args: readonly string[], env: Record<string, string>, input = '') {
  const child = spawn(launcher, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(input);
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status, stdout, stderr };
}

test('--version prints name and version; the launcher is POSIX sh', async () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.deepEqual(await run(['--version'], {}), { status: 0, stdout: `namerctl ${version}\n`, stderr: '' });
  assert.equal(spawnSync('sh', ['-n', launcher]).status, 0);
});

test('the pipeline of the original works: get, change, update from standard input', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', '/svc=>/cluster;/svc/redis=>/cluster/redis1');
  const env = { NAMERCTL_BASE_URL: namerd.url };
  const { stdout } = await run(['dtab', 'get', 'default'], env);
  assert.deepEqual(await run(['dtab', 'update', 'default', '-'], env, stdout.replace('redis1', 'redis2')), {
    status: 0,
    stdout: 'Updated default: version 1 → 2.   Undo: namerctl restore default 1\n',
    stderr: '',
  });
  assert.match((await run(['dtab', 'get', 'default'], env)).stdout, /redis2 ;\n$/);
});

test('an editor with arguments is run on the file', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', '/svc=>/a');
  const editor = tempDir(t).write('editor', '#!/bin/sh\nsed -i "s,$1,$2," "$3"\n');
  chmodSync(editor, 0o755);
  const { status, stdout } = await run(['edit', 'default'], {
    NAMERCTL_BASE_URL: namerd.url,
    VISUAL: `${editor} '=> /a' '=> /b'`,
  });
  assert.equal(stdout, '-/svc  => /a ;\n+/svc  => /b ;\nUpdated default\n');
  assert.equal(status, 0);
});

test('Ctrl-C ends watch with 0', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', '/svc=>/a');
  const program = startProgram(t, launcher, ['watch', 'default'], { env: { NAMERCTL_BASE_URL: namerd.url } });
  await program.printed(/\/svc {2}=> \/a ;\n/);
  program.signal('SIGINT');
  assert.deepEqual(await program.exited, { code: 0, signal: null });
});

test('Ctrl-C ends a command that waits at once', async t => {
  const namerd = await startNamerd(t);
  namerd.setHanging(true);
  const program = startProgram(t, launcher, ['get', 'default'], { env: { NAMERCTL_BASE_URL: namerd.url } });
  await namerd.untilRequests(1);
  program.signal('SIGINT');
  assert.deepEqual(await program.exited, { code: null, signal: 'SIGINT' });
});

test('a reader that leaves early is no error', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', Array.from({ length: 50_000 }, (_, i) => `/a${i}=>/b`).join(';'));
  const { status, stdout, stderr } = await new Promise<{ status: number; stdout: string; stderr: string }>(resolve => {
    const child = spawn('sh', ['-c', `{ "$0" get default; echo "ended $?" >&2; } | head -1`, launcher], {
      env: { ...process.env, NAMERCTL_BASE_URL: namerd.url },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(([out, err, [code]]) =>
      resolve({ status: code as number, stdout: out, stderr: err }),
    );
  });
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '# version AAAAAAAAAAE=\n', stderr: 'ended 0\n' });
});
