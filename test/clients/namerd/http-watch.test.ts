/** Binding through a namerd that streams. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boundJson, leafJson, startNamerd, unionJson } from '../../support/namerd.ts';
import { changes, interpreterOf, leavesOf, observe, shown, shownAddr, treeOf } from './setup.ts';

test('a weighted union stays a union with its weights, and each branch has its own live addresses', async t => {
  const namerd = await startNamerd(t);
  namerd.setBind('default', '/svc/web', unionJson([0.9, leafJson('/#/fs/v1')], [0.1, leafJson('/#/fs/v2')]));
  namerd.setAddr('/#/fs/v1', boundJson(['10.0.0.1:80']));
  namerd.setAddr('/#/fs/v2', boundJson(['10.0.0.2:80', '10.0.0.3:80']));
  const tree = interpreterOf(t, namerd.url).bind('/svc/web');
  const [v1, v2] = leavesOf(await treeOf(tree)).map(({ addr }) => observe(t, addr));
  await v1.first(addr => shownAddr(addr) === '10.0.0.1:80');
  await v2.first(addr => shownAddr(addr) === '10.0.0.2:80,10.0.0.3:80');
  assert.equal(shown(tree.last), '0.90*/#/fs/v1 & 0.10*/#/fs/v2');
});

test('the extra dtab and the path travel escaped, and the namespace and a path of the base URL in front', async t => {
  const namerd = await startNamerd(t);
  const { bind } = interpreterOf(t, `${namerd.url}/front/`, { namespace: 'a/b' });
  bind('/svc/#x', '/svc => /#/fs & /b');
  await namerd.untilRequests(1);
  assert.deepEqual(namerd.requests(), [
    'GET /front/api/1/bind/a/b?path=%2Fsvc%2F%23x&dtab=%2Fsvc%3D%3E%2F%23%2Ffs%20%26%20%2Fb&watch=1',
  ]);
});

test('a change of addresses does not repeat the tree, and a tree with the same names does not restart the addresses', async t => {
  const namerd = await startNamerd(t);
  namerd.setBind('default', '/svc/a', leafJson('/#/fs/a', boundJson(['10.0.0.1:80'])));
  namerd.setAddr('/#/fs/a', boundJson(['10.0.0.1:80']));
  const tree = interpreterOf(t, namerd.url).bind('/svc/a');
  const addr = observe(t, leavesOf(await treeOf(tree))[0].addr);
  await namerd.untilWatches(1, 'addr');
  namerd.setAddr('/#/fs/a', boundJson(['10.0.0.1:80', '10.0.0.2:80']));
  await addr.first(addr => shownAddr(addr) === '10.0.0.1:80,10.0.0.2:80');
  namerd.setBind('default', '/svc/a', leafJson('/#/fs/a', boundJson(['10.0.0.1:80', '10.0.0.2:80'])));
  namerd.setAddr('/#/fs/a', boundJson(['10.0.0.9:80']));
  await addr.first(addr => shownAddr(addr) === '10.0.0.9:80');
  namerd.setBind('default', '/svc/a', { type: 'neg' });
  await tree.first(activity => shown(activity) === '~');
  assert.deepEqual(changes(tree.seen, shown), ['pending', '/#/fs/a', '~']);
  assert.equal(namerd.requests().filter(request => request.includes('/addr/')).length, 1);
});

test('names that share a bound id share its watch', async t => {
  const namerd = await startNamerd(t);
  const { bind } = interpreterOf(t, namerd.url);
  namerd.setAddr('/#/fs/x', boundJson(['10.0.0.1:80']));
  for (const path of ['/svc/a', '/svc/b']) {
    namerd.setBind('default', path, leafJson('/#/fs/x'));
    const [bound] = leavesOf(await treeOf(bind(path)));
    await observe(t, bound.addr).first(addr => shownAddr(addr) === '10.0.0.1:80');
  }
  assert.equal(namerd.openWatches().filter(({ endpoint }) => endpoint === 'addr').length, 1);
});

test('an address watch lives on when one tree follows another with the same id', async t => {
  const namerd = await startNamerd(t);
  namerd.setBind('default', '/svc/a', leafJson('/#/fs/a'));
  namerd.setAddr('/#/fs/a', boundJson(['10.0.0.1:80']));
  const tree = interpreterOf(t, namerd.url, { lingerMs: 500 }).bind('/svc/a');
  const before = observe(t, leavesOf(await treeOf(tree))[0].addr);
  await before.first(addr => shownAddr(addr) === '10.0.0.1:80');
  namerd.setBind('default', '/svc/a', unionJson([1, leafJson('/#/fs/a')], [1, leafJson('/#/fs/b')]));
  const both = await tree.first(activity => shown(activity) === '/#/fs/a & /#/fs/b');
  before.stop();
  const after = observe(t, leavesOf(both.state === 'ok' ? both.value : assert.fail())[0].addr);
  assert.equal(shownAddr(after.last), '10.0.0.1:80');
  assert.equal(namerd.requests().filter(request => request.includes('/addr/')).length, 1);
});

