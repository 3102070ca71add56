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

test('diff shows rules that change, go and come, how many there are, and the command that applies it', async t => {
  const namerd = await startNamerd(t);
  const rules = Array.from({ length: 12 }, (_, i) => `/r${i}=>/d${i}`);
  namerd.setDtab('default', rules.join(';'));
  const input = rules.with(6, '/r6-longer=>/other').with(8, '/r8=>/e8').toSpliced(11, 1).join(';');
  const stdout = `default (version 1)  →  <stdin>
  - /r6          => /d6
  + /r6-longer   => /other
  ~ /r8          /d8  →  /e8
  - /r11         => /d11
1 changed, 2 removed, 1 added. Names affected: /r6, /r6-longer, /r8, /r11
Apply with: namerctl update default -
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
        '{"op":"add","prefix":"/r6-longer","dst":"/other"},{"op":"remove","prefix":"/r8","dst":"/d8"},' +
        '{"op":"add","prefix":"/r8","dst":"/e8"},{"op":"remove","prefix":"/r11","dst":"/d11"}]}\n',
    ),
  );
});

test('an order that differs is a difference, because the last rule wins', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', '/a=>/b;/a=>/c');
  assert.equal(
    (await namerctlOf(namerd)(['diff', 'default', '-'], { input: '/a=>/c;/a=>/b' })).stdout
      .split('\n')
      .slice(1, 3)
      .join('\n'),
    '  - /a   => /b\n  + /a   => /b',
  );
});

test('differences are coloured on a terminal', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', '/a=>/b');
  const { stdout } = await namerctlOf(namerd)(['diff', 'default', '-'], { input: '/a=>/c', hasColour: true });
  assert.ok(stdout.includes('\x1b[33m  ~ /a   /b  →  /c\x1b[0m\n'), JSON.stringify(stdout));
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

test('history lists versions with when, who and what; restore brings one back', async t => {
  const namerd = await startNamerd(t);
  const namerctl = namerctlOf(namerd);
  for (const dtab of ['/a=>/b', '/a=>/b;/c=>/d', '/a=>/x;/c=>/d']) namerd.setDtab('default', dtab);
  assert.deepEqual(
    await namerctl(['history', 'default']),
    done(`VERSION  WHEN                      BY  CHANGE
3 *      2026-01-01T00:03:00.000Z  -   /a: /b → /x
2        2026-01-01T00:02:00.000Z  -   added /c => /d
1        2026-01-01T00:01:00.000Z  -   1 rule
`),
  );
  assert.equal((await namerctl(['history', 'default', '--diff'])).stdout.split('\n')[2], '  ~ /a   /b  →  /x');
  const [newest] = JSON.parse((await namerctl(['history', 'default', '--json'])).stdout);
  assert.deepEqual(newest, {
    number: 3,
    version: 'AAAAAAAAAAM=',
    at: '2026-01-01T00:03:00.000Z',
    current: true,
    dtab: [
      { prefix: '/a', dst: '/x' },
      { prefix: '/c', dst: '/d' },
    ],
  });
  assert.deepEqual(
    await namerctl(['restore', 'default', '1', '--dry-run']),
    done(
      '  ~ /a   /x  →  /b\n  - /c   => /d\n1 changed, 1 removed. Names affected: /a, /c\nApply with: namerctl restore default 1\n',
    ),
  );
  assert.deepEqual(
    await namerctl(['restore', 'default', '2']),
    done('Restored default to 2: version 3 → 4.   Undo: namerctl restore default 3\n'),
  );
  assert.equal((await namerctl(['get', 'default', '--no-pretty'])).stdout, '/a=>/b;/c=>/d;\n');
  assert.deepEqual(
    await namerctl(['restore', 'default', 'AAAAAAAAAAE=', '--json']),
    done('{"namespace":"default","restored":"AAAAAAAAAAE=","version":"AAAAAAAAAAU="}\n'),
  );
});

test('a person sees when a version was written relative to now, and what to do next', async t => {
  const namerd = await startNamerd(t);
  for (const dtab of ['/a=>/b', '/a=>/c']) namerd.setDtab('default', dtab);
  const { stdout } = await namerctlOf(namerd)(['history', 'default'], { isTty: true });
  assert.equal(
    stdout,
    `VERSION  WHEN            BY  CHANGE
2 *      58 minutes ago  -   /a: /b → /c
1        59 minutes ago  -   1 rule
* current.  Every rule: namerctl history default --diff  Undo: namerctl restore default 1
`,
  );
});

test('history shows authors, deletions and restored versions, and fetches as many pages as it needs', async t => {
  const at = '2026-01-01T00:00:00.000Z';
  const rows = [
    { number: 4, version: 'D=', at, by: 'ann', restoredFrom: 2, current: true, dtab: '/a=>/b' },
    { number: 3, version: 'C=', at, by: 'deploy', deleted: true },
    { number: 2, version: 'B=', at, by: 'deploy', dtab: '/a=>9*/b & 1*/c' },
    { number: 1, version: 'A=', at, dtab: '/a=>/b' },
  ];
  const server = await answering(t, ({ url }) => {
    const before = Number(new URL(url, 'http://x').searchParams.get('before') ?? 5);
    const [first, second, third] = rows.filter(({ number }) => number < before);
    const next = third === undefined ? undefined : second!.number;
    return { status: 200, body: JSON.stringify({ versions: [first, second].filter(row => row), next }) };
  });
  assert.deepEqual(
    await namerctlOf(server)(['history', 'x']),
    done(`VERSION  WHEN                      BY      CHANGE
4 *      2026-01-01T00:00:00.000Z  ann     restored 2
3        2026-01-01T00:00:00.000Z  deploy  deleted
2        2026-01-01T00:00:00.000Z  deploy  /a: /b → 90% /b, 10% /c
1        2026-01-01T00:00:00.000Z  -       1 rule
`),
  );
  assert.equal((await namerctlOf(server)(['history', 'x', '--limit', '1'])).stdout.split('\n').length, 3);
  assert.equal((await namerctlOf(server)(['history', 'x', '--limit', 'all'])).code, 64);
});

test('the older form of the history, a list, is understood', async t => {
  const list = [{ version: 'B=', at: 1_767_225_600_000, dtab: [{ prefix: '/a', dst: '/b' }] }];
  const server = await answering(t, ({ url }) =>
    url.includes('/history')
      ? { status: 200, body: JSON.stringify(list) }
      : { status: 200, headers: { etag: 'B=' }, body: '[]' },
  );
  assert.match(
    (await namerctlOf(server)(['history', 'x'])).stdout,
    /\nB= \* {5}2026-01-01T00:00:00\.000Z {2}- {3}1 rule\n$/,
  );
});

test('a missing version, a missing namespace and a namerd without history have different messages', async t => {
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
    failed(`namerctl: namespace x does not exist at ${namerd.url}; there are: default\n`),
  );
  const old = await answering(t, ({ method }) => ({ status: method === 'HEAD' ? 200 : 404, headers: { etag: 'A=' } }));
  assert.deepEqual(
    await namerctlOf(old)(['history', 'default']),
    failed('namerctl: no history for namespace default: this namerd keeps none\n'),
  );
});
