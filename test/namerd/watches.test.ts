/** Watches: what they say, when they end, and that nothing is left of them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { BehaviorSubject, type Observable, of } from 'rxjs';
import { leaf, type NameTree, neg } from '../../src/dtab/name-tree.ts';
import { parsePath } from '../../src/dtab/parse.ts';
import { failed, ok } from '../../src/live/activity.ts';
import { type Addr, boundAddr, negAddr, pendingAddr } from '../../src/naming/addr.ts';
import type { Name } from '../../src/naming/name.ts';
import { until } from '../support/waiting.ts';
import { type Rig, startRig } from './rig.ts';

const at = (port: number) => ({ ip: '127.0.0.1', port, meta: {} });
const foo = '/#/io.l5d.namer/foo';
const query = (path: string) => `?path=${encodeURIComponent(path)}&watch=`;

function name(id: string, addr: Observable<Addr> = of(boundAddr([at(1)]))): NameTree<Name> {
  return leaf<Name>({ type: 'bound', bound: { id: parsePath(id), residual: [], addr } });
}

const says = (rig: Rig, path: string, tree: NameTree<Name>) => rig.namer.answer(path, ok(tree));

test('a watch of addresses sends one line per change: bound{1}, bound{1,2}, neg, bound{3}; never pending, nothing twice', async t => {
  const rig = await startRig(t);
  const addr = new BehaviorSubject<Addr>(pendingAddr);
  says(rig, '/foo', name(foo, addr));
  const stream = await rig.watch(`addr/default${query(foo)}true`);
  assert.equal(stream.response.statusCode, 200, 'at once, before anything is known');
  assert.equal(stream.response.headers['transfer-encoding'], 'chunked');
  const bound = (...ports: number[]) =>
    `{"type":"bound","addrs":[${ports.map(port => JSON.stringify(at(port)))}],"meta":{}}`;
  for (const [next, line] of [
    [boundAddr([at(1)]), bound(1)],
    [boundAddr([at(1), at(2)]), bound(1, 2)],
    [negAddr, '{"type":"neg"}'],
    [boundAddr([at(3)]), bound(3)],
  ] as const) {
    addr.next(next);
    addr.next(pendingAddr);
    addr.next(next);
    assert.equal(await stream.line(), line);
  }
});

test('watch is on for 1, t, true and without a value, off for 0, f and false; any other value is an error', async t => {
  const rig = await startRig(t);
  says(rig, '/foo', name(foo));
  for (const on of ['1', 't', 'true', 'T', 'TRUE', '']) {
    const stream = await rig.watch(`addr/default${query(foo)}${on}`);
    await stream.line();
    assert.equal(stream.ended, false, on);
    stream.leave();
  }
  for (const off of ['0', 'f', 'false', 'FALSE'])
    assert.equal((await rig.ask('GET', `addr/default${query(foo)}${off}`)).status, 200, off);
  for (const wrong of ['yes', 'banana', '2'])
    assert.equal((await rig.ask('GET', `addr/default${query(foo)}${wrong}`)).status, 400, wrong);
});

test('a watch of a tree sends changes of the tree, not those of the addresses in it', async t => {
  const rig = await startRig(t);
  const addr = new BehaviorSubject<Addr>(boundAddr([at(1)]));
  says(rig, '/foo', name(foo, addr));
  await rig.put('default', '/svc => /#/io.l5d.namer/foo');
  const stream = await rig.watch(`bind/default${query('/svc')}1`);
  const ids = async () => {
    const tree = (await stream.json()) as { type: string; bound?: { id: string; addr: { addrs: { port: number }[] } } };
    return tree.bound === undefined ? tree.type : `${tree.bound.id} ${tree.bound.addr.addrs[0].port}`;
  };
  assert.equal(await ids(), `${foo} 1`);
  addr.next(boundAddr([at(2)]));
  await rig.put('default', '/svc => /$/inet/127.1/80');
  assert.equal(await ids(), '/$/inet/127.1/80 80');
  await rig.put('default', '/svc => /#/io.l5d.namer/foo; /unrelated => /x');
  assert.equal(await ids(), `${foo} 2`);
  await rig.ask('DELETE', 'dtabs/default');
  assert.equal(await ids(), 'neg');
});

test('a write that does not change the tree is not sent, whichever rules it changes', async t => {
  const rig = await startRig(t);
  says(rig, '/foo', name(foo));
  await rig.put('default', '/svc => /#/io.l5d.namer/foo');
  const streams = await Promise.all(
    ['bind', 'resolve'].map(endpoint => rig.watch(`${endpoint}/default${query('/svc')}1`)),
  );
  for (const stream of streams) await stream.line();
  for (const dtab of [
    '/svc => /way; /way => /#/io.l5d.namer/foo',
    '/svc => ~ | /#/io.l5d.namer/foo; /x => /y',
    '/svc => ~',
  ])
    await rig.put('default', dtab);
  for (const stream of streams) assert.match(await stream.line(), /^\{"type":"neg"/);
});

test('a tree that cannot be confirmed for a while is neither sent nor drawn again', async t => {
  const rig = await startRig(t);
  const addr = new BehaviorSubject<Addr>(boundAddr([at(1)]));
  const tree = name(foo, addr);
  says(rig, '/foo', tree);
  const bind = await rig.watch(`bind/default${query(foo)}1`);
  const resolve = await rig.watch(`resolve/default${query(foo)}1`);
  await bind.line();
  await resolve.line();
  rig.namer.answer('/foo', { state: 'ok', value: tree, unconfirmed: new Error('the registry is away') });
  says(rig, '/foo', tree);
  addr.next(boundAddr([at(2)]));
  assert.match(await resolve.line(), /"port":2/);
  says(rig, '/foo', neg);
  assert.equal(await bind.line(), '{"type":"neg"}');
});

test('a watch that fails ends with a line of text that names the reason', async t => {
  const rig = await startRig(t);
  const stream = await rig.watch(`bind/default${query(foo)}1`);
  rig.namer.answer('/foo', failed(new Error('error\nin two lines')));
  assert.equal(await stream.line(), 'error in two lines');
  await stream.end();
  assert.equal(stream.received, 'error in two lines\n');
});

test('a watch of a dtab sends each version in the requested form, and a line when the namespace is deleted', async t => {
  const rig = await startRig(t);
  const text = await rig.watch('dtabs/tea?watch=true', { accept: 'application/dtab' });
  const json = await rig.watch('dtabs/tea?watch=true');
  assert.equal(text.response.headers.etag, undefined);
  assert.equal(text.response.headers['content-type'], 'application/dtab');
  assert.equal(json.response.headers['content-type'], 'application/json');
  await rig.put('tea', '/a=>/b');
  assert.equal(await text.line(), '/a=>/b');
  assert.equal(await json.line(), '[{"prefix":"/a","dst":"/b"}]');
  await rig.ask('DELETE', 'dtabs/tea');
  assert.equal(await text.line(), '# namespace tea was deleted');
  assert.equal(await json.line(), 'null');
  await rig.put('tea', '/a=>/c');
  assert.equal(await text.line(), '/a=>/c');
});

test('a watch of the namespaces sends each change of the list', async t => {
  const rig = await startRig(t);
  const stream = await rig.watch('dtabs?watch=true');
  assert.equal(await stream.line(), '[]');
  await rig.put('tea', '');
  assert.equal(await stream.line(), '["tea"]');
  await rig.put('tea', '/a=>/b');
  await rig.put('soup', '');
  assert.equal(await stream.line(), '["soup","tea"]');
  await rig.ask('DELETE', 'dtabs/tea');
  assert.equal(await stream.line(), '["soup"]');
});

test('a watch of a resolution follows the addresses and, through a change of the tree, the name', async t => {
  const rig = await startRig(t);
  const addr = new BehaviorSubject<Addr>(boundAddr([at(1)]));
  says(rig, '/foo', name(foo, addr));
  await rig.put('default', '/svc => /#/io.l5d.namer/foo');
  const stream = await rig.watch(`resolve/default${query('/svc')}1`);
  const port = async () => ((await stream.json()) as { addrs: { port: number }[] }).addrs[0]?.port;
  assert.equal(await port(), 1);
  addr.next(boundAddr([at(2)]));
  assert.equal(await port(), 2);
  await rig.put('default', '/svc => /$/inet/127.1/80');
  assert.equal(await port(), 80);
  await rig.put('default', '');
  assert.equal(await port(), undefined);
});

test('a watch without changes sends line breaks', async t => {
  const rig = await startRig(t, { api: { heartbeatMs: 5 } });
  says(rig, '/foo', neg);
  const stream = await rig.watch(`bind/default${query(foo)}1`);
  assert.equal(await stream.line(), '{"type":"neg"}');
  assert.equal(await stream.line(), '');
  assert.equal(await stream.line(), '');
});

/** Watches the addresses of /foo and takes nothing of what is sent. */
async function deafReader(t: TestContext, rig: Rig) {
  const addr = new BehaviorSubject<Addr>(boundAddr([at(1)]));
  says(rig, '/foo', name(foo, addr));
  const socket = connect(Number(rig.url.split(':').at(-1)), '127.0.0.1');
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  socket.pause();
  socket.write(`GET /api/1/addr/default${query(foo)}1 HTTP/1.1\r\nhost: localhost\r\n\r\n`);
  await until(() => rig.api.watches === 1, 'the watch');
  return { addr, socket };
}

