/** namerctl and namerd: a day of an operator. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namerctlOf } from '../namerctl/setup.ts';
import { startOwnNamerd } from '../support/namerd-own.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

const done = (stdout: string) => ({ code: 0, stdout, stderr: '' });

test('create, explain, split, look back, restore, delete', async t => {
  const folder = tempDir(t);
  folder.write('disco/redis1', '10.0.0.1 6379\n');
  folder.write('disco/redis2', '10.0.0.2 6379\n10.0.0.3 6379\n');
  const config = `admin: {port: 0}
storage: {kind: io.l5d.sqlite, path: dtabs.sqlite}
namers: [{kind: io.l5d.fs, rootDir: disco}]
interfaces: [{kind: io.l5d.httpController, port: 0}]
`;
  const namerctl = namerctlOf(await startOwnNamerd(t, { folder, config }));
  const rules = '/cluster => /#/io.l5d.fs ;\n/svc => /cluster ;\n/svc/redis => /cluster/redis1 ;\n';
  assert.deepEqual(await namerctl(['create', 'default', '-'], { input: rules }), done('Created default\n'));
  assert.deepEqual(
    await namerctl(['explain', '/svc/redis']),
    done(`/svc/redis
├─ /cluster/redis1  (/svc/redis => /cluster/redis1)
│  └─ /#/io.l5d.fs/redis1  (/cluster => /#/io.l5d.fs)  ✓ 10.0.0.1:6379
└─ /cluster/redis  (/svc => /cluster)
   └─ /#/io.l5d.fs/redis  (/cluster => /#/io.l5d.fs)  ✗ nothing there
`),
  );
  const first = JSON.parse((await namerctl(['get', 'default', '--json'])).stdout).version;
  const split = await namerctl(['split', 'default', '/svc/redis', 'redis1=90', 'redis2=10']);
  assert.equal(
    split.stdout,
    `default  /svc/redis
    /cluster/redis1   100%  →  90%   1 address
  + /cluster/redis2     0%  →  10%   2 addresses
Updated default: version 1 → 2.   Undo: namerctl restore default 1
`,
  );
  assert.equal((await namerctl(['split', 'default', '/svc/redis', 'redis1=90', 'purple=10'])).code, 1);
  // A name follows its dtab a moment later.
  const drawn = await until(async () => {
    const { stdout } = await namerctl(['bind', '/svc/redis']);
    return stdout.includes('divided') && stdout;
  }, 'the split to be bound');
  assert.equal(
    drawn,
    `/svc/redis
└─ divided among
   ├─ 90%  /#/io.l5d.fs/redis1  10.0.0.1:6379
   └─ 10%  /#/io.l5d.fs/redis2  10.0.0.2:6379, 10.0.0.3:6379
`,
  );
  assert.match(
    (await namerctl(['explain', '/svc/redis'])).stdout,
    /^│ {2}├─ 90% {2}\/cluster\/redis1\n│ {2}│ {2}└─ \/#\/io\.l5d\.fs\/redis1 .* ✓ 10\.0\.0\.1:6379$/m,
  );
  assert.match(
    (await namerctl(['history', 'default', '--diff'])).stdout,
    /^ {2}~ \/svc\/redis {3}\/cluster\/redis1 {2}→ {2}90% \/cluster\/redis1, 10% \/cluster\/redis2$/m,
  );
  assert.match(
    (await namerctl(['restore', 'default', first])).stdout,
    /^Restored default to \S+: version 2 → 3\. {3}Undo: namerctl restore default 2\n$/,
  );
  assert.deepEqual(await namerctl(['diff', 'default', '-', '--exit-code'], { input: rules }), done(''));
  await until(
    async () => !(await namerctl(['bind', '/svc/redis'])).stdout.includes('divided'),
    'what was restored to be bound',
  );
  assert.deepEqual(await namerctl(['resolve', '/svc/redis']), done('10.0.0.1:6379\n'));
  assert.equal((await namerctl(['update', 'default', '-', '--version', first], { input: rules })).code, 1);
  assert.equal((await namerctl(['delete', 'default', '--version', first])).code, 1);
  const { version } = JSON.parse((await namerctl(['get', 'default', '--json'])).stdout);
  assert.deepEqual(
    await namerctl(['rm', 'default', '--version', version]),
    done('Deleted default.   Undo: namerctl restore default 3\n'),
  );
  assert.equal((await namerctl(['get', 'default'])).code, 1);
  assert.match(
    (await namerctl(['explain', '/svc/redis'])).stderr,
    /namespace default does not exist at .*; there are none/,
  );
  assert.equal((await namerctl(['restore', 'default', first])).code, 0);
  assert.deepEqual(await namerctl(['list']), done('default\n'));
  // Every command that writes or tries a dtab warns of a loop and of an unknown namer.
  const loop = { input: '/a => /b ;\n/b => /a ;\n/c => /#/io.l5d.consul ;\n' };
  for (const args of [
    ['create', 'loop', '-'],
    ['update', 'loop', '-'],
    ['update', 'loop', '-', '--dry-run'],
  ]) {
    const { code, stderr } = await namerctl(args, loop);
    assert.deepEqual(
      [code, stderr.replaceAll('namerctl: warning: ', '')],
      [
        0,
        'loop: leads back to itself: /a=>/b → /b=>/a\nloop: /#/io.l5d.consul: no namer has that prefix; there are /#/io.l5d.fs\n',
      ],
    );
  }
  assert.deepEqual(await namerctl(['explain', '-n', 'loop', '/a']), {
    code: 1,
    stdout: '/a\n└─ /b  (/a => /b)\n   └─ ↻ /a  (/b => /a)  leads back to the start: the name can never resolve\n',
    stderr: '',
  });
  const bound = await namerctl(['bind', '-n', 'loop', '/a']);
  assert.deepEqual([bound.code, /recursion/.test(bound.stderr)], [1, true]);
});

test('a store without a history says so', async t => {
  const namerctl = namerctlOf(await startOwnNamerd(t));
  await namerctl(['create', 'default', '-'], { input: '/a=>/b' });
  const { code, stderr } = await namerctl(['history', 'default']);
  assert.equal(code, 1);
  assert.match(stderr, /^namerctl: no history for namespace default: /);
});

test('a token allows exactly its rights, and a refusal names the missing one', async t => {
  const folder = tempDir(t);
  folder.write('ops.token', 'the-token-of-operators\n');
  folder.write('ci.token', 'the-token-of-the-builds\n');
  const config = `admin: {port: 0}
storage: {kind: io.l5d.inMemory}
interfaces:
- kind: io.l5d.httpController
  port: 0
  auth:
    tokens:
    - {name: ops, tokenFile: ops.token, write: ['*']}
    - {name: ci, tokenFile: ci.token, read: [web], write: [team-a-*]}
`;
  const namerd = await startOwnNamerd(t, { folder, config });
  const as = (env: Readonly<Record<string, string>>) => (args: readonly string[], input?: string) =>
    namerctlOf(namerd)(args, { env, input, folder: folder.path });
  const [ops, ci] = [as({ NAMERCTL_TOKEN_FILE: 'ops.token' }), as({ NAMERCTL_TOKEN: 'the-token-of-the-builds' })];
  assert.deepEqual(await ops(['create', 'web', '-'], '/svc => /srv/a ;'), done('Created web\n'));
  assert.equal((await ci(['create', 'team-a-x', '-'], '/a => /b')).code, 0);
  assert.deepEqual(await ci(['get', 'web', '--no-pretty']), done('/svc=>/srv/a;\n'));
  const refused = await ci(['split', 'web', '/svc', 'a=90', 'b=10', '--force']);
  assert.equal(refused.code, 77);
  assert.match(refused.stderr, / does not allow this \(403\): .*ci is not allowed to write namespace web/);
  assert.match(refused.stderr, /\nAsk its operator for the permissions of the token of NAMERCTL_TOKEN\.\n$/);
  for (const [env, advice] of [
    [{}, /\nGive a token with --token-file, /],
    [{ NAMERCTL_TOKEN: 'the-token-of-a-stranger' }, /\nIt does not take the token of NAMERCTL_TOKEN: wrong, expired, /],
  ] as const)
    for (const args of [['list'], ['delete', 'web'], ['watch', 'web']]) {
      const { code, stdout, stderr } = await as(env)(args);
      assert.deepEqual([code, stdout], [77, '']);
      assert.match(stderr, / did not accept your credentials \(401\): /);
      assert.match(stderr, advice);
      assert.doesNotMatch(stderr, /the-token-of/);
    }
  assert.deepEqual(await ops(['split', 'web', '/svc', 'b=100', '--json', '--force'], ''), {
    ...done(
      '{"namespace":"web","prefix":"/svc","updated":true,"shares":[{"path":"/srv/b","weight":100,"share":"100%",' +
        '"before":"0%","addresses":0}],"changes":[{"op":"remove","prefix":"/svc","dst":"/srv/a"},{"op":"add","prefix":"/svc","dst":"/srv/b"}]}\n',
    ),
  });
});
