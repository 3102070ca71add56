/** edit: what the editor is shown, what is stored, and that no work is lost. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import type { Terminal } from '../../src/namerctl/terminal.ts';
import { startNamerd } from '../support/namerd.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';
import { namerctlOf } from './setup.ts';

const demo = '/cluster=>/#/io.l5d.fs;/svc=>/cluster';
const done = (stdout: string) => ({ code: 0, stdout, stderr: '' });

interface Editor {
  readonly edit: Terminal['edit'];
  readonly env: Readonly<Record<string, string>>;
  /** The texts the editor was opened with. */
  readonly seen: readonly string[];
  readonly commands: readonly string[];
  /** The file that was opened last. */
  file: string;
}

/** An editor whose user does one step each time it opens. */
function editor(folder: TempDir, ...steps: readonly ((text: string) => string | number)[]): Editor {
  const seen: string[] = [];
  const commands: string[] = [];
  const self: Editor = {
    env: { TMPDIR: folder.path, EDITOR: 'ed' },
    seen,
    commands,
    file: '',
    async edit(command, file) {
      self.file = file;
      commands.push(command);
      const text = readFileSync(file, 'utf8');
      const step = steps[seen.length];
      seen.push(text);
      const result = step(text);
      if (typeof result === 'number') return result;
      writeFileSync(file, result);
      return 0;
    },
  };
  return self;
}

const keep = (text: string) => text;

test('saved changes are stored and shown', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('my/ns', demo);
  const user = editor(tempDir(t), text => text.replace('=> /cluster', '=> /cluster | /backup'));
  assert.deepEqual(
    await namerctlOf(namerd)(['edit', 'my/ns'], user),
    done(` /cluster  => /#/io.l5d.fs ;
-/svc      => /cluster ;
+/svc      => /cluster | /backup ;
Updated my/ns
`),
  );
  assert.equal(
    user.seen[0],
    `#! my/ns at ${namerd.url}. Save and leave the editor to store it; leave it as it is to change nothing.
#! The last dentry that matches a name wins. Comments are not stored.
# version AAAAAAAAAAE=
/cluster  => /#/io.l5d.fs ;
/svc      => /cluster ;
`,
  );
  assert.match(user.file, /\/my_ns\.dtab$/);
  assert.equal(existsSync(dirname(user.file)), false);
  assert.equal(
    (await namerctlOf(namerd)(['get', 'my/ns', '--no-pretty'])).stdout,
    '/cluster=>/#/io.l5d.fs;/svc=>/cluster | /backup;\n',
  );
});

for (const [what, step] of [
  ['left as it is', keep],
  ['emptied', () => '\n'],
  ['only written differently', (text: string) => text.replace(/ +/g, ' ')],
] as const)
  test(`a text that is ${what} changes nothing`, async t => {
    const namerd = await startNamerd(t);
    namerd.setDtab('default', demo);
    const user = editor(tempDir(t), step);
    assert.deepEqual(await namerctlOf(namerd)(['edit', 'default'], user), done('No changes to default\n'));
    assert.deepEqual(
      namerd.requests().filter(request => !request.startsWith('GET')),
      [],
    );
  });

test('VISUAL goes before EDITOR, and vi is there where none is set', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', demo);
  for (const [env, command] of [
    [{ VISUAL: 'code --wait', EDITOR: 'ed' }, 'code --wait'],
    [{ EDITOR: 'ed' }, 'ed'],
    [{ VISUAL: '', EDITOR: '' }, 'vi'],
  ] as const) {
    const user = editor(tempDir(t), keep);
    await namerctlOf(namerd)(['edit', 'default'], { ...user, env: { ...user.env, ...env } });
    assert.deepEqual(user.commands, [command]);
  }
});

test('a text that is no dtab opens again with the place, until it is one', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', demo);
  const user = editor(
    tempDir(t),
    text => text.replace('/svc      =>', '/svc      ='),
    text => text.replace(/^\/svc.*$/m, '/svc => /new ;'),
  );
  const { code, stdout } = await namerctlOf(namerd)(['edit', 'default', '--json'], user);
  assert.equal(code, 0);
  assert.equal(
    user.seen[1],
    `#! Not stored: line 7, column 12: '>' expected but ' ' found
#!   /svc      = /cluster ;
#!              ^
#! Correct it, or leave the file as it is to give up.
# version AAAAAAAAAAE=
/cluster  => /#/io.l5d.fs ;
/svc      = /cluster ;
`,
  );
  assert.equal(
    stdout,
    '{"namespace":"default","updated":true,"changes":[{"op":"remove","prefix":"/svc","dst":"/cluster"},{"op":"add","prefix":"/svc","dst":"/new"}]}\n',
  );
});

