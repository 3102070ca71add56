/** Which path, method and parameter leads where, for the whole API. */
import assert from 'node:assert/strict';
import { METHODS } from 'node:http';
import { test } from 'node:test';
import { BehaviorSubject } from 'rxjs';
import { neg } from '../../src/dtab/name-tree.ts';
import { ok, pending } from '../../src/live/activity.ts';
import { type Addr, boundAddr, pendingAddr } from '../../src/naming/addr.ts';
import { boundTo, fixedAddr } from '../support/fake-namer.ts';
import { until } from '../support/waiting.ts';
import { type Rig, startRig } from './rig.ts';

const foo = '/#/io.l5d.namer/foo';
const asked = (path: string) => `?path=${encodeURIComponent(path)}`;

/** CONNECT asks for a tunnel; QUERY needs a Content-Type (its RFC). */
const methods = METHODS.filter(method => !['CONNECT', 'QUERY'].includes(method));

async function rigWithFoo(t: Parameters<typeof startRig>[0]): Promise<Rig> {
  const rig = await startRig(t);
  rig.namer.answer('/foo', boundTo(foo, '/', fixedAddr(1)));
  return rig;
}

test('GET and HEAD list the namespaces, and POST too asks about a name; other methods are 405 with Allow', async t => {
  const rig = await rigWithFoo(t);
  await rig.put('tea', '');
  const answers = [
    ['dtabs', '["tea"]\n'],
    ['dtabs/', '["tea"]\n'],
    [`addr/tea${asked(foo)}`, '{"type":"bound","addrs":[{"ip":"127.0.0.1","port":1,"meta":{}}],"meta":{}}\n'],
    [`resolve/tea${asked(foo)}`, '{"type":"bound","addrs":[{"ip":"127.0.0.1","port":1,"meta":{}}],"meta":{}}\n'],
    [`bind/tea${asked('/none')}`, '{"type":"neg"}\n'],
    [`delegate/tea${asked('/none')}`, '{"type":"neg","path":"/none"}'],
  ];
  for (const method of methods)
    for (const [target, expected] of answers) {
      const allowed = target.startsWith('dtabs') ? ['GET', 'HEAD'] : ['GET', 'HEAD', 'POST'];
      const { status, text, headers } = await rig.ask(method, target);
      if (allowed.includes(method))
        assert.deepEqual([method, target, status, text], [method, target, 200, method === 'HEAD' ? '' : expected]);
      else assert.deepEqual([method, target, status, headers.allow], [method, target, 405, allowed.join(', ')]);
    }
});

test('a dtab supports five methods, the bound names two; the answer to another one says so', async t => {
  const rig = await rigWithFoo(t);
  const allowed = async (target: string) => {
    const refused: string[] = [];
    for (const method of methods) {
      await rig.put('tea', '');
      const { status, text } = await rig.ask(method, target);
      if (status !== 405) continue;
      assert.match(text, new RegExp(`accepts .*, not ${method}`));
      refused.push(method);
    }
    return methods.filter(method => !refused.includes(method)).sort();
  };
  assert.deepEqual(await allowed('dtabs/tea'), ['DELETE', 'GET', 'HEAD', 'POST', 'PUT']);
  assert.deepEqual(await allowed('delegate?path=/a'), ['GET', 'HEAD', 'POST']);
  assert.deepEqual(await allowed('bound-names'), ['GET', 'HEAD']);
});

test('a path that only begins like an endpoint, or lacks its namespace, is 404', async t => {
  const rig = await rigWithFoo(t);
  const targets = ['bind', 'addr', 'resolve'].flatMap(name => [name, `${name}/`, `${name}foo`, `${name}foo/tea`]);
  for (const target of [...targets, 'delegatefoo', 'bound-names/x', 'bound-namesx', 'dtab', 'BIND/tea', '/api/1', '/'])
    for (const method of ['GET', 'POST', 'DELETE']) {
      const { status, text } = await rig.ask(method, `${target}${asked(foo)}`);
      assert.deepEqual([method, target, status], [method, target, 404]);
      assert.match(text, /does not exist; try /);
    }
});