test('the addresses in the tree line serve until the address watch has answered', async t => {
  const namerd = await startNamerd(t);
  namerd.setBind('default', '/svc/a', leafJson('/#/fs/a', boundJson(['10.0.0.1:80'])));
  namerd.setStatus('addr', 503);
  const tree = interpreterOf(t, namerd.url).bind('/svc/a');
  const addr = observe(t, leavesOf(await treeOf(tree))[0].addr);
  assert.equal(shownAddr(addr.last), '10.0.0.1:80');
  namerd.setAddr('/#/fs/a', boundJson(['10.0.0.2:80']));
  namerd.setStatus('addr', 200);
  await addr.first(addr => shownAddr(addr) === '10.0.0.2:80');
  assert.deepEqual(changes(addr.seen, shownAddr), ['10.0.0.1:80', '10.0.0.2:80']);
});

test('neg, empty and fail are answers, also after good ones', async t => {
  const namerd = await startNamerd(t);
  namerd.setBind('default', '/svc/a', leafJson('/#/fs/a'));
  namerd.setAddr('/#/fs/a', boundJson(['10.0.0.1:80']));
  const tree = interpreterOf(t, namerd.url).bind('/svc/a');
  const addr = observe(t, leavesOf(await treeOf(tree))[0].addr);
  await namerd.untilWatches(1, 'addr');
  for (const [json, expected] of [
    [boundJson([]), ''],
    [{ type: 'neg' }, 'neg'],
    [boundJson(['10.0.0.3:80']), '10.0.0.3:80'],
  ] as const) {
    namerd.setAddr('/#/fs/a', json);
    await addr.first(addr => shownAddr(addr) === expected);
  }
  for (const [type, expected] of [
    ['neg', '~'],
    ['empty', '$'],
    ['fail', '!'],
  ]) {
    namerd.setBind('default', '/svc/a', { type });
    await tree.first(activity => shown(activity) === expected);
  }
});

test("what a namer's failure leaves behind is the last good answer", async t => {
  const namerd = await startNamerd(t);
  namerd.setBind('default', '/svc/a', leafJson('/#/fs/a'));
  namerd.setAddr('/#/fs/a', boundJson(['10.0.0.1:80']));
  const tree = interpreterOf(t, namerd.url).bind('/svc/a');
  const addr = observe(t, leavesOf(await treeOf(tree))[0].addr);
  await addr.first(addr => shownAddr(addr) === '10.0.0.1:80');
  namerd.setAddr('/#/fs/a', { type: 'failed', cause: 'consul is away' });
  namerd.setAddr('/#/fs/a', { type: 'pending' });
  namerd.setAddr('/#/fs/a', boundJson(['10.0.0.2:80']));
  await addr.first(addr => shownAddr(addr) === '10.0.0.2:80');
  assert.deepEqual(changes(addr.seen, shownAddr), ['pending', '10.0.0.1:80', '10.0.0.2:80']);
});

test('the last observer closes every connection of a name', async t => {
  const namerd = await startNamerd(t);
  namerd.setBind('default', '/svc/a', unionJson([1, leafJson('/#/fs/a')], [1, leafJson('/#/fs/b')]));
  const { bind, interpreter } = interpreterOf(t, namerd.url);
  const [tree, again] = [bind('/svc/a'), bind('/svc/a')];
  const addrs = leavesOf(await treeOf(tree)).map(({ addr }) => observe(t, addr));
  await namerd.untilWatches(3);
  assert.equal(interpreter.status().length, 3);
  tree.stop();
  for (const addr of addrs) addr.stop();
  await namerd.untilWatches(1);
  assert.deepEqual(namerd.openWatches(), [{ endpoint: 'bind', path: '/svc/a' }]);
  again.stop();
  await namerd.until(server => server.openWatches().length + server.openConnections() === 0);
  assert.deepEqual(interpreter.status(), []);
});

test('each document and each failed request is told to the observer, with a latency where there was a request', async t => {
  const namerd = await startNamerd(t);
  const { bind, outcomes } = interpreterOf(t, namerd.url);
  const tree = bind('/svc/a');
  await treeOf(tree);
  namerd.setBind('default', '/svc/a', { type: 'empty' });
  await tree.first(activity => shown(activity) === '$');
  namerd.write('{"type":"odd"}\n');
  await tree.first(activity => activity.state === 'ok' && activity.unconfirmed !== undefined);
  namerd.setStatus('bind', 500);
  namerd.endWatches();
  await namerd.untilRequests(3);
  const [first, pushed, odd, refused] = outcomes;
  assert.equal(first.ok && pushed.ok, true);
  assert.deepEqual(odd, { ok: false, latencyMs: undefined });
  assert.ok(first.latencyMs !== undefined && first.latencyMs >= 0);
  assert.equal(pushed.latencyMs, undefined);
  assert.equal(refused.ok, false);
  assert.ok(refused.latencyMs !== undefined);
});

test('a delegation is asked for once; its absence is an error with the status', async t => {
  const namerd = await startNamerd(t);
  const { interpreter } = interpreterOf(t, namerd.url);
  namerd.setDelegate('default', '/svc/a', {
    type: 'delegate',
    path: '/svc/a',
    delegate: { type: 'neg', path: '/b/a', dentry: { prefix: '/svc', dst: '/b' } },
  });
  const tree = await interpreter.delegate([], ['svc', 'a']);
  assert.equal(tree.type, 'delegate');
  namerd.setStatus('delegate', 501);
  await assert.rejects(interpreter.delegate([], ['svc', 'a']), { code: 'NAMERD_STATUS', message: /answered 501/ });
});
