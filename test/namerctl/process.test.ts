/** The program as a process: pipes that are slow, closed or full, signals, a real editor. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { projectRoot } from '../support/linkerd-tcp.ts';
import { startNamerd } from '../support/namerd.ts';
import { runProgram, startProgram } from '../support/process.ts';
import { tempDir } from '../support/temp-dir.ts';

const namerctl = join(projectRoot, 'bin/namerctl');

/** A namerd with a long dtab, and bash to ask it. */
async function prepared(t: TestContext) {
  const namerd = await startNamerd(t);
  const rules = Array.from({ length: 30_000 }, (_, i) => `/svc/r${i}=>/srv/d${i}`);
  namerd.setDtab('long', rules.join(';'));
  namerd.setDtab('default', '/svc=>/a');
  const folder = tempDir(t);
  const env = { NAMERCTL_BASE_URL: namerd.url, TMPDIR: folder.path };
  const bash = (line: string) =>
    runProgram(t, 'bash', ['--norc', '-c', `namerctl=${namerctl}; ${line}`], { cwd: folder.path, env });
  return { namerd, folder, env, bash };
}

test('a pipe gets all of a long dtab, however slowly it is read', async t => {
  const { bash } = await prepared(t);
  assert.equal((await bash('$namerctl get long | (sleep 0.5; wc -l)')).output, '30001\n');
});

test('a reader that leaves early ends it quietly', async t => {
  const { bash } = await prepared(t);
  const { output } = await bash('set -o pipefail; $namerctl get long --no-pretty | head -c 16; echo " $?"');
  assert.equal(output, '/svc/r0=>/srv/d0 0\n');
  assert.equal((await bash('set -o pipefail; $namerctl get long | head -1; echo $?')).output.split('\n')[1], '0');
});

test('an output that cannot be written is said', async t => {
  const { bash } = await prepared(t);
  const { code, output } = await bash('$namerctl get default > /dev/full');
  assert.equal(code, 74);
  assert.match(output, /^namerctl: cannot write to standard output: .*no space left on device/);
  // The output cannot be written, but the command is done.
  assert.equal((await bash('$namerctl delete default 2> /dev/full >&-')).code, 0);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  test(`${signal} ends watch well`, async t => {
    const { env } = await prepared(t);
    const program = startProgram(t, namerctl, ['watch', 'default'], { env });
    await program.printed(/\/svc {2}=> \/a ;\n/);
    program.signal(signal);
    assert.deepEqual(await program.exited, { code: 0, signal: null });
  });

test('SIGINT ends a command that waits for namerd', async t => {
  const { namerd, env } = await prepared(t);
  namerd.setHanging(true);
  const program = startProgram(t, namerctl, ['list', '--timeout', '60s'], { env });
  await namerd.untilRequests(1);
  program.signal('SIGINT');
  assert.deepEqual(await program.exited, { code: null, signal: 'SIGINT' });
});

test('edit works with an editor that is a shell command, and without a terminal', async t => {
  const { env, namerd } = await prepared(t);
  const EDITOR = "sed -i '/^.svc/s,/a,/b,'";
  const { code, output } = await runProgram(t, namerctl, ['edit', 'default'], { env: { ...env, EDITOR } });
  assert.deepEqual([code, output], [0, '-/svc  => /a ;\n+/svc  => /b ;\nUpdated default\n']);
  assert.ok(namerd.requests().includes('PUT /api/1/dtabs/default'));
});

test('colours are for terminals, and NO_COLOR takes them away', async t => {
  const { env, folder } = await prepared(t);
  folder.write('rules.dtab', '/svc => /b');
  // zsh has a module for pseudo-terminals.
  const asked = `zmodload zsh/zpty
zpty terminal "${namerctl} diff default rules.dtab"
while zpty -r terminal line; do print -rn -- "$line"; done`;
  const onTerminal = async (more: Readonly<Record<string, string>>) => {
    const options = { cwd: folder.path, env: { ...env, NO_COLOR: undefined, ...more } };
    return (await runProgram(t, 'zsh', ['-f', '-c', asked], options)).output.replaceAll('\r', '');
  };
  assert.match(await onTerminal({}), /\x1b\[33m {2}~ \/svc {3}\/a {2}→ {2}\/b\x1b\[0m\n/);
  assert.match(await onTerminal({ NO_COLOR: '1' }), /^ {2}~ \/svc {3}\/a {2}→ {2}\/b\n/m);
  const piped = await runProgram(t, namerctl, ['diff', 'default', 'rules.dtab'], { cwd: folder.path, env });
  assert.doesNotMatch(piped.output, /\x1b/);
});
