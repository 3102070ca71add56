/** split: what paths and bare names mean, that only one dentry changes, and what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parsePath } from '../../src/dtab/parse.ts';
import { showPath } from '../../src/dtab/show.ts';
import { parseShares, placeShares } from '../../src/namerctl/split-shares.ts';
import { boundJson, leafJson, startNamerd } from '../support/namerd.ts';
import { answering, namerctlOf } from './setup.ts';

const demo = '/cluster=>/#/io.l5d.fs;/svc=>/cluster;/svc/redis=>/cluster/redis1';
const done = (stdout: string) => ({ code: 0, stdout, stderr: '' });

test('split rewrites the one rule of a prefix, and shows each share before and after', async t => {
  const namerd = await startNamerd(t);
  const namerctl = namerctlOf(namerd);
  namerd.setDtab('default', demo);
  namerd.setBind(
    'default',
    '/cluster/redis1',
    leafJson('/#/io.l5d.fs/redis1', boundJson(['10.0.0.1:1', '10.0.0.2:1'])),
  );
  namerd.setBind('default', '/cluster/redis2', leafJson('/#/io.l5d.fs/redis2', boundJson(['10.0.0.3:1'])));
  const args = ['split', 'default', '/svc/redis', '/cluster/redis1=90', '/cluster/redis2=10%'];
  const table = `default  /svc/redis
    /cluster/redis1   100%  →  90%   2 addresses
  + /cluster/redis2     0%  →  10%   1 address
`;
  assert.deepEqual(await namerctl([...args, '--dry-run']), done(`${table}Nothing was changed\n`));
  assert.equal((await namerctl(['get', 'default', '--no-pretty'])).stdout, `${demo};\n`);
  assert.deepEqual(
    await namerctl(args),
    done(`${table}Updated default: version 1 → 2.   Undo: namerctl restore default 1\n`),
  );
  assert.equal(
    (await namerctl(['get', 'default', '--no-pretty'])).stdout,
    '/cluster=>/#/io.l5d.fs;/svc=>/cluster;/svc/redis=>90.00*/cluster/redis1 & 10.00*/cluster/redis2;\n',
  );
  assert.deepEqual(
    await namerctl(args),
    done('Nothing was changed: /svc/redis is already 90% /cluster/redis1, 10% /cluster/redis2\n'),
  );
  assert.deepEqual(
    await namerctl(['dtab', 'split', 'default', '/svc/redis', 'redis2=100', '--json']),
    done(
      '{"namespace":"default","prefix":"/svc/redis","updated":true,"shares":[{"path":"/cluster/redis2","weight":100,"share":"100%",' +
        '"before":"10%","addresses":1}],' +
        '"changes":[{"op":"remove","prefix":"/svc/redis","dst":"90.00*/cluster/redis1 & 10.00*/cluster/redis2"},' +
        '{"op":"add","prefix":"/svc/redis","dst":"/cluster/redis2"}]}\n',
    ),
  );
});

test('split refuses a destination that resolves to nothing, unless --force is given', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', demo);
  namerd.setBind('default', '/cluster/redis1', leafJson('/#/io.l5d.fs/redis1', boundJson(['10.0.0.1:1'])));
  namerd.setBind('default', '/cluster/purple', { type: 'neg' });
  const args = ['split', 'default', '/svc/redis', 'redis1=50', 'purple=50'];
  for (const more of [[], ['--dry-run']])
    assert.deepEqual(await namerctlOf(namerd)([...args, ...more]), {
      code: 1,
      stdout: `default  /svc/redis
    /cluster/redis1   100%  →  50%   1 address
  + /cluster/purple     0%  →  50%   ✗ resolves to nothing
`,
      stderr:
        'namerctl: cannot split traffic in namespace default: /cluster/purple resolves to nothing, so that share of the connections would fail\n' +
        'Nothing was changed. See why with: namerctl explain -n default /cluster/purple; or use --force.\n',
    });
  assert.equal((await namerctlOf(namerd)([...args, '--force'])).code, 0);
  // A destination without traffic need not resolve.
  assert.equal((await namerctlOf(namerd)(['split', 'default', '/svc/redis', 'redis1=1', 'purple=0'])).code, 0);
});

