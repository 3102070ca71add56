/** diff, history and restore: what changes, and that nothing else does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { diffDtabs } from '../../src/namerctl/line-diff.ts';
import type { ShownDtab } from '../../src/namerctl/stored-dtab.ts';
import { startNamerd } from '../support/namerd.ts';
import { answering, namerctlOf } from './setup.ts';

const done = (stdout: string) => ({ code: 0, stdout, stderr: '' });

test('diff prints nothing where both mean the same, however they are written', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', '/a=>0.90*/b & /c;/\\x41=>/d');
  assert.deepEqual(
    await namerctlOf(namerd)(['diff', 'default', '-', '--exit-code'], {
      input: '# mine\n/a => .9 * /b & 1 * /c ;\n/A => (/d);\n',
    }),
    done(''),
  );
});

test('diff prints what is stored and what is in the file, with what stands around it', async t => {
  const namerd = await startNamerd(t);
  const rules = Array.from({ length: 12 }, (_, i) => `/r${i}=>/d${i}`);
  namerd.setDtab('default', rules.join(';'));
  const input = rules.with(6, '/r6-longer=>/other').toSpliced(11, 1).join(';');
  const stdout = `--- default version AAAAAAAAAAE=
+++ <stdin>
@@
 /r3         => /d3 ;
 /r4         => /d4 ;
 /r5         => /d5 ;
-/r6         => /d6 ;
+/r6-longer  => /other ;
 /r7         => /d7 ;
 /r8         => /d8 ;
 /r9         => /d9 ;
 /r10        => /d10 ;
-/r11        => /d11 ;
`;
  const namerctl = namerctlOf(namerd);
  assert.deepEqual(await namerctl(['diff', 'default', '-'], { input }), done(stdout));
  assert.deepEqual(await namerctl(['dtab', 'diff', '--exit-code', 'default', '-'], { input }), {
    ...done(stdout),
    code: 1,
  });
  assert.deepEqual(
    await namerctl(['diff', 'default', '-', '--json'], { input }),
    done(
      '{"namespace":"default","version":"AAAAAAAAAAE=","file":"<stdin>","changes":[{"op":"remove","prefix":"/r6","dst":"/d6"},' +
        '{"op":"add","prefix":"/r6-longer","dst":"/other"},{"op":"remove","prefix":"/r11","dst":"/d11"}]}\n',
    ),
  );
});

test('an order that differs is a difference, because the last rule wins', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', '/a=>/b;/a=>/c');
  assert.equal(
    (await namerctlOf(namerd)(['diff', 'default', '-'], { input: '/a=>/c;/a=>/b' })).stdout
      .split('\n')
      .slice(2)
      .join('\n'),
    '-/a  => /b ;\n /a  => /c ;\n+/a  => /b ;\n',
  );
});

test('differences are coloured on a terminal', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', '/a=>/b');
  const { stdout } = await namerctlOf(namerd)(['diff', 'default', '-'], { input: '/a=>/c', hasColour: true });
  assert.ok(stdout.endsWith('\x1b[31m-/a  => /b ;\x1b[0m\n\x1b[32m+/a  => /c ;\x1b[0m\n'), JSON.stringify(stdout));
});

test('property: a diff without what it adds is the old dtab, without what it removes the new one', () => {
  const dtab = fc.array(
    fc.constantFrom('/a', '/b', '/c', '/d').map(prefix => ({ prefix, dst: '/x' })),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(dtab, dtab, (before: ShownDtab, after: ShownDtab) => {
      const lines = diffDtabs(before, after);
      const without = (op: string) => lines.filter(line => line.op !== op).map(({ dentry }) => dentry);
      assert.deepEqual(without('add'), before);
      assert.deepEqual(without('remove'), after);
    }),
  );
});

test('history lists versions with what each changed; restore brings one back', async t => {
  const namerd = await startNamerd(t);
  const namerctl = namerctlOf(namerd);
  for (const dtab of ['/a=>/b', '/a=>/b;/c=>/d', '/a=>/x']) namerd.setDtab('default', dtab);
  assert.deepEqual(
    await namerctl(['history', 'default']),
    done(`VERSION       AT                        DENTRIES  CHANGE
AAAAAAAAAAM=  2026-01-01T00:03:00.000Z  1         +1 -2
AAAAAAAAAAI=  2026-01-01T00:02:00.000Z  2         +1 -0
AAAAAAAAAAE=  2026-01-01T00:01:00.000Z  1
`),
  );
  assert.equal(
    (await namerctl(['history', 'default', '--diff'])).stdout.split('\n').slice(2, 5).join('\n'),
    '  -/a  => /b ;\n  -/c  => /d ;\n  +/a  => /x ;',
  );
  const [newest] = JSON.parse((await namerctl(['history', 'default', '--json'])).stdout);
  assert.deepEqual(newest, {
    version: 'AAAAAAAAAAM=',
    at: '2026-01-01T00:03:00.000Z',
    dtab: [{ prefix: '/a', dst: '/x' }],
  });
  assert.deepEqual(
    await namerctl(['restore', 'default', 'AAAAAAAAAAI=', '--dry-run']),
    done('-/a  => /x ;\n+/a  => /b ;\n+/c  => /d ;\n'),
  );
  assert.deepEqual(
    await namerctl(['restore', 'default', 'AAAAAAAAAAI=']),
    done('Restored default to AAAAAAAAAAI=, now AAAAAAAAAAQ=\n'),
  );
  assert.equal((await namerctl(['get', 'default', '--no-pretty'])).stdout, '/a=>/b;/c=>/d;\n');
  assert.deepEqual(
    await namerctl(['restore', 'default', 'AAAAAAAAAAE=', '--json']),
    done('{"namespace":"default","restored":"AAAAAAAAAAE=","version":"AAAAAAAAAAU="}\n'),
  );
});

test('no such version, no such namespace and a namerd without history are told apart', async t => {
  const namerd = await startNamerd(t);
  const namerctl = namerctlOf(namerd);
  namerd.setDtab('default', '/a=>/b');
  const failed = (stderr: string) => ({ code: 1, stdout: '', stderr });
  assert.deepEqual(
    await namerctl(['restore', 'default', 'A=']),
    failed('namerctl: no history for namespace default: it does not have version A=\n'),
  );
  assert.deepEqual(
    await namerctl(['history', 'x']),
    failed(`namerctl: namespace x does not exist at ${namerd.url}\nSee what there is with: namerctl list\n`),
  );
  const old = await answering(t, ({ method }) => ({ status: method === 'HEAD' ? 200 : 404, headers: { etag: 'A=' } }));
  assert.deepEqual(
    await namerctlOf(old)(['history', 'default']),
    failed('namerctl: no history for namespace default: this namerd keeps none\n'),
  );
});
