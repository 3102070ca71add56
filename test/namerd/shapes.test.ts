/** The JSON of answers, field by field, and the small print of each endpoint that old clients were written against. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BehaviorSubject, type Observable, of } from 'rxjs';
import { fail, leaf, type NameTree } from '../../src/dtab/name-tree.ts';
import { parsePath } from '../../src/dtab/parse.ts';
import { failed, ok, pending } from '../../src/live/activity.ts';
import { systemClock } from '../../src/live/clock.ts';
import { namerKinds } from '../../src/namers/kinds.ts';
import { type Addr, boundAddr, failedAddr, negAddr } from '../../src/naming/addr.ts';
import type { Name } from '../../src/naming/name.ts';
import { transformerKinds } from '../../src/naming/transformers/kinds.ts';
import { mountNamers, namingContext } from '../support/naming.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type Rig, startRig } from './rig.ts';

const at = (port: number, meta: Record<string, unknown> = {}) => ({ ip: '127.0.0.1', port, meta });
const id = (label: string) => `/#/io.l5d.namer/${label}`;
const asked = (path: string, more = '') => `?path=${encodeURIComponent(path)}${more}`;

function name(label: string, addr: Observable<Addr>, residual = '/'): NameTree<Name> {
  return leaf<Name>({ type: 'bound', bound: { id: parsePath(id(label)), residual: parsePath(residual), addr } });
}

const says = (rig: Rig, label: string, addr: Observable<Addr>, residual = '/') =>
  rig.namer.answer(`/${label}`, ok(name(label, addr, residual)));

const text = async (rig: Rig, target: string) => (await rig.ask('GET', target)).text;

test('bind: a union has its branches with their weights, a leaf addr, id and residual path, in this order', async t => {
  const rig = await startRig(t);
  says(rig, 'a', of(boundAddr([at(1)])), '/rest');
  says(rig, 'b', of(negAddr));
  rig.namer.answer('/c', ok(fail));
  await rig.put('tea', '/svc => 0.7*/#/io.l5d.namer/a & 0.2*/#/io.l5d.namer/b & 0.1*/$/nil');
  const addr = '{"type":"bound","addrs":[{"ip":"127.0.0.1","port":1,"meta":{}}],"meta":{"namer_nametree_weight":0.7}}';
  assert.equal(
    await text(rig, `bind/tea${asked('/svc')}`),
    '{"type":"union","union":[' +
      `{"weight":0.7,"tree":{"type":"leaf","bound":{"addr":${addr},"id":"${id('a')}","path":"/rest"}}},` +
      `{"weight":0.2,"tree":{"type":"leaf","bound":{"addr":{"type":"neg"},"id":"${id('b')}","path":"/"}}},` +
      '{"weight":0.1,"tree":{"type":"empty"}}]}\n',
  );
});

test('bind: addresses that failed are in the leaf with their cause', async t => {
  const rig = await startRig(t);
  says(rig, 'a', of(failedAddr(new Error('no luck'))));
  assert.equal(
    await text(rig, `bind/tea${asked(id('a'))}`),
    `{"type":"leaf","bound":{"addr":{"type":"failed","cause":"no luck"},"id":"${id('a')}","path":"/"}}\n`,
  );
});

test('metadata keeps its JSON types on every endpoint; only resolve makes texts of those of the set', async t => {
  const rig = await startRig(t);
  const meta = { endpoint_addr_weight: 1.5, nodeName: 'n', node_meta: { foo_node: 'bar_node' }, list: [1, null, true] };
  const set = { authority: 'web.example', ssl: true, service_meta: { a: 1 } };
  says(rig, 'a', of(boundAddr([at(1, meta)], set)));
  const kept = { type: 'bound', addrs: [at(1, meta)], meta: set };
  const json = async (endpoint: string) => (await rig.ask('GET', `${endpoint}/tea${asked(id('a'))}`)).json;
  assert.deepEqual(await json('addr'), kept);
  assert.deepEqual(((await json('bind')) as { bound: { addr: unknown } }).bound.addr, kept);
  assert.deepEqual(((await json('delegate')) as { bound: { addr: unknown } }).bound.addr, kept);
  assert.deepEqual(await json('resolve'), {
    ...kept,
    meta: { authority: 'web.example', ssl: 'true', service_meta: '{"a":1}' },
  });
});

