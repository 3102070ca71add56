/** list, get, create, update, delete: byte for byte what the original prints, and what goes over the wire. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { showDtab } from '../../src/dtab/show.ts';
import { dtab as anyDtab } from '../support/dtab-arbitraries.ts';
import { startNamerd } from '../support/namerd.ts';
import { tempDir } from '../support/temp-dir.ts';
import { answering, namerctlOf } from './setup.ts';

const demo = '/cluster => /#/io.l5d.fs ; /svc => /cluster ; /svc/redis => /cluster/redis1';
const done = (stdout: string) => ({ code: 0, stdout, stderr: '' });

/** @param from the version it was */
const updated = (namespace: string, from: number) =>
  done(`Updated ${namespace}: version ${from} → ${from + 1}.   Undo: namerctl restore ${namespace} ${from}\n`);

test('list prints one name per line, or an empty line', async t => {
  const namerd = await startNamerd(t);
  const namerctl = namerctlOf(namerd);
  assert.deepEqual(await namerctl(['dtab', 'list']), done('\n'));
  assert.deepEqual(await namerctl(['dtab', 'list', '--json']), done('[]\n'));
  namerd.setDtab('empty', '');
  namerd.setDtab('default', demo);
  for (const args of [['dtab', 'list'], ['dtab', 'ls'], ['list'], ['ls'], ['dtab', '--json=false', 'list']])
    assert.deepEqual(await namerctl(args), done('default\nempty\n'), args.join(' '));
  for (const args of [
    ['dtab', 'list', '--json'],
    ['dtab', '--json', 'ls'],
    ['--json', 'list'],
  ])
    assert.deepEqual(await namerctl(args), done('["default","empty"]\n'), args.join(' '));
});

test('get prints the version and aligned dentries, one line, or JSON', async t => {
  const namerd = await startNamerd(t);
  const namerctl = namerctlOf(namerd);
  namerd.setDtab('default', demo);
  namerd.setDtab('empty', '');
  const pretty = `# version AAAAAAAAAAE=
/cluster    => /#/io.l5d.fs ;
/svc        => /cluster ;
/svc/redis  => /cluster/redis1 ;
`;
  const dense = '/cluster=>/#/io.l5d.fs;/svc=>/cluster;/svc/redis=>/cluster/redis1;\n';
  const json =
    '{"version":"AAAAAAAAAAE=","dtab":[{"prefix":"/cluster","dst":"/#/io.l5d.fs"},{"prefix":"/svc","dst":"/cluster"},' +
    '{"prefix":"/svc/redis","dst":"/cluster/redis1"}]}\n';
  for (const [args, stdout] of [
    [['dtab', 'get', 'default'], pretty],
    [['cat', 'default', '--pretty'], pretty],
    [['get', '--pretty', 'default'], pretty],
    [['dtab', 'cat', '--pretty=false', 'default'], dense],
    [['get', 'default', '--no-pretty'], dense],
    [['get', 'default', '--json'], json],
    [['dtab', '--json', 'get', 'default', '--pretty=true'], json],
    [['get', 'empty'], '# version AAAAAAAAAAI=\n'],
    [['get', 'empty', '--pretty=0'], '\n'],
  ] as const)
    assert.deepEqual(await namerctl(args), done(stdout), args.join(' '));
});

test('get omits null entries, and the version line if the server sends no ETag', async t => {
  const server = await answering(t, () => ({ status: 200, body: '[null,{"prefix":"/a","dst":"0.90*/b & 0.10*/c"}]' }));
  const namerctl = namerctlOf(server);
  assert.deepEqual(await namerctl(['get', 'x']), done('/a  => 0.90*/b & 0.10*/c ;\n'));
  assert.deepEqual(
    await namerctl(['get', 'x', '--json']),
    done('{"version":"","dtab":[{"prefix":"/a","dst":"0.90*/b & 0.10*/c"}]}\n'),
  );
});