test('a namespace with slashes, or with what looks like another endpoint, is one namespace everywhere', async t => {
  const rig = await rigWithFoo(t);
  for (const namespace of ['a/b', 'dtabs/bind', 'delegate', '%2F', 'a//', '..', 'a/../b']) {
    await rig.put(namespace, '/svc => /#/io.l5d.namer');
    for (const endpoint of ['bind', 'resolve', 'delegate']) {
      const { text } = await rig.ask('GET', `${endpoint}/${namespace}${asked('/svc/foo')}`);
      assert.match(text, /"port":1/, `${endpoint}/${namespace}`);
    }
  }
});

test('a hash in a path is %23; sent as it is it ends the request target', async t => {
  const rig = await rigWithFoo(t);
  assert.match((await rig.ask('GET', 'addr/tea?path=/%23/io.l5d.namer/foo')).text, /"port":1/);
  assert.equal((await rig.ask('GET', 'addr/tea?path=/#/io.l5d.namer/foo')).text, '{"type":"neg"}\n');
});

test('watch works on every endpoint that streams, and is ignored by the others', async t => {
  const rig = await rigWithFoo(t);
  await rig.put('tea', '');
  for (const target of [
    'dtabs?',
    'dtabs/tea?',
    `bind/tea${asked(foo)}&`,
    `addr/tea${asked(foo)}&`,
    `resolve/tea${asked(foo)}&`,
  ])
    for (const on of ['1', 't', 'True']) {
      const stream = await rig.watch(`${target}watch=${on}`);
      await stream.line();
      assert.equal(stream.ended, false, target);
      stream.leave();
    }
  await until(() => rig.api.watches === 0, 'all to leave');
  for (const target of [`delegate/tea${asked(foo)}&`, `delegate${asked(foo)}&`, 'bound-names?'])
    assert.equal((await rig.ask('GET', `${target}watch=1`)).status, 200, target);
  for (const target of ['bind/tea', 'resolve/tea', 'addr/tea'])
    assert.equal((await rig.ask('GET', `${target}?path=invalid&watch=1`)).status, 400, 'before anything is streamed');
  assert.equal(rig.api.watches, 0);
});

test('an answer waits for a tree that is pending, and then for each address in it that is', async t => {
  const rig = await startRig(t, { api: { addrWaitMs: 30_000 } });
  const addr = new BehaviorSubject<Addr>(pendingAddr);
  rig.namer.answer('/foo', pending);
  const answers = ['bind', 'resolve', 'delegate'].map(async endpoint => {
    const { text } = await rig.ask('GET', `${endpoint}/tea${asked(foo)}`);
    return text;
  });
  let answered = 0;
  for (const each of answers) void each.then(() => answered++);
  await until(() => rig.namer.started === 2, 'binding, for two of them, and explaining to ask');
  rig.namer.answer('/foo', boundTo(foo, '/', addr));
  await until(() => rig.namer.started === 3, 'resolve to ask for the addresses');
  await rig.ask('GET', 'dtabs');
  assert.equal(answered, 0, 'the addresses are pending');
  addr.next(boundAddr([{ ip: '127.0.0.1', port: 7, meta: {} }]));
  for (const text of await Promise.all(answers)) assert.match(text, /"port":7/);
});

test('addr of what is no id, and of a namer that is not there, is neg', async t => {
  const rig = await startRig(t);
  rig.namer.answer('/gone', ok(neg));
  await rig.put('tea', '/svc => /$/inet/127.1/80');
  for (const path of [
    '/svc',
    '/',
    '/#',
    '/$',
    '/%/x',
    '/#/io.l5d.namer/gone',
    '/#/other/x',
    '/$/io.buoyant.hostportPfx',
  ])
    assert.equal((await rig.ask('GET', `addr/tea${asked(path)}`)).text, '{"type":"neg"}\n', path);
});
