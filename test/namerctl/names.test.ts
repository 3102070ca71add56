/** explain, bind, resolve: what is asked, and the drawings. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boundJson, type Json, leafJson, startNamerd, unionJson } from '../support/namerd.ts';
import { answering, namerctl, namerctlOf } from './setup.ts';

const done = (stdout: string) => ({ code: 0, stdout, stderr: '' });
const bound = (id: string, addr: Json, path = '/'): Json => ({ addr, id, path });

test('explain draws every step, where traffic goes, what stands by and where ways end', async t => {
  const namerd = await startNamerd(t);
  const rule = (prefix: string, dst: string) => ({ prefix, dst });
  namerd.setDelegate('default', '/svc/redis', {
    type: 'alt',
    path: '/svc/redis',
    alt: [
      { type: 'neg', path: '/nowhere/redis', dentry: rule('/svc', '/nowhere') },
      {
        type: 'union',
        path: '/split/redis',
        dentry: rule('/svc', '/split'),
        union: [
          {
            weight: 9,
            tree: {
              type: 'leaf',
              path: '/#/io.l5d.fs/redis',
              dentry: rule('/split', '9.00*/#/io.l5d.fs & /b'),
              bound: bound('/#/io.l5d.fs/redis', boundJson(['10.0.0.1:6379', '::1:6379'])),
            },
          },
          { weight: 1, tree: { type: 'exception', path: '/b/redis', message: 'it broke' } },
        ],
      },
      {
        type: 'delegate',
        path: '/old/redis',
        dentry: rule('/svc', '/old'),
        delegate: {
          type: 'leaf',
          path: '/$/inet/127.1/80/redis',
          dentry: rule('/old', '/$/inet/127.1/80'),
          bound: bound('/$/inet/127.1/80', boundJson(['127.0.0.1:80']), '/redis'),
        },
      },
      { type: 'neg', path: '~', dentry: rule('/svc', '~') },
      { type: 'fail', path: '!', dentry: rule('/svc', '!') },
      { type: 'empty', path: '$', dentry: rule('/svc', '$') },
      {
        type: 'leaf',
        path: '/#/io.l5d.fs/gone',
        dentry: rule('/svc', '/#/io.l5d.fs/gone'),
        bound: bound('/#/io.l5d.fs/gone', { type: 'neg' }),
      },
    ],
  });
  assert.deepEqual(
    await namerctlOf(namerd)(['explain', '/svc/redis']),
    done(`/svc/redis
├─ /nowhere/redis  (/svc => /nowhere)  ✗ nothing there
├─ /split/redis  (/svc => /split)
│  ├─ 90%  /#/io.l5d.fs/redis  (/split => 9.00*/#/io.l5d.fs & /b)  ✓ 10.0.0.1:6379, [::1]:6379
│  └─ 10%  /b/redis  ✗ it broke
├─ /old/redis  (/svc => /old)
│  └─ /$/inet/127.1/80/redis  (/old => /$/inet/127.1/80)  · /$/inet/127.1/80 + /redis 127.0.0.1:80
├─ ✗ ~ (nothing)  (/svc => ~)
├─ ✗ ! (fail: nothing else is tried)  (/svc => !)
├─ ✗ $ (no addresses, and nothing else is tried)  (/svc => $)
└─ /#/io.l5d.fs/gone  (/svc => /#/io.l5d.fs/gone)  ✗ no addresses
`),
  );
  const { stdout } = await namerctlOf(namerd)(['explain', '/svc/redis', '--json']);
  assert.equal(JSON.parse(stdout).alt.length, 7);
  const coloured = (await namerctlOf(namerd)(['explain', '/svc/redis'], { hasColour: true })).stdout;
  assert.ok(coloured.includes('\x1b[32m✓ 10.0.0.1:6379'), JSON.stringify(coloured));
});