test('a name goes over the wire as the original sends it, below the path and with the query of the base URL', async t => {
  const server = await answering(t, () => ({ status: 200, body: '[]' }));
  for (const name of ['a b/c', 'a?b', "it's", 'a:b,c;d&e=f+g$h@i'])
    await namerctlOf({ url: `${server.url}/pre/?key=1` })(['get', name]);
  assert.deepEqual(
    server.heard.map(({ method, url }) => `${method} ${url}`),
    [
      'GET /pre/api/1/dtabs/a%20b/c?key=1',
      'GET /pre/api/1/dtabs/a%3Fb?key=1',
      'GET /pre/api/1/dtabs/it%27s?key=1',
      'GET /pre/api/1/dtabs/a:b,c;d&e=f+g$h@i?key=1',
    ],
  );
});

test('user and password of the base URL go to the server, and not into messages', async t => {
  const server = await answering(t, () => ({ status: 401, body: 'who is it?' }));
  const url = server.url.replace('//', '//ann:se%20cret@');
  assert.deepEqual(await namerctlOf({ url })(['list']), {
    code: 77,
    stdout: '',
    stderr:
      `namerctl: ${server.url}/api/1/dtabs did not accept your credentials (401): who is it?\n` +
      'It does not take the user and password of the base URL.\n',
  });
  assert.equal(server.heard[0].headers.authorization, `Basic ${Buffer.from('ann:se cret').toString('base64')}`);
});

test('create and update send text as it is, and only the list of JSON', async t => {
  const server = await answering(t, () => ({ status: 204 }));
  const namerctl = namerctlOf(server);
  const text = '# version AAAAAAAAAAE=\n/svc => 90 * /a & 10 * /b ;\n';
  const list = '[{"prefix":"/svc","dst":"/a"}]';
  const folder = tempDir(t);
  folder.write('a.dtab', text);
  assert.deepEqual(await namerctl(['create', 'x', 'a.dtab'], { folder: folder.path }), done('Created x\n'));
  assert.deepEqual(await namerctl(['new', 'x', '-'], { input: list }), done('Created x\n'));
  assert.deepEqual(await namerctl(['dtab', 'up', 'x', '-'], { input: text }), done('Updated x\n'));
  assert.deepEqual(
    await namerctl(['update', 'x', '-'], { input: ` \n{"dtab": ${list}, "version": "AAAAAAAAAAI="}` }),
    done('Updated x\n'),
  );
  assert.deepEqual(
    server.heard
      .filter(({ method }) => method !== 'GET')
      .map(({ method, headers, body }) => [method, headers['content-type'], headers['if-match'], body]),
    [
      ['POST', 'application/dtab', undefined, text],
      ['POST', 'application/json', undefined, list],
      ['PUT', 'application/dtab', undefined, text],
      ['PUT', 'application/json', 'AAAAAAAAAAI=', list],
    ],
  );
});

test('an update is only conditional where a version is given', async t => {
  const namerd = await startNamerd(t);
  const namerctl = namerctlOf(namerd);
  namerd.setDtab('default', demo);
  const old = (await namerctl(['get', 'default'])).stdout;
  assert.deepEqual(await namerctl(['update', 'default', '-'], { input: '/svc=>/a' }), updated('default', 1));
  const conflict = {
    code: 1,
    stdout: '',
    stderr:
      'namerctl: namespace default has changed since version AAAAAAAAAAE=: it is now at AAAAAAAAAAI=\n' +
      'Nothing was changed. See what is there now with: namerctl get default\n',
  };
  const input = old;
  assert.deepEqual(await namerctl(['update', 'default', '-', '--version', 'AAAAAAAAAAE='], { input }), conflict);
  assert.deepEqual(await namerctl(['dtab', 'update', 'default', '-', '--if-unchanged'], { input }), conflict);
  assert.deepEqual(
    await namerctl(['update', 'default', '-'], { input: '{"version":"AAAAAAAAAAE=","dtab":[]}' }),
    conflict,
  );
  assert.equal((await namerctl(['get', 'default', '--pretty=false'])).stdout, '/svc=>/a;\n');
  assert.deepEqual(await namerctl(['up', '--version=AAAAAAAAAAI=', 'default', '-'], { input }), updated('default', 2));
  assert.equal((await namerctl(['get', 'default'])).stdout, old.replace('E=', 'M='));
});

