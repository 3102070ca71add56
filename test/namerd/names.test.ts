/** bind, addr, resolve, delegate and bound-names: what they say, once. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { BehaviorSubject, NEVER, type Observable, of, throwError } from 'rxjs';
import { empty, fail, leaf, type NameTree, neg, union } from '../../src/dtab/name-tree.ts';
import { parsePath } from '../../src/dtab/parse.ts';
import { failed, ok } from '../../src/live/activity.ts';
import { namerKinds } from '../../src/namers/kinds.ts';
import { type Addr, boundAddr, failedAddr, negAddr } from '../../src/naming/addr.ts';
import type { Name } from '../../src/naming/name.ts';
import { transformerKinds } from '../../src/naming/transformers/kinds.ts';
import { mountNamers, namingContext } from '../support/naming.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type Rig, startRig } from './rig.ts';

const at = (port: number, meta: Record<string, unknown> = {}) => ({ ip: '127.0.0.1', port, meta });

function name(id: string, addr: Observable<Addr> = of(boundAddr([at(1)])), residual = '/'): NameTree<Name> {
  return leaf<Name>({ type: 'bound', bound: { id: parsePath(id), residual: parsePath(residual), addr } });
}

/** Lets the namer say this of `/#/io.l5d.namer` and `path`. */
const says = (rig: Rig, path: string, tree: NameTree<Name>) => rig.namer.answer(path, ok(tree));

const foo = '/#/io.l5d.namer/foo';
const query = (path: string, more = '') => `?path=${encodeURIComponent(path)}${more}`;

test('bind answers the bound tree with the addresses of its leaves', async t => {
  const rig = await startRig(t);
  says(rig, '/foo', name(foo));
  await rig.put('default', '/svc => /#/io.l5d.namer');
  const answer = await rig.ask('GET', `bind/default${query('/svc/foo')}`);
  assert.equal(answer.status, 200);
  assert.equal(
    answer.text,
    '{"type":"leaf","bound":{"addr":{"type":"bound","addrs":[{"ip":"127.0.0.1","port":1,"meta":{}}],"meta":{}},' +
      '"id":"/#/io.l5d.namer/foo","path":"/"}}\n',
  );
});

test('bind keeps nested metadata of addresses and of their set, and tells the weight of a branch', async t => {
  const rig = await startRig(t);
  const meta = { node_meta: { foo_node: 'bar_node' } };
  says(rig, '/foo', name(foo, of(boundAddr([at(1, meta)], { set: { of: ['json', 1] } }))));
  says(rig, '/bar', name('/#/io.l5d.namer/bar'));
  await rig.put('default', '/svc => 0.7*/#/io.l5d.namer/foo & 0.3 * /#/io.l5d.namer/bar');
  const tree = (await rig.ask('GET', `bind/default${query('/svc')}`)).json as {
    union: { weight: number; tree: unknown }[];
  };
  assert.deepEqual(tree.union[0], {
    weight: 0.7,
    tree: {
      type: 'leaf',
      bound: {
        addr: { type: 'bound', addrs: [at(1, meta)], meta: { set: { of: ['json', 1] }, namer_nametree_weight: 0.7 } },
        id: foo,
        path: '/',
      },
    },
  });
});