function filesRig(t: TestContext, transformers: readonly object[] = []): Promise<Rig> {
  const dir = tempDir(t);
  dir.write('disco/web', '10.0.0.1 8080\nnowhere.example 8081\n127.1 8082\n');
  const config = {
    kind: 'io.l5d.fs',
    prefix: '/io.l5d.fs',
    rootDir: join(dir.path, 'disco'),
    transformers: transformers as never,
  };
  return startRig(t, { namers: mountNamers([config], namerKinds, transformerKinds, namingContext()).namers });
}

test('an ip is always a number: a host without one is omitted', async t => {
  const rig = await filesRig(t);
  const addrs = [{ ip: '10.0.0.1', port: 8080, meta: {} }, at(8082)];
  assert.deepEqual((await rig.ask('GET', `addr/tea${asked('/#/io.l5d.fs/web')}`)).json, {
    type: 'bound',
    addrs,
    meta: {},
  });
  assert.deepEqual(
    ((await rig.ask('GET', `resolve/tea${asked('/#/io.l5d.fs/web')}`)).json as { addrs: unknown }).addrs,
    addrs,
  );
});

test('delegate shows a name of a namer with transformers as what they made of it', async t => {
  const rig = await filesRig(t, [{ kind: 'io.l5d.port', prefix: '/io.l5d.port', port: 4141 }]);
  await rig.put('tea', '/svc => /#/io.l5d.fs');
  const tree = (await rig.ask('GET', `delegate/tea${asked('/svc/web/rest')}`)).json as {
    delegate: { type: string; path: string; dentry: object; bound: { id: string; path: string } };
  };
  const { type, path, dentry, bound } = tree.delegate;
  assert.deepEqual(
    [type, path, dentry, bound.id, bound.path],
    [
      'leaf',
      '/#/io.l5d.fs/web/rest',
      { prefix: '/svc', dst: '/#/io.l5d.fs' },
      '/%/io.l5d.port/4141/#/io.l5d.fs/web',
      '/rest',
    ],
  );
});

test('delegate prints a Neg without a path as ~, a Fail as ! unless it is that of /$/fail, an Empty as $', async t => {
  const rig = await startRig(t);
  rig.namer.answer('/fail', ok(fail));
  await rig.put('tea', '/neg => ~; /fail => !; /empty => $; /named => /$/fail/x; /namer => /#/io.l5d.namer/fail');
  for (const [path, type, shown] of [
    ['/neg', 'neg', '~'],
    ['/neg/more', 'neg', '~'],
    ['/fail', 'fail', '!'],
    ['/empty', 'empty', '$'],
    ['/named', 'fail', '/$/fail/x'],
    ['/namer', 'fail', '!'],
  ]) {
    const tree = (await rig.ask('GET', `delegate/tea${asked(path)}`)).json as { delegate: object };
    assert.partialDeepStrictEqual(tree.delegate, { type, path: shown }, path);
  }
});

test('weights keep all their digits: in trees, in the rules that are shown, in the stored dtab', async t => {
  const rig = await startRig(t);
  await rig.put('tea', '/w => 0.125*/a & 3*/b');
  const node = (path: string) => `{"type":"neg","path":"${path}","dentry":{"prefix":"/w","dst":"0.125*/a & 3.00*/b"}}`;
  assert.equal(
    await text(rig, `delegate/tea${asked('/w')}`),
    `{"type":"union","path":"/w","union":[{"weight":0.125,"tree":${node('/a')}},{"weight":3,"tree":${node('/b')}}]}`,
  );
  assert.equal(await text(rig, 'dtabs/tea'), '[{"prefix":"/w","dst":"0.125*/a & 3.00*/b"}]\n');
});