test('an update without a version makes a namespace that is missing; with one it does not', async t => {
  const namerctl = namerctlOf(await startNamerd(t));
  const input = '/svc=>/a';
  assert.equal((await namerctl(['update', 'new', '-', '--version', 'AAAAAAAAAAE='], { input })).code, 1);
  assert.deepEqual(await namerctl(['update', 'new', '-'], { input }), done('Updated new: version 1\n'));
  assert.deepEqual(await namerctl(['ls']), done('new\n'));
});

test('--dry-run shows what an update would change, and changes nothing', async t => {
  const namerd = await startNamerd(t);
  const namerctl = namerctlOf(namerd);
  namerd.setDtab('default', demo);
  const input = '/cluster => /#/io.l5d.fs; /svc => /cluster; /svc/redis => 0.9*/cluster/redis1 & 0.1*/cluster/redis2';
  assert.deepEqual(
    await namerctl(['update', 'default', '-', '--dry-run'], { input }),
    done(`  ~ /svc/redis   /cluster/redis1  →  90% /cluster/redis1, 10% /cluster/redis2
1 changed. Names affected: /svc/redis
Apply with: namerctl update default -
`),
  );
  assert.deepEqual(await namerctl(['update', 'default', '-', '--dry-run'], { input: demo }), done('No differences\n'));
  assert.deepEqual(
    await namerctl(['update', 'default', '-', '--dry-run', '--json'], { input: `${demo};/a=>/b` }),
    done(
      '{"namespace":"default","version":"AAAAAAAAAAE=","updated":false,"changes":[{"op":"add","prefix":"/a","dst":"/b"}]}\n',
    ),
  );
  assert.deepEqual(
    await namerctl(['update', 'new', '-', '--dry-run'], { input: '/a=>/b' }),
    done('  + /a   => /b\n1 added. Names affected: /a\nApply with: namerctl update new -\n'),
  );
  assert.deepEqual(
    namerd.requests().filter(request => !request.startsWith('GET ')),
    [],
  );
});

test('delete deletes', async t => {
  const namerd = await startNamerd(t);
  for (const name of ['delete', 'del', 'rm']) namerd.setDtab(name, demo);
  for (const [i, name] of ['delete', 'del', 'rm'].entries())
    assert.deepEqual(
      await namerctlOf(namerd)(['dtab', name, name]),
      done(`Deleted ${name}.   Undo: namerctl restore ${name} ${i + 1}\n`),
    );
  assert.deepEqual(await namerctlOf(namerd)(['list']), done('\n'));
});

test('property: what get prints goes back by update and comes out the same, as JSON and as text', async t => {
  const namerd = await startNamerd(t);
  const namerctl = namerctlOf(namerd);
  await fc.assert(
    fc.asyncProperty(anyDtab, async dtab => {
      namerd.setDtab('x', showDtab(dtab));
      const get = async (flag: string) => (await namerctl(['get', 'x', flag])).stdout;
      const before = await get('--no-pretty');
      for (const flag of ['--json', '--pretty', '--no-pretty']) {
        const printed = await get(flag);
        namerd.setDtab('y', '');
        if (printed.trim() === '') continue;
        const { version: _, ...rest } = flag === '--json' ? JSON.parse(printed) : {};
        const input = flag === '--json' ? JSON.stringify(rest) : printed;
        assert.match((await namerctl(['update', 'y', '-'], { input })).stdout, /^Updated y: version /);
        assert.equal((await namerctl(['get', 'y', '--no-pretty'])).stdout, before);
      }
    }),
    { numRuns: 40 },
  );
});