test('after giving up on a mistake, the text is still in the file', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', demo);
  const user = editor(tempDir(t), text => `${text}/mine`, keep);
  assert.deepEqual(await namerctlOf(namerd)(['edit', 'default'], user), {
    code: 66,
    stdout: '',
    stderr: `namerctl: no change was stored: ${user.file}:4:6: '=' expected but end of input found; your text is saved in ${user.file}\n`,
  });
  assert.match(readFileSync(user.file, 'utf8'), /\/mine$/);
  assert.equal(statSync(user.file).mode & 0o077, 0);
});

test('a concurrent change is shown, and replaced only after it was shown', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', demo);
  const user = editor(
    tempDir(t),
    text => {
      namerd.setDtab('default', `${demo};/theirs=>/x`);
      return `${text}/mine => /y ;\n`;
    },
    text => text.replace(/^#! this line is one.*\n/m, ''),
  );
  const { code, stdout } = await namerctlOf(namerd)(['edit', 'default'], user);
  assert.equal(
    user.seen[1],
    `#! Nothing is stored yet: somebody else changed default while you edited it. Their change:
#!    /cluster  => /#/io.l5d.fs ;
#!    /svc      => /cluster ;
#!   +/theirs   => /x ;
#! Below is your text, which does not have it. Save with any change to store yours in the place of theirs: deleting
#! this line is one. Leave the file as it is to give up.
# version AAAAAAAAAAI=
/cluster  => /#/io.l5d.fs ;
/svc      => /cluster ;
/mine => /y ;
`,
  );
  assert.equal(code, 0);
  assert.ok(stdout.endsWith('-/theirs   => /x ;\n+/mine     => /y ;\nUpdated default\n'), stdout);
  assert.equal((await namerctlOf(namerd)(['get', 'default', '--no-pretty'])).stdout, `${demo};/mine=>/y;\n`);
});

test('an unresolved conflict stores nothing and keeps the text', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', demo);
  const user = editor(
    tempDir(t),
    text => {
      namerd.setDtab('default', '/theirs=>/x');
      return `${text}/mine => /y ;\n`;
    },
    keep,
  );
  const { code, stderr } = await namerctlOf(namerd)(['edit', 'default'], user);
  assert.equal(code, 1);
  assert.match(stderr, /^namerctl: no change was stored: namespace default has changed since version AAAAAAAAAAE=/);
  assert.match(readFileSync(user.file, 'utf8'), /^\/mine => \/y ;$/m);
  assert.equal((await namerctlOf(namerd)(['get', 'default', '--no-pretty'])).stdout, '/theirs=>/x;\n');
});

test('if namerd is unreachable, the text stays in the file', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', demo);
  const folder = tempDir(t);
  const stopping = editor(folder, text => `${text}/mine=>/y`);
  const ran = await namerctlOf(namerd)(['edit', 'default'], {
    ...stopping,
    edit: async (command, file) => {
      const code = await stopping.edit(command, file);
      await namerd.stop();
      return code;
    },
  });
  assert.equal(ran.code, 69);
  assert.match(ran.stderr, /no change was stored: cannot reach .*; your text is saved in /);
  assert.match(readFileSync(stopping.file, 'utf8'), /\/mine/);
});

test('an editor that fails is said; what it saved is kept, an untouched draft is not', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', demo);
  const untouched = editor(tempDir(t), () => 3);
  const { code, stderr } = await namerctlOf(namerd)(['edit', 'default'], untouched);
  assert.equal(code, 1);
  assert.equal(stderr, 'namerctl: no change was stored: ed ended with 3\nChoose an editor with VISUAL or EDITOR.\n');
  assert.equal(existsSync(dirname(untouched.file)), false);
  const saved = editor(tempDir(t), text => `${text}/mine => /y ;\n`);
  const crashing = async (command: string, file: string) => {
    await saved.edit(command, file);
    return 'ended by SIGSEGV';
  };
  const crashed = await namerctlOf(namerd)(['edit', 'default'], { ...saved, edit: crashing });
  assert.equal(
    crashed.stderr,
    `namerctl: no change was stored: ed: ended by SIGSEGV; your text is saved in ${saved.file}\n`,
  );
  assert.match(readFileSync(saved.file, 'utf8'), /\/mine/);
});