test('the namespace and the dentries to try out go to namerd', async t => {
  const server = await answering(t, () => ({ status: 200, body: '{"type":"neg","path":"/a"}' }));
  await namerctlOf(server)(['explain', '/a', '-n', 'staging', '--dtab', '/a => /#/b']);
  await namerctlOf(server)(['resolve', '--namespace=other', '/#/x']);
  await namerctlOf(server)(['bind', '/a b'.replace(' ', '\\x20')]);
  assert.deepEqual(
    server.heard.map(({ url }) => url),
    [
      '/api/1/delegate/staging?path=%2Fa&dtab=%2Fa+%3D%3E+%2F%23%2Fb',
      '/api/1/resolve/other?path=%2F%23%2Fx',
      '/api/1/bind/default?path=%2F%5Cx61%5Cx20%5Cx62',
    ],
  );
});

test('bind draws what a name is bound to', async t => {
  const namerd = await startNamerd(t);
  const many = Array.from({ length: 7 }, (_, i) => `10.0.0.${i}:80`);
  namerd.setBind(
    'default',
    '/svc/web',
    unionJson(
      [0.9, leafJson('/#/io.l5d.fs/v1', boundJson(many))],
      [
        0.1,
        { type: 'alt', alt: [leafJson('/#/io.l5d.fs/v2', boundJson([]), '/rest'), { type: 'neg' }, { type: 'fail' }] },
      ],
    ),
  );
  assert.deepEqual(
    await namerctlOf(namerd)(['bind', '/svc/web']),
    done(`/svc/web
└─ divided among
   ├─ 90%  /#/io.l5d.fs/v1  10.0.0.0:80, 10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80, 10.0.0.4:80, and 2 more
   └─ 10%  the first of
      ├─ /#/io.l5d.fs/v2 + /rest  no addresses
      ├─ ~ (nothing)
      └─ ! (fail)
`),
  );
});

test('resolve prints one address per line', async t => {
  const namerd = await startNamerd(t);
  namerd.setResolve('default', '/svc/web', boundJson(['10.0.0.1:80', '::1:81']));
  assert.deepEqual(await namerctlOf(namerd)(['resolve', '/svc/web']), done('10.0.0.1:80\n[::1]:81\n'));
  assert.deepEqual(
    await namerctlOf(namerd)(['resolve', '/svc/web', '--json']),
    done(
      '{"type":"bound","addrs":[{"ip":"10.0.0.1","port":80,"meta":{}},{"ip":"::1","port":81,"meta":{}}],"meta":{}}\n',
    ),
  );
});

test('a name without addresses ends with 1 and says how to see why', async t => {
  const namerd = await startNamerd(t);
  const hint = 'See why with: namerctl explain --namespace default /svc/x\n';
  assert.deepEqual(await namerctlOf(namerd)(['resolve', '/svc/x']), {
    code: 1,
    stdout: '',
    stderr: `namerctl: /svc/x has no addresses in namespace default: there are none just now\n${hint}`,
  });
  assert.deepEqual(await namerctlOf(namerd)(['bind', '/svc/x']), {
    code: 1,
    stdout: '',
    stderr: `namerctl: /svc/x has no addresses in namespace default: it is bound to nothing\n${hint}`,
  });
  assert.deepEqual(await namerctlOf(namerd)(['bind', '/svc/x', '--json']), { ...done('{"type":"neg"}\n'), code: 1 });
});

test('a path or dentries that are none are refused before anything is sent', async () => {
  assert.deepEqual(await namerctl(['explain', 'svc']), {
    code: 64,
    stdout: '',
    stderr: "namerctl: path: '/' expected but 's' found at '[s]vc'\nTry: namerctl --help\n",
  });
  assert.equal((await namerctl(['bind', '/svc', '--dtab', '/a'])).code, 64);
});

test('an answer that is not a tree is reported with its place', async t => {
  const server = await answering(t, () => ({ status: 200, body: '{"type":"what","path":"/a"}' }));
  assert.deepEqual(await namerctlOf(server)(['explain', '/a']), {
    code: 76,
    stdout: '',
    stderr: `namerctl: ${server.url}/api/1/delegate sent an unexpected answer: $.type: expected a kind of delegation, found "what"\nIs that namerd? The base URL must lead to its HTTP API, mostly on port 4180.\n`,
  });
});