for (const [rule, words, becomes] of [
  ['/srv/a', 'a=90 b=10', '90.00*/srv/a & 10.00*/srv/b'],
  ['/srv/a', 'b=100', '/srv/b'],
  ['9*/srv/a & 1*/srv/b', 'b=50 a=50', '50.00*/srv/b & 50.00*/srv/a'],
  ['(/srv/a & /srv/b)', 'c=100', '/srv/c'],
  ['/#/io.l5d.fs/redis1', 'redis1=1 redis2=3', '/#/io.l5d.fs/redis1 & 3.00*/#/io.l5d.fs/redis2'],
  ['/srv/dc1/web', 'web=80 web-v2=20', '80.00*/srv/dc1/web & 20.00*/srv/dc1/web-v2'],
  ['/srv/a', 'a=90 /other/b=10', '90.00*/srv/a & 10.00*/other/b'],
  ['/dc1/a & /dc2/b', 'a=1 b=3', '/dc1/a & 3.00*/dc2/b'],
  ['/dc1/a & /dc1/a & /dc2/b', 'a=1 b=3', '/dc1/a & 3.00*/dc2/b'],
  ['/a', 'a=90 b=10', '90.00*/a & 10.00*/b'],
  ['/srv/a', 'a=100 b=0', '100.00*/srv/a & 0.00*/srv/b'],
  ['/srv/a', 'a=33% b=33% c=33%', '33.00*/srv/a & 33.00*/srv/b & 33.00*/srv/c'],
  ['/srv/a', 'a=9 b=2', '9.00*/srv/a & 2.00*/srv/b'],
  ['/srv/x\\x20y', '\\x78\\x20\\x79=1 b=1', '/srv/\\x78\\x20\\x79 & /srv/b'],
  ['/srv/a | /backup/a', '/srv/b=100', '/srv/b'],
] as const)
  test(`where /svc/web is ${rule}, ${words} makes it ${becomes}`, async t => {
    const namerd = await startNamerd(t);
    namerd.setDtab('default', `/svc=>/all;/svc/web=>${rule}`);
    const { code, stderr } = await namerctlOf(namerd)(['split', 'default', '/svc/web', ...words.split(' '), '--force']);
    assert.equal(stderr, '');
    assert.equal(code, 0);
    const { stdout } = await namerctlOf(namerd)(['get', 'default', '--no-pretty']);
    assert.equal(stdout, `/svc=>/all;/svc/web=>${becomes};\n`);
  });

for (const [rule, words, shown, why] of [
  ['/cluster', 'a=90 b=10', 'a', 'the rule is now /cluster, which is none of your names'],
  ['/#/io.l5d.fs', 'a=90 b=10', 'a', 'the rule is now /#/io.l5d.fs, which is none of your names'],
  ['/srv/a | /srv/b', 'a=90 b=10', 'a', 'the rule is now /srv/a | /srv/b, more than paths with weights'],
  ['/srv/a & (/srv/b | ~)', 'a=90 b=10', 'a', 'the rule is now /srv/a & (/srv/b | ~), more than paths with weights'],
  ['~', 'a=90 b=10', 'a', 'the rule is now ~, more than paths with weights'],
  ['/', 'a=90 b=10', 'a', 'the rule is now /, where the last part is no name'],
  ['/$/inet/127.1/80', '80=1 81=1', '80', 'the rule is now /$/inet/127.1/80, where the last part is no name'],
  ['/dc1/a & /dc2/b', 'a=1 c=3', 'c', 'the rule is now /dc1/a & /dc2/b, destinations with different parents'],
  [
    '/dc1/web & /dc2/web',
    'web=1 b=1',
    'web',
    'the rule is now /dc1/web & /dc2/web, destinations with different parents',
  ],
] as const)
  test(`where /svc/web is ${rule}, ${words} is refused and nothing stored`, async t => {
    const namerd = await startNamerd(t);
    namerd.setDtab('default', `/svc/web=>${rule}`);
    assert.deepEqual(await namerctlOf(namerd)(['split', 'default', '/svc/web', ...words.split(' ')]), {
      code: 1,
      stdout: '',
      stderr: `namerctl: cannot split traffic in namespace default: cannot tell which path ${shown} refers to: ${why}; give full paths, like /cluster/a=90\n`,
    });
    assert.deepEqual(namerd.requests(), ['GET /api/1/dtabs/default']);
  });