test('an explanation that takes too long is given up after two seconds, with 503', async t => {
  const rig = await startRig(t);
  rig.namer.answer('/slow', pending);
  const startedAt = performance.now();
  const answer = await rig.ask('GET', `delegate/tea${asked(id('slow'))}`);
  const tookMs = performance.now() - startedAt;
  assert.equal(answer.status, 503);
  assert.match(answer.text, /explaining \/#\/io\.l5d\.namer\/slow took longer than 2000 ms/);
  assert.ok(tookMs >= 1900, `${tookMs} ms`);
});

test('resolve draws anew for each change of the tree, and not for one of the addresses', async t => {
  let draws = 0;
  const random = () => {
    draws++;
    return 0;
  };
  const rig = await startRig(t, { api: { clock: { ...systemClock, random } } });
  const addr = new BehaviorSubject<Addr>(boundAddr([at(1)]));
  says(rig, 'a', addr);
  says(rig, 'b', of(boundAddr([at(9)])));
  await rig.put('tea', `/svc => 1*${id('a')} & 1*${id('b')}`);
  const stream = await rig.watch(`resolve/tea${asked('/svc', '&watch=1')}`);
  assert.match(await stream.line(), /"port":1,/);
  assert.equal(draws, 1);
  addr.next(boundAddr([at(2)]));
  assert.match(await stream.line(), /"port":2,/);
  assert.equal(draws, 1);
  await rig.put('tea', `/svc => 1*${id('b')} & 1*${id('a')}`);
  assert.match(await stream.line(), /"port":9,/);
  assert.equal(draws, 2);
  await text(rig, `resolve/tea${asked('/svc')}`);
  assert.equal(draws, 3);
});

test('resolve takes the first alternative that is usable', async t => {
  const rig = await startRig(t);
  says(rig, 'b', of(boundAddr([at(2)])));
  rig.namer.answer('/none', ok({ type: 'neg' }));
  await rig.put('tea', `/svc => /nothing | ${id('none')} | ${id('b')} | /$/inet/127.1/3; /x => ~ | ! | ${id('b')}`);
  assert.match(await text(rig, `resolve/tea${asked('/svc')}`), /"port":2,/);
  assert.match(await text(rig, `resolve/tea${asked('/x')}`), /"type":"neg"/);
});

test('a watch of dtabs or of namespaces ends with a line of text when the store fails', async t => {
  for (const target of ['dtabs?watch=1', 'dtabs/tea?watch=1']) {
    const rig = await startRig(t);
    await rig.put('tea', '');
    const stream = await rig.watch(target);
    await stream.line();
    rig.store.state.next({ state: 'failed', error: new Error('error') });
    assert.equal(await stream.line(), 'error');
    await stream.end();
  }
});

test('a store that fails for a reason of its own is 500 with that reason', async t => {
  const rig = await startRig(t);
  rig.store.state.next(failed(new Error('the disk is gone')));
  for (const target of ['dtabs', 'dtabs/tea', `bind/tea${asked('/svc')}`, `resolve/tea${asked('/svc')}`]) {
    const answer = await rig.ask('GET', target);
    assert.deepEqual([target, answer.status, answer.text], [target, 500, 'the disk is gone']);
  }
});

test('PUT takes the same forms as POST, parameters aside, and names the Content-Type that is missing', async t => {
  const rig = await startRig(t);
  for (const [type, body] of [
    ['application/json', '[{"prefix":"/tshirt","dst":"/suit"}]'],
    ['application/json;charset=UTF-8', '[{"prefix":"/tshirt","dst":"/suit"}]'],
    ['application/dtab', '/tshirt => /suit'],
    ['text/plain; charset=utf-8', '/tshirt => /suit;'],
    ['TEXT/PLAIN', '/tshirt=>/suit\n'],
  ])
    for (const method of ['PUT', 'POST']) {
      await rig.ask('DELETE', 'dtabs/tea');
      assert.equal(
        (await rig.ask(method, 'dtabs/tea', { 'content-type': type }, body)).status,
        204,
        `${method} ${type}`,
      );
      assert.equal(await text(rig, 'dtabs/tea'), '[{"prefix":"/tshirt","dst":"/suit"}]\n');
    }
  const answer = await rig.ask('PUT', 'dtabs/tea', {}, '/a=>/b');
  assert.equal(answer.status, 400);
  assert.match(answer.text, /^Invalid Content-Type ""\./);
});

test('a version that is refused leaves the dtab as it is', async t => {
  const rig = await startRig(t);
  await rig.put('tea', '/a=>/b');
  const headers = { 'content-type': 'application/dtab', 'if-match': 'yolo' };
  assert.equal((await rig.ask('PUT', 'dtabs/tea', headers, '/a=>/c')).status, 412);
  const after = await rig.ask('GET', 'dtabs/tea', { accept: 'application/dtab' });
  assert.deepEqual([after.text, after.headers.etag], ['/a=>/b\n', 'AAAAAAAAAAE=']);
});