test('create, update and delete print their result as JSON, with the new version if the server sends it', async t => {
  const server = await answering(t, ({ method }) => ({
    status: 204,
    ...(method === 'PUT' && { headers: { etag: 'B=' } }),
  }));
  const namerctl = namerctlOf(server);
  const input = '/a=>/b';
  assert.deepEqual(
    await namerctl(['create', 'x', '-', '--json'], { input }),
    done('{"namespace":"x","created":true}\n'),
  );
  assert.deepEqual(
    await namerctl(['dtab', '--json', 'update', 'x', '-'], { input }),
    done('{"namespace":"x","updated":true,"version":"B="}\n'),
  );
  assert.deepEqual(await namerctl(['delete', 'x', '--json']), done('{"namespace":"x","deleted":true}\n'));
});

test('delete with a version goes with If-Match, and is not sent where another version is there', async t => {
  const server = await answering(t, ({ method }) => ({
    status: method === 'HEAD' ? 200 : 204,
    headers: { etag: 'B=' },
  }));
  const sent = () =>
    server.heard.flatMap(({ method, headers }) => (method === 'GET' ? [] : [[method, headers['if-match']]]));
  const namerctl = namerctlOf(server);
  assert.deepEqual(await namerctl(['dtab', 'delete', 'x', '--version', 'A=']), {
    code: 1,
    stdout: '',
    stderr:
      'namerctl: namespace x has changed since version A=: it is now at B=\n' +
      'Nothing was changed. See what is there now with: namerctl get x\n',
  });
  assert.deepEqual(sent(), [['HEAD', undefined]]);
  assert.deepEqual(await namerctl(['rm', 'x', '--version', 'B=']), done('Deleted x\n'));
  assert.deepEqual(sent().slice(1), [
    ['HEAD', undefined],
    ['DELETE', 'B='],
  ]);
  const empty = await namerctl(['rm', 'x', '--version=']);
  assert.deepEqual([empty.code, empty.stderr], [64, 'namerctl: --version is empty\nTry: namerctl --help\n']);
  assert.equal(sent().length, 3);
  assert.deepEqual(await namerctl(['rm', 'x']), done('Deleted x\n'));
  assert.deepEqual(sent().at(-1), ['DELETE', undefined]);
});

test('delete with a version reports a change at that very moment', async t => {
  let versions = ['A=', 'B='];
  const server = await answering(t, ({ method }) => {
    if (method === 'DELETE') return { status: 412 };
    const [etag] = versions;
    versions = versions.slice(1);
    return { status: 200, headers: { etag } };
  });
  const { code, stderr } = await namerctlOf(server)(['delete', 'x', '--version', 'A=']);
  assert.equal(code, 1);
  assert.match(stderr, /^namerctl: namespace x has changed since version A=: it is now at B=\n/);
});

test('delete with a version of a missing namespace reports that it is missing', async t => {
  const namerd = await startNamerd(t);
  const { code, stderr } = await namerctlOf(namerd)(['delete', 'x', '--version', 'A=']);
  assert.deepEqual(
    [code, stderr.split('\n')[0]],
    [1, `namerctl: namespace x does not exist at ${namerd.url}; there are none`],
  );
});

test('on a terminal delete asks, and deletes only after a yes', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', demo);
  const asked: string[] = [];
  const deleting = (answer: string, ...more: readonly string[]) =>
    namerctlOf(namerd)(['delete', 'default', ...more], {
      ask: async question => {
        asked.push(question);
        return answer;
      },
    });
  assert.deepEqual(await deleting('', '--json'), { code: 1, stdout: 'Nothing was deleted.\n', stderr: '' });
  assert.deepEqual(asked, ['Delete default with 3 rules? [y/N] ']);
  assert.equal((await deleting('y')).stdout, 'Deleted default.   Undo: namerctl restore default 1\n');
  assert.equal((await deleting('', '--yes')).code, 1);
  assert.equal(asked.length, 2);
});