test('property: bare names are where the same names are as whole paths, and nothing else changes places', () => {
  const label = fc.stringMatching(/^[0-9A-Za-z_:.#%-]{1,6}$/);
  const parent = fc.array(label, { minLength: 1, maxLength: 3 }).filter(([first]) => !/^[#%]$/.test(first));
  const names = fc.uniqueArray(label, { minLength: 2, maxLength: 4 });
  fc.assert(
    fc.property(parent, names, fc.array(fc.integer({ min: 1, max: 99 }), { minLength: 4 }), (above, words, weights) => {
      const folder = showPath(above);
      const dst = words.map((name, i) => `${weights[i]} * ${folder}/${name}`).join(' & ');
      const placed = (prefix: string) =>
        placeShares(parseShares(words.map((name, i) => `${prefix}${name}=${weights[i]}`)), dst, 'x');
      assert.deepEqual(placed(''), placed(`${folder}/`));
      assert.deepEqual(
        placed('').map(({ path }) => path),
        words.map(name => [...parsePath(folder), name]),
      );
    }),
  );
});

test('split refuses to overwrite a concurrent change', async t => {
  const server = await answering(t, ({ method }) =>
    method === 'PUT'
      ? { status: 412 }
      : { status: 200, headers: { etag: 'A=' }, body: '[{"prefix":"/a","dst":"/b/x"}]' },
  );
  const { code, stderr } = await namerctlOf(server)(['split', 'default', '/a', 'x=1', 'y=1']);
  assert.equal(code, 1);
  assert.match(stderr, /^namerctl: namespace default has changed since version A=: it is now at A=\n/);
  assert.equal(server.heard.find(({ method }) => method === 'PUT')?.headers['if-match'], 'A=');
});

test('split refuses a server that sends no version', async t => {
  const server = await answering(t, () => ({ status: 200, body: '[{"prefix":"/a","dst":"/b"}]' }));
  const { code, stderr } = await namerctlOf(server)(['split', 'default', '/a', '/c=100']);
  assert.equal(code, 76);
  assert.match(stderr, /no ETag header/);
});

for (const [args, code, message] of [
  [
    ['/svc/none', '/a=100'],
    1,
    'cannot split traffic in namespace default: no rule for /svc/none; add one with: namerctl edit default',
  ],
  [
    ['/svc/rediss', 'a=100'],
    1,
    'cannot split traffic in namespace default: no rule for /svc/rediss (did you mean /svc/redis?); add one with: namerctl edit default',
  ],
  [
    ['/twice', '/a=100'],
    1,
    'cannot split traffic in namespace default: 2 rules for /twice, tried from the last to the first;',
  ],
  [['/svc', '/a'], 64, '/a: expected a path and its weight, like /cluster/a=90, or a name beside the present one,'],
  [['/svc', '/a=many'], 64, '/a=many: expected a path and its weight'],
  [['/svc', '/a=-1'], 64, '/a=-1: expected a path and its weight'],
  [['/svc', 'v1/a=1', 'b=1'], 64, 'v1/a=1: a bare name has one part; a path begins with a slash, like /v1/a=1'],
  [['/svc', 'a b=1', 'b=1'], 64, 'a b=1: "a b" is neither a path nor a name'],
  [['/svc', '=1', 'b=1'], 64, '=1: there is no name'],
  [['/svc', '/a=0', '/b=0%'], 64, 'every weight is 0'],
  [['/svc/redis', '/a=1', '/a=2'], 64, '/a is given twice'],
  [['/svc/redis', '/cluster/a=1', 'a=2'], 64, '/cluster/a is given twice'],
  [['/svc', '/a=90%', '/b=20%'], 64, 'the shares are 110% together; weights without % are parts of their sum'],
  [['/svc', '/a=10'], 64, '/a=10: a single share gets all traffic; write 100 for that, or say where the rest goes'],
  [['/svc', '/a=10%'], 64, 'the shares are 10% together'],
  [['svc', '/a=100'], 64, "prefix svc: '/' expected but 's' found"],
  [['/svc'], 64, "missing required argument 'share'"],
] as const)
  test(`split default ${args.join(' ')} is refused`, async t => {
    const namerd = await startNamerd(t);
    namerd.setDtab('default', `${demo};/twice=>/a;/twice=>/b`);
    const ran = await namerctlOf(namerd)(['split', 'default', ...args]);
    assert.equal(ran.code, code);
    assert.equal(ran.stdout, '');
    assert.ok(ran.stderr.startsWith(`namerctl: ${message}`), ran.stderr);
  });
