/** Completion: the scripts know the table of commands; bash is asked what it would offer. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { test } from 'node:test';
import { allCommands } from '../../src/namerctl/program/commands.ts';
import { tempDir } from '../support/temp-dir.ts';
import { namerctl } from './setup.ts';

const scriptOf = async (shell: string) => (await namerctl(['completion', shell])).stdout;

for (const shell of ['bash', 'zsh', 'fish'])
  test(`the script for ${shell} knows every command, alias and flag`, async () => {
    const script = await scriptOf(shell);
    for (const { name, aliases = [], flags = [] } of await allCommands()) {
      for (const word of [name, ...aliases]) assert.match(script, new RegExp(`\\b${word}\\b`));
      for (const flag of flags) {
        const long = /--([a-z-]+)/.exec(flag.flags)?.[1] as string;
        assert.match(script, new RegExp(shell === 'fish' ? `-l ${long}\\b` : `--${long}\\b`));
      }
    }
  });

test('a shell that is not known is refused', async () => {
  assert.deepEqual(await namerctl(['completion', 'tcsh']), {
    code: 64,
    stdout: '',
    stderr: 'namerctl: no completion for tcsh; there is bash, zsh, fish\nTry: namerctl --help\n',
  });
});

for (const [line, offered] of [
  ['namerctl spl', ['split']],
  ['namerctl d', ['delete', 'del', 'diff', 'delegate', 'dtab']],
  ['namerctl dtab re', ['restore']],
  ['namerctl dtab expl', []],
  ['namerctl get ', ['default', 'staging']],
  ['namerctl dtab get st', ['staging']],
  ['namerctl --base-url http://x:1 cat d', ['default']],
  ['namerctl --base-url=http://x:1 cat d', ['default']],
  ['namerctl get --pr', ['--pretty']],
  ['namerctl get default --jso', ['--json']],
  ['namerctl explain -n ', ['default', 'staging']],
  ['namerctl update default rules', ['rules.dtab']],
  ['namerctl --config rul', ['rules.dtab']],
  ['namerctl get x --tls-ca rul', ['rules.dtab']],
  ['namerctl --base-url rul', []],
  ['namerctl completion ', ['bash', 'zsh', 'fish']],
] as const)
  test(`bash offers ${offered.join(' ') || 'nothing'} for "${line}"`, async t => {
    const folder = tempDir(t);
    folder.write('rules.dtab', '');
    chmodSync(folder.write('bin/namerctl', '#!/bin/sh\necho default\necho staging\n'), 0o755);
    const words = line.split(/[ ]|(?<=[:=])|(?=[:=])/);
    const asked = `source ./completion
COMP_LINE=$1 COMP_POINT=\${#1}
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_namerctl
printf '%s\\n' "\${COMPREPLY[@]}"`;
    folder.write('completion', await scriptOf('bash'));
    const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', asked, 'bash', line, ...words], {
      cwd: folder.path,
      env: { PATH: `${folder.path}/bin:${process.env['PATH']}` },
      encoding: 'utf8',
    });
    assert.equal(stderr, '');
    assert.deepEqual(
      stdout.split('\n').filter(word => word !== ''),
      offered,
    );
  });
