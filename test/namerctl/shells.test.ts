/** The completion scripts in the real shells, asked as a person does: by typing Tab. Namespaces come from a namerd. */
import assert from 'node:assert/strict';
import { chmodSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { projectRoot } from '../support/linkerd-tcp.ts';
import { startNamerd } from '../support/namerd.ts';
import { runProgram } from '../support/process.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';
import { namerctl } from './setup.ts';

/** Lines before and after a Tab at their end, with one possible completion each. */
const completed = [
  ['namerctl spl', 'namerctl split '],
  ['namerctl dtab res', 'namerctl dtab restore '],
  ['namerctl get --pr', 'namerctl get --pretty '],
  ['namerctl get sta', 'namerctl get staging '],
  ['namerctl dtab rm sta', 'namerctl dtab rm staging '],
  ['namerctl explain -n sta', 'namerctl explain -n staging '],
  ['namerctl update staging rul', 'namerctl update staging rules.dtab '],
  ['namerctl --token-file rul', 'namerctl --token-file rules.dtab '],
  ['namerctl completion z', 'namerctl completion zsh '],
] as const;

/** A directory with the script of a shell, and the environment of a person who has no settings of the shell. */
async function prepared(t: TestContext, shell: string) {
  const namerd = await startNamerd(t);
  for (const name of ['default', 'staging']) namerd.setDtab(name, '/a=>/b');
  const folder = tempDir(t);
  folder.write('script', (await namerctl(['completion', shell])).stdout);
  folder.write('rules.dtab', '');
  const [home, PATH] = [folder.path, `${join(projectRoot, 'bin')}:${process.env['PATH']}`];
  const homes = { HOME: home, ZDOTDIR: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home, XDG_CACHE_HOME: home };
  return { folder, env: { ...homes, PATH, TERM: 'dumb', NAMERCTL_BASE_URL: namerd.url } };
}

/** Types lines, each with a Tab, into an interactive shell whose ^X writes the line to `out` and clears it. */
async function typed(
  t: TestContext,
  { folder, env }: { folder: TempDir; env: Record<string, string> },
  start: string,
  lines: readonly string[] = completed.map(([line]) => line),
) {
  // zsh has a module for pseudo-terminals. The prompt tells that the shell is ready, ^X that a line is complete.
  const driver = `zmodload zsh/zpty
zpty shell ${JSON.stringify(start)}
zpty -r shell seen '*ready> *'
for line in "$@"; do
  zpty -w -n shell "$line"$'\\t\\x18'
  zpty -r shell more '*written*' || { print -r -- "$seen$more"; exit 1; }
done
zpty -w -n shell $'\\x04'
cat out
`;
  const file = folder.write('driver', driver);
  const { code, output } = await runProgram(t, 'zsh', ['-f', file, ...lines], {
    cwd: folder.path,
    env,
    timeoutMs: 60_000,
  });
  assert.equal(code, 0, output);
  return output.trimEnd().split('\n');
}

const zshrc = `PROMPT='ready> '
autoload -Uz compinit
compinit -D -u
source ./script
written() { print -r -- "$BUFFER" >> out; BUFFER=; zle -M written }
zle -N written
bindkey '^X' written
`;

const bashrc = `PS1='ready> '
source ./script
written() { printf '%s\\n' "$READLINE_LINE" >> out; READLINE_LINE=; echo written; }
bind -x '"\\C-x": written'
`;

const expected = completed.map(([, line]) => line.trimEnd());
const trimmed = (lines: readonly string[]) => lines.map(line => line.trimEnd());

test('zsh loads its script and completes commands, flags, namespaces and files', async t => {
  const shell = await prepared(t, 'zsh');
  shell.folder.write('.zshrc', zshrc);
  assert.deepEqual(trimmed(await typed(t, shell, 'zsh -d -i')), expected);
});

test('zsh loads its script also from a directory of functions', async t => {
  const { folder, env } = await prepared(t, 'zsh');
  folder.write('functions/_namerctl', (await namerctl(['completion', 'zsh'])).stdout);
  const asked = 'fpath=(./functions $fpath); autoload -Uz compinit; compinit -D -u; print $_comps[namerctl]';
  const { code, output } = await runProgram(t, 'zsh', ['-f', '-c', asked], { cwd: folder.path, env });
  assert.deepEqual([code, output], [0, '_namerctl\n']);
});

test('bash loads its script and completes commands, flags, namespaces and files', async t => {
  const shell = await prepared(t, 'bash');
  shell.folder.write('rc', bashrc);
  assert.deepEqual(trimmed(await typed(t, shell, 'bash --noprofile --rcfile rc -i')), expected);
});

test('fish loads its script and offers commands, flags, namespaces and files', async t => {
  const { folder, env } = await prepared(t, 'fish');
  const asked = 'source script; for line in $argv; echo "$line|"(complete -C $line); end';
  const lines = completed.map(([line]) => line);
  const { code, output } = await runProgram(t, 'fish', ['-N', '-c', asked, ...lines], { cwd: folder.path, env });
  assert.equal(code, 0, output);
  assert.deepEqual(
    output
      .trimEnd()
      .split('\n')
      .map(line => line.replace(/(\S*)\|(\S+).*$/, '$2')),
    expected,
  );
});

/** Names that a shell would run, expand or cut, were they not quoted. Each begins with another character. */
const hostileNames = [
  'a$(touch pwnedA)',
  'b`touch pwnedB`',
  'c"$(touch pwnedC)"',
  "d'$(touch pwnedD)'",
  'e;touch pwnedE;',
  'f&touch pwnedF',
  'g|touch pwnedG',
  'h>pwnedH',
  'i\\$(touch pwnedI)',
  'j{1,2}*?[k]',
  'k$HOME',
  'l!!',
  '$(id>pwnedM)',
  '`id>pwnedN`',
];

/** A directory in which `namerctl list` prints the hostile names, and `namerctl get NAME` the name it was given. */
async function amongHostileNames(t: TestContext, shell: string) {
  const folder = tempDir(t);
  folder.write('names', `${hostileNames.join('\n')}\n`);
  folder.write('script', (await namerctl(['completion', shell])).stdout);
  const program = `#!/bin/sh\nif [ "$1" = list ]; then cat ${folder.path}/names; else printf '%s\\n' "$2"; fi\n`;
  chmodSync(folder.write('bin/namerctl', program), 0o755);
  const [home, PATH] = [folder.path, `${folder.path}/bin:${process.env['PATH']}`];
  const homes = { HOME: home, ZDOTDIR: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home, XDG_CACHE_HOME: home };
  return { folder, env: { ...homes, PATH, TERM: 'dumb' } };
}

const traces = ({ path }: TempDir) => readdirSync(path).filter(name => name.startsWith('pwned'));

for (const [shell, rcFile, rc, start] of [
  ['bash', 'rc', bashrc, 'bash --noprofile --rcfile rc -i'],
  ['zsh', '.zshrc', zshrc, 'zsh -d -i'],
] as const)
  test(`Tab in ${shell} never runs the name of a namespace, and the completed line means that name`, async t => {
    const hostile = await amongHostileNames(t, shell);
    const { folder, env } = hostile;
    folder.write(rcFile, rc);
    // Names that begin with a letter are completed; without a letter, all names are listed.
    const plain = hostileNames.filter(name => /^\w/.test(name));
    const lines = [...plain.map(([letter]) => `namerctl get ${letter}`), 'namerctl get ', 'namerctl explain -n '];
    const done = await typed(t, hostile, start, lines);
    assert.deepEqual(traces(folder), []);
    folder.write('line', done.slice(0, plain.length).join('\n'));
    const { output } = await runProgram(t, shell, ['-f', './line'], { cwd: folder.path, env });
    assert.deepEqual(output.trimEnd().split('\n'), plain);
    assert.deepEqual(traces(folder), []);
  });

test('Tab in fish never runs the name of a namespace', async t => {
  const { folder, env } = await amongHostileNames(t, 'fish');
  const asked = "source script; complete -C 'namerctl get '; complete -C 'namerctl explain -n '";
  const { code, output } = await runProgram(t, 'fish', ['-N', '-c', asked], { cwd: folder.path, env });
  assert.equal(code, 0, output);
  for (const name of hostileNames) assert.ok(output.includes(name), `${name} in ${output}`);
  assert.deepEqual(traces(folder), []);
});