test('bind shows negative, empty and failing trees, and fails with the reason where binding does', async t => {
  const rig = await startRig(t);
  for (const [path, tree] of [
    ['/neg', neg],
    ['/empty', empty],
    ['/fail', fail],
  ] as const) {
    says(rig, path, tree);
    const answer = await rig.ask('GET', `bind/default${query(`/#/io.l5d.namer${path}`)}`);
    assert.equal(answer.text, `{"type":"${path.slice(1)}"}\n`);
  }
  rig.namer.answer('/broken', failed(new Error('the registry is away')));
  const answer = await rig.ask('GET', `bind/default${query('/#/io.l5d.namer/broken')}`);
  assert.deepEqual([answer.status, answer.text], [500, 'the registry is away']);
});

test('a namespace that is not stored binds by the namers and the dtab of the request alone, which wins over the stored one', async t => {
  const rig = await startRig(t);
  says(rig, '/foo', name(foo));
  says(rig, '/bar', name('/#/io.l5d.namer/bar'));
  const bound = async (ns: string, dtab: string) => {
    const answer = await rig.ask('GET', `bind/${ns}${query('/svc', `&dtab=${encodeURIComponent(dtab)}`)}`);
    return (answer.json as { bound: { id: string } }).bound.id;
  };
  assert.equal(await bound('none', '/svc=>/#/io.l5d.namer/foo'), foo);
  await rig.put('default', '/svc=>/#/io.l5d.namer/foo');
  assert.equal(await bound('default', '/svc=>/#/io.l5d.namer/bar'), '/#/io.l5d.namer/bar');
});

test('a missing or invalid path, and an invalid dtab, are 400 on every endpoint', async t => {
  const rig = await startRig(t);
  for (const endpoint of ['bind/default', 'addr/default', 'resolve/default', 'delegate/default', 'delegate']) {
    assert.equal((await rig.ask('GET', endpoint)).status, 400, endpoint);
    const invalid = await rig.ask('GET', `${endpoint}?path=invalid`);
    assert.equal(invalid.status, 400);
    assert.match(invalid.text, /^Invalid path: invalid \/ '\/' expected but 'i' found at '\[i\]nvalid'$/);
    if (endpoint.startsWith('addr')) continue;
    const dtab = await rig.ask('GET', `${endpoint}?path=/a&dtab=nonsense`);
    assert.equal(dtab.status, 400);
    assert.match(dtab.text, /^Invalid dtab: /);
  }
});

test('a name that stays unknown is given up with 503; addresses that stay unknown are shown as pending', async t => {
  const rig = await startRig(t, { api: { answerTimeoutMs: 50, addrWaitMs: 10 } });
  const late = await rig.ask('GET', `bind/default${query(foo)}`);
  assert.equal(late.status, 503);
  assert.match(late.text, /took longer than 50 ms/);
  says(rig, '/foo', name(foo, NEVER));
  const answer = await rig.ask('GET', `bind/default${query(foo)}`);
  assert.equal(answer.text, `{"type":"leaf","bound":{"addr":{"type":"pending"},"id":"${foo}","path":"/"}}\n`);
  assert.equal((await rig.ask('GET', `addr/default${query(foo)}`)).status, 503, 'pending is never told');
});

test('addr answers the addresses of a bound id, whatever the namespace', async t => {
  const rig = await startRig(t);
  const told = async (path: string, tree: NameTree<Name>) => {
    says(rig, path, tree);
    return (await rig.ask('GET', `addr/any/thing${query(`/#/io.l5d.namer${path}`)}`)).text;
  };
  assert.equal(
    await told('/foo', name(foo, of(boundAddr([at(1, { 'isa-meta': 'isa-data' })], { 'bound-meta': 'bound-data' })))),
    '{"type":"bound","addrs":[{"ip":"127.0.0.1","port":1,"meta":{"isa-meta":"isa-data"}}],"meta":{"bound-meta":"bound-data"}}\n',
  );
  assert.equal(await told('/none', neg), '{"type":"neg"}\n');
  assert.equal(await told('/empty', empty), '{"type":"bound","addrs":[],"meta":{}}\n');
  assert.equal(await told('/gone', name('/#/io.l5d.namer/gone', of(negAddr))), '{"type":"neg"}\n');
  assert.equal(
    await told('/bad', name('/#/io.l5d.namer/bad', of(failedAddr(new Error('no luck'))))),
    '{"type":"failed","cause":"no luck"}\n',
  );
  assert.match((await rig.ask('GET', `addr/x${query('/$/inet/127.1/8080')}`)).text, /"ip":"127.0.0.1","port":8080/);
  assert.equal((await rig.ask('GET', `addr/x${query('/#/unknown/foo')}`)).text, '{"type":"neg"}\n');
});

test('addr of what cannot be bound to one name is an error: 500, or a line of text and the end', async t => {
  const rig = await startRig(t);
  says(rig, '/two', union({ weight: 1, tree: name(foo) }, { weight: 1, tree: name(`${foo}2`) }));
  says(rig, '/fail', fail);
  rig.namer.answer('/away', failed(new Error('the registry is away')));
  for (const [path, reason] of [
    ['/two', '/#/io.l5d.namer/two is not the id of one name: it leads to union'],
    ['/fail', '/#/io.l5d.namer/fail is not the id of one name: it leads to fail'],
    ['/away', 'the registry is away'],
  ]) {
    const target = `addr/default${query(`/#/io.l5d.namer${path}`)}`;
    const answer = await rig.ask('GET', target);
    assert.deepEqual([answer.status, answer.text], [500, reason]);
    const stream = await rig.watch(`${target}&watch=true`);
    await stream.end();
    assert.deepEqual([stream.response.statusCode, stream.received], [200, `${reason}\n`]);
  }
});

test('resolve answers the addresses of a name, always with type, addrs and meta', async t => {
  const rig = await startRig(t);
  says(
    rig,
    '/foo',
    name(foo, of(boundAddr([at(1, { 'isa-meta': 'isa-data' })], { 'bound-meta': 'bound-data', ssl: true }))),
  );
  await rig.put('default', '/svc => /#/io.l5d.namer; /e => $; /f => !');
  const answer = await rig.ask('GET', `resolve/default${query('/svc/foo')}`);
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.equal(
    answer.text,
    '{"type":"bound","addrs":[{"ip":"127.0.0.1","port":1,"meta":{"isa-meta":"isa-data"}}],' +
      '"meta":{"bound-meta":"bound-data","ssl":"true"}}\n',
  );
  for (const path of ['/nothing', '/e', '/f'])
    assert.equal(
      (await rig.ask('GET', `resolve/default${query(path)}`)).text,
      '{"type":"neg","addrs":[],"meta":{}}\n',
      path,
    );
  says(rig, '/bad', name('/#/io.l5d.namer/bad', of(failedAddr(new Error('no luck')))));
  assert.equal(
    (await rig.ask('GET', `resolve/default${query('/svc/bad')}`)).text,
    '{"type":"failed","addrs":[],"meta":{},"cause":"no luck"}\n',
  );
});

test('resolve draws one branch of a union by weight, for each request', async t => {
  let drawn = 0;
  const rig = await startRig(t, {
    api: {
      clock: {
        now: Date.now,
        after: (ms, run) =>
          (
            timer => () =>
              clearTimeout(timer)
          )(setTimeout(run, ms)),
        random: () => drawn,
      },
    },
  });
  says(rig, '/a', name('/#/io.l5d.namer/a', of(boundAddr([at(1)]))));
  says(rig, '/b', name('/#/io.l5d.namer/b', of(boundAddr([at(2)]))));
  await rig.put(
    'default',
    '/svc => 3*/#/io.l5d.namer/a & 1*/#/io.l5d.namer/b; /zero => 0*/svc/x & 0*/#/io.l5d.namer/b',
  );
  const port = async (random: number) => {
    drawn = random;
    const answer = await rig.ask('GET', `resolve/default${query('/svc')}`);
    return (answer.json as { addrs: { port: number }[]; meta: object }).addrs[0].port;
  };
  assert.deepEqual([await port(0), await port(0.74), await port(0.76), await port(0.999_999)], [1, 1, 2, 2]);
});

test('resolve?flatten=weighted merges all branches: share of the branch times share of the address in it', async t => {
  const rig = await startRig(t);
  const weigh = (weight: number) => ({ endpoint_addr_weight: weight, nodeName: 'n' });
  says(rig, '/a', name('/#/io.l5d.namer/a', of(boundAddr([at(1, weigh(3)), at(2, weigh(1))]))));
  says(rig, '/b', name('/#/io.l5d.namer/b', of(boundAddr([at(2), at(3)]))));
  says(rig, '/down', name('/#/io.l5d.namer/down', of(negAddr)));
  await rig.put(
    'default',
    '/svc => 3*/#/io.l5d.namer/a & 1*/#/io.l5d.namer/b; /half => /#/io.l5d.namer/a & /#/io.l5d.namer/down',
  );
  const flat = async (path: string) =>
    (await rig.ask('GET', `resolve/default${query(path, '&flatten=weighted')}`)).json as {
      type: string;
      addrs: { port: number; meta: { endpoint_addr_weight: number; nodeName?: string } }[];
    };
  const weights = ({ addrs }: Awaited<ReturnType<typeof flat>>) =>
    addrs.map(({ port, meta }) => [port, meta.endpoint_addr_weight]).sort();
  assert.deepEqual(weights(await flat('/svc')), [
    [1, 0.5625],
    [2, 0.3125],
    [3, 0.125],
  ]);
  assert.deepEqual(weights(await flat('/half')), [
    [1, 0.375],
    [2, 0.125],
  ]);
  assert.equal((await flat('/none')).type, 'neg');
  assert.equal((await rig.ask('GET', `resolve/default${query('/svc', '&flatten=other')}`)).status, 400);
});

test('a name that a namer transforms resolves, and its id has addresses', async t => {
  const dir = tempDir(t);
  dir.write('disco/web', '10.0.0.1 8080\n');
  const { namers } = mountNamers(
    [
      {
        kind: 'io.l5d.fs',
        prefix: '/files',
        rootDir: join(dir.path, 'disco'),
        transformers: [{ kind: 'io.l5d.port', prefix: '/io.l5d.port', port: 4141 }],
      },
    ],
    namerKinds,
    transformerKinds,
    namingContext(),
  );
  const rig = await startRig(t, { namers });
  await rig.put('default', '/svc=>/#/files');
  const addrs = '{"type":"bound","addrs":[{"ip":"10.0.0.1","port":4141,"meta":{}}],"meta":{}}';
  const bound = await rig.ask('GET', `bind/default${query('/svc/web')}`);
  assert.equal((bound.json as { bound: { id: string } }).bound.id, '/%/io.l5d.port/4141/#/files/web');
  assert.equal((await rig.ask('GET', `resolve/default${query('/svc/web')}`)).text, `${addrs}\n`);
  assert.equal((await rig.ask('GET', `addr/default${query('/%/io.l5d.port/4141/#/files/web')}`)).text, `${addrs}\n`);
});

test('bound-names lists what the namers can list; with nothing to list it is an empty list', async t => {
  const dir = tempDir(t);
  dir.write('disco/web', '');
  dir.write('disco/api', '');
  dir.write('disco/eu/deep', '');
  const config = (prefix: string, transformers: object[] = []) => ({
    kind: 'io.l5d.fs',
    prefix,
    rootDir: join(dir.path, 'disco'),
    transformers: transformers as never,
  });
  const port = { kind: 'io.l5d.port', prefix: '/io.l5d.port', port: 4141 };
  const { namers } = mountNamers(
    [config('/files'), config('/moved', [port])],
    namerKinds,
    transformerKinds,
    namingContext(),
  );
  const rig = await startRig(t, { namers });
  assert.equal((await rig.ask('GET', 'bound-names')).text, '["/#/files/api","/#/files/eu/deep","/#/files/web"]\n');
  assert.equal((await rig.ask('POST', 'bound-names')).status, 405);
  const none = await startRig(t);
  assert.equal((await none.ask('GET', 'bound-names')).text, '[]\n');
});

test('delegate explains a name by the stored dtab, and by what the request adds to it', async t => {
  const rig = await startRig(t);
  await rig.put('yeezus', '/yeezy => /yeezus; /neg => ~');
  const explained = async (path: string, more = '') => rig.ask('GET', `delegate/yeezus${query(path, more)}`);
  const answer = await explained('/yeezy');
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.equal(
    answer.text,
    '{"type":"delegate","path":"/yeezy","delegate":{"type":"neg","path":"/yeezus",' +
      '"dentry":{"prefix":"/yeezy","dst":"/yeezus"}}}',
  );
  const node = (path: string) => ({ type: 'neg', path, dentry: { prefix: '/yeezy', dst: path } });
  assert.deepEqual((await explained('/yeezy', '&dtab=/yeezy=>/bar')).json, {
    type: 'alt',
    path: '/yeezy',
    alt: [node('/bar'), node('/yeezus')],
  });
  assert.deepEqual((await explained('/neg')).json, {
    type: 'delegate',
    path: '/neg',
    delegate: { type: 'neg', path: '~', dentry: { prefix: '/neg', dst: '~' } },
  });
});

test('an explanation says that the namespace does not exist, which is not the same as a name that does not', async t => {
  const rig = await startRig(t);
  await rig.put('default', '/svc => /x');
  const messageOf = async (namespace: string) =>
    ((await rig.ask('GET', `delegate/${namespace}${query('/web')}`)).json as { message?: string }).message;
  assert.equal(await messageOf('nope'), 'there is no namespace nope');
  assert.equal(await messageOf('default'), undefined);
});

test('delegate answers under 5 MB, however wide the stored rule or the rule of the request is', async t => {
  const rig = await startRig(t);
  const json = { 'content-type': 'application/json' };
  for (const separator of ['|', '&']) {
    const dtab = `/a => ${Array(9000).fill('/b').join(separator)}`;
    await rig.put('wide', dtab);
    for (const answer of [
      await rig.ask('GET', 'delegate/wide?path=/a'),
      await rig.ask('POST', 'delegate', json, JSON.stringify({ dtab, path: '/a' })),
    ]) {
      assert.equal(answer.status, 200);
      assert.match(answer.text, /not explained further: it takes more than 2000 lookups/);
      assert.ok(answer.text.length < 5_000_000, `${answer.text.length} characters`);
    }
  }
});

test('an answer that repeats a name with many addresses is refused with 422 before it is made', async t => {
  const rig = await startRig(t);
  says(rig, '/foo', name(foo, of(boundAddr(Array.from({ length: 1000 }, (_, i) => at(i))))));
  await rig.put('wide', `/a => ${Array(500).fill(foo).join('&')}`);
  for (const endpoint of ['bind', 'delegate']) {
    const answer = await rig.ask('GET', `${endpoint}/wide?path=/a`);
    assert.equal(answer.status, 422);
    assert.match(
      answer.text,
      /would be larger than 8000000 bytes; look for rules that repeat a name with many addresses/,
    );
  }
});

test('delegate follows all alternatives, and shows what failed', async t => {
  const rig = await startRig(t, {
    namers: [
      {
        prefix: ['#', 'error'],
        namer: { lookup: path => throwError(() => new Error(`error naming /#/error/${path.join('/')}`)) },
      },
    ],
  });
  await rig.put(
    'default',
    '/beh=>/#/error; /bah/humbug=>/$/inet/127.1/8080; /foo=>/bah | /beh | /$/fail; /foo=>/bar; /boo=>/foo',
  );
  const dentry = { prefix: '/foo', dst: '/bah | /beh | /$/fail' };
  const tree = (await rig.ask('GET', `delegate/default${query('/boo/humbug')}`)).json as {
    delegate: { alt: unknown[] };
  };
  assert.deepEqual(tree, {
    type: 'delegate',
    path: '/boo/humbug',
    delegate: {
      type: 'alt',
      path: '/foo/humbug',
      dentry: { prefix: '/boo', dst: '/foo' },
      alt: [
        { type: 'neg', path: '/bar/humbug', dentry: { prefix: '/foo', dst: '/bar' } },
        {
          type: 'delegate',
          path: '/bah/humbug',
          dentry,
          delegate: {
            type: 'leaf',
            path: '/$/inet/127.1/8080',
            dentry: { prefix: '/bah/humbug', dst: '/$/inet/127.1/8080' },
            bound: {
              addr: { type: 'bound', addrs: [at(8080)], meta: {} },
              id: '/$/inet/127.1/8080',
              path: '/',
            },
          },
        },
        {
          type: 'delegate',
          path: '/beh/humbug',
          dentry,
          delegate: {
            type: 'exception',
            path: '/#/error/humbug',
            dentry: { prefix: '/beh', dst: '/#/error' },
            message: 'error naming /#/error/humbug',
          },
        },
        { type: 'fail', path: '/$/fail/humbug', dentry },
      ],
    },
  });
});

test('delegate without a namespace in the URL takes its question from the query or a JSON body', async t => {
  const rig = await startRig(t);
  await rig.put('tea', '/a=>/b');
  const child = (from: string, to: string) => ({ type: 'neg', path: to, dentry: { prefix: from, dst: to } });
  const whole = { type: 'delegate', path: '/a', delegate: child('/a', '/b') };
  const asJson = { 'content-type': 'application/json' };
  assert.deepEqual((await rig.ask('GET', 'delegate?path=/a&dtab=/a=>/b')).json, whole);
  assert.deepEqual((await rig.ask('GET', 'delegate?path=/a&namespace=tea')).json, whole);
  assert.deepEqual((await rig.ask('GET', 'delegate?path=/a')).json, { type: 'neg', path: '/a' });
  const post = (body: unknown, headers: Record<string, string> = asJson) =>
    rig.ask('POST', 'delegate', headers, typeof body === 'string' ? body : JSON.stringify(body));
  assert.deepEqual((await post({ dtab: '/a=>/b', path: '/a' })).json, whole);
  assert.deepEqual((await post({ namespace: 'tea', dtab: '', path: '/a' })).json, whole);
  const typed = { 'content-type': 'application/json; charset=utf-8' };
  assert.equal((await post({ dtab: '', path: '/a' }, typed)).status, 200, 'parameters of the media type do not count');
  assert.equal((await post({ dtab: '', path: '/a' }, {})).status, 415);
  for (const body of [{ dtab: '' }, { path: '/a' }, '{', '[]', { dtab: 1, path: '/a' }]) {
    const answer = await post(body);
    assert.equal(answer.status, 400);
    assert.equal(
      answer.text,
      `Malformed delegation request: ${typeof body === 'string' ? body : JSON.stringify(body)}`,
    );
  }
  assert.match((await post({ dtab: 'x', path: '/a' })).text, /^Invalid dtab: /);
  assert.match((await post({ dtab: '', path: 'x' })).text, /^Invalid path: x \//);
  assert.equal((await rig.ask('PUT', 'delegate?path=/a')).status, 405);
});

test('the meaning of a name is followed live between requests', async t => {
  const rig = await startRig(t);
  const addr = new BehaviorSubject<Addr>(boundAddr([at(1)]));
  says(rig, '/foo', name(foo, addr));
  await rig.put('default', '/svc => /#/io.l5d.namer/foo');
  const port = async () =>
    ((await rig.ask('GET', `resolve/default${query('/svc')}`)).json as { addrs: { port: number }[] }).addrs[0]?.port;
  assert.equal(await port(), 1);
  addr.next(boundAddr([at(2)]));
  assert.equal(await port(), 2);
  await rig.put('default', '/svc => /$/inet/127.1/3');
  assert.equal(await port(), 3);
  await rig.ask('DELETE', 'dtabs/default');
  assert.equal(await port(), undefined);
});

test('a name in a namespace that does not exist says so in a header, other than a name that resolves to nothing', async t => {
  const rig = await startRig(t);
  await rig.put('tea', '/a=>/b');
  const missing = async (target: string) => (await rig.ask('GET', target)).headers['l5d-namespace'];
  for (const endpoint of ['bind', 'resolve', 'delegate']) {
    assert.equal(await missing(`${endpoint}/tea?path=/none`), undefined, endpoint);
    assert.equal(await missing(`${endpoint}/none?path=/none`), 'missing', endpoint);
  }
  assert.equal(await missing('delegate?namespace=none&path=/a'), 'missing');
  assert.equal(await missing('delegate?path=/a'), undefined);
});

test('rules that lead back to themselves are 422, an error of the request and not of namerd', async t => {
  const rig = await startRig(t);
  await rig.put('tea', '/a=>/a/b');
  for (const endpoint of ['bind', 'resolve']) {
    const { status, text } = await rig.ask('GET', `${endpoint}/tea?path=/a`);
    assert.equal(status, 422);
    assert.match(text, /Max recursion level/);
  }
});