test('a slow reader gets the newest document and not those before it', async t => {
  const { addr, socket } = await deafReader(t, await startRig(t));
  const padding = 'x'.repeat(1_000_000);
  const versions = 60;
  for (let i = 1; i <= versions; i++) {
    addr.next(boundAddr([at(i)], { padding }));
    await new Promise(setImmediate);
  }
  let received = '';
  socket.setEncoding('latin1').on('data', chunk => {
    received += chunk;
  });
  socket.resume();
  await until(() => received.includes(`"port":${versions},`), 'the newest document');
  const told = received.match(/"port":\d+/g)!.length;
  assert.ok(told < versions / 2, `${told} of ${versions} documents were sent`);
});

test('a reader that accepts nothing is disconnected after a while', async t => {
  const rig = await startRig(t, { api: { drainTimeoutMs: 30 } });
  const { addr } = await deafReader(t, rig);
  let port = 1;
  const padding = 'x'.repeat(1_000_000);
  await until(() => {
    // As much as the system's buffers hold, and more.
    addr.next(boundAddr([at(++port)], { padding }));
    return rig.api.watches === 0;
  }, 'the cut');
});

test('watches that are pipelined on one connection end with it', async t => {
  const rig = await startRig(t, { api: { maxWatches: 3, maxWatchesPerClient: 3 } });
  const socket = connect(Number(rig.url.split(':').at(-1)), '127.0.0.1');
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  const watching = 'GET /api/1/dtabs?watch=1 HTTP/1.1\r\nhost: localhost\r\n\r\n';
  socket.write(watching.repeat(3));
  await until(() => rig.api.watches === 3, 'the watches');
  assert.equal(rig.store.observers, 3);
  socket.destroy();
  await until(() => rig.api.watches === 0, 'the end of all of them');
  assert.equal(rig.store.observers, 0);
});

test('a watch that is pipelined after a short request is answered after it', async t => {
  const rig = await startRig(t);
  const socket = connect(Number(rig.url.split(':').at(-1)), '127.0.0.1');
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  let received = '';
  socket.setEncoding('latin1').on('data', chunk => {
    received += chunk;
  });
  const asking = (target: string) => `GET /api/1/${target} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
  socket.write(asking('resolve/default?path=/%23/io.l5d.namer/late') + asking('dtabs?watch=1'));
  await until(() => rig.api.watches === 1, 'the watch');
  await rig.put('tea', '');
  assert.equal(received, '');
  says(rig, '/late', neg);
  await until(() => received.includes('["tea"]'), 'what the watch says');
  await rig.put('soup', '');
  await until(() => received.includes('["soup","tea"]'), 'what it says later');
  assert.ok(received.indexOf('"neg"') < received.indexOf('[]'), received);
});

test('a document is not sent again after the tree was unknown', async t => {
  const rig = await startRig(t);
  says(rig, '/foo', name(foo));
  await rig.put('default', '/svc => /#/io.l5d.namer/foo');
  const stream = await rig.watch(`bind/default${query('/svc')}1`);
  const first = await stream.line();
  await rig.put('default', '/svc => /#/io.l5d.namer/bar');
  await rig.put('default', '/svc => /#/io.l5d.namer/foo');
  await rig.put('default', '/svc => ~');
  assert.match(first, /"leaf"/);
  assert.equal(await stream.line(), '{"type":"neg"}');
});

test('watches beyond the limit are refused with 503 until another one ends', async t => {
  const rig = await startRig(t, { api: { maxWatches: 2, maxWatchesPerClient: 2 } });
  const [first] = [await rig.watch('dtabs?watch=1'), await rig.watch('dtabs?watch=1')];
  const refused = await rig.ask('GET', 'dtabs?watch=1');
  assert.equal(refused.status, 503);
  assert.match(refused.text, /too many watches are open: the limit is 2/);
  assert.equal((await rig.ask('GET', 'dtabs')).status, 200, 'short requests go on');
  first.leave();
  await until(() => rig.api.watches === 1, 'the first to leave');
  await (await rig.watch('dtabs?watch=1')).line();
});

test('one client cannot open all watches: by default it gets half of them', async t => {
  const rig = await startRig(t, { api: { maxWatches: 4 } });
  for (let i = 0; i < 2; i++) await rig.watch('dtabs?watch=1');
  const refused = await rig.ask('GET', 'dtabs?watch=1');
  assert.deepEqual([refused.status, refused.text], [503, 'too many watches are open: the limit is 2 for one client']);
});

test('closing the API ends its watches', async t => {
  const rig = await startRig(t);
  const stream = await rig.watch('dtabs?watch=1');
  await stream.line();
  await rig.api.close();
  await stream.end();
});

test('after 1 000 watches have ended nothing is observed', async t => {
  const idle = new Set<() => void>();
  const clock = {
    after: (_ms: number, run: () => void) => {
      idle.add(run);
      return () => void idle.delete(run);
    },
  };
  const rig = await startRig(t, { namespaces: { clock } });
  await rig.put('default', '/svc => /#/io.l5d.namer');
  const endpoints = ['bind', 'resolve', 'addr', 'dtabs'] as const;
  for (let round = 0; round < 10; round++) {
    const streams = await Promise.all(
      Array.from({ length: 100 }, (_, i) => {
        const endpoint = endpoints[i % endpoints.length];
        if (endpoint === 'dtabs') return rig.watch(`dtabs/ns${i}?watch=1`);
        const path = endpoint === 'addr' ? `/#/io.l5d.namer/n${i}` : `/svc/n${round}-${i}`;
        return rig.watch(`${endpoint}/default${query(path)}1`);
      }),
    );
    assert.equal(rig.api.watches, 100);
    for (const stream of streams) stream.leave();
    await until(() => rig.api.watches === 0, 'all to leave');
  }
  for (const run of [...idle]) run();
  assert.deepEqual(rig.namespaces.observed, { trees: 0, addrs: 0 });
  assert.equal(rig.namer.watches.size, 0);
  assert.equal(rig.store.observers, 0);
});
