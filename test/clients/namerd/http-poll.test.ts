/** Following a server that has no streaming bind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boundJson, leafJson, startNamerd, unionJson } from '../../support/namerd.ts';
import { changes, interpreterOf, leavesOf, nextTurn, observe, shown, shownAddr, treeOf } from './setup.ts';

for (const status of [404, 405, 501])
  test(`a server that answers ${status} to bind is polled, which the log says once`, async t => {
    const namerd = await startNamerd(t);
    namerd.setStatus('bind', status);
    namerd.setResolve('default', '/svc/a', boundJson(['10.0.0.1:80']));
    const { bind, log } = interpreterOf(t, namerd.url);
    const tree = bind('/svc/a');
    const [bound] = leavesOf(await treeOf(tree));
    assert.deepEqual(bound.id, ['svc', 'a']);
    const addr = observe(t, bound.addr);
    await addr.first(addr => shownAddr(addr) === '10.0.0.1:80');
    namerd.setResolve('default', '/svc/a', boundJson(['10.0.0.2:80']));
    await addr.first(addr => shownAddr(addr) === '10.0.0.2:80');
    await treeOf(bind('/svc/b'));
    assert.deepEqual(changes(tree.seen, shown), ['pending', '/svc/a']);
    assert.equal(log.lines.length, 1);
    assert.match(
      log.lines[0],
      /no streaming bind, or there is no namerd below that address .*polling resolve every 0.02 s/,
    );
    assert.equal(namerd.requests()[1], 'GET /api/1/resolve/default?path=%2Fsvc%2Fa');
  });

test('polled addresses may become none and neg without fields, and come back', async t => {
  const namerd = await startNamerd(t);
  namerd.setStatus('bind', 404);
  namerd.setResolve('default', '/svc/a', boundJson(['10.0.0.1:80']));
  const tree = interpreterOf(t, namerd.url).bind('/svc/a');
  const addr = observe(t, leavesOf(await treeOf(tree))[0].addr);
  for (const [json, expected] of [
    [{ type: 'neg' }, 'neg'],
    [boundJson([]), ''],
    [boundJson(['10.0.0.3:80']), '10.0.0.3:80'],
  ] as const) {
    namerd.setResolve('default', '/svc/a', json);
    await addr.first(addr => shownAddr(addr) === expected);
  }
});

test('polls that fail keep the last good addresses', async t => {
  const namerd = await startNamerd(t);
  namerd.setStatus('bind', 404);
  namerd.setResolve('default', '/svc/a', boundJson(['10.0.0.1:80']));
  const { bind, outcomes } = interpreterOf(t, namerd.url);
  const addr = observe(t, leavesOf(await treeOf(bind('/svc/a')))[0].addr);
  namerd.setStatus('resolve', 500);
  while (outcomes.filter(({ ok }) => !ok).length < 3) await new Promise(resolve => setImmediate(resolve));
  namerd.setStatus('resolve', 200);
  namerd.setResolve('default', '/svc/a', boundJson(['10.0.0.2:80']));
  await addr.first(addr => shownAddr(addr) === '10.0.0.2:80');
  assert.deepEqual(changes(addr.seen, shownAddr).slice(-2), ['10.0.0.1:80', '10.0.0.2:80']);
  assert.ok(!addr.seen.some(({ state }) => state === 'failed'));
});

test('a server that learns to stream is watched again, with its weights', async t => {
  const namerd = await startNamerd(t);
  namerd.setStatus('bind', 404);
  const { bind, interpreter } = interpreterOf(t, namerd.url, { probeMs: 30 });
  const tree = bind('/svc/a');
  const addr = observe(t, leavesOf(await treeOf(tree))[0].addr);
  namerd.setBind('default', '/svc/a', unionJson([3, leafJson('/#/fs/a')], [1, leafJson('/#/fs/b')]));
  namerd.setStatus('bind', 200);
  await tree.first(activity => shown(activity) === '3.00*/#/fs/a & /#/fs/b');
  addr.stop();
  await namerd.untilWatches(1);
  const polls = () => namerd.requests().filter(request => request.includes('/resolve/')).length;
  namerd.setBind('default', '/svc/a', leafJson('/#/fs/c'));
  await tree.first(activity => shown(activity) === '/#/fs/c');
  while (interpreter.status().some(({ url }) => url.includes('/resolve/'))) await nextTurn();
  const before = polls();
  await treeOf(bind('/svc/later'));
  assert.equal(polls(), before, 'nothing is polled any more');
});

test('a front end that has lost its namerd and says 404 to everything does not take the tree away', async t => {
  const namerd = await startNamerd(t);
  namerd.setBind('default', '/svc/a', unionJson([3, leafJson('/#/fs/a')], [1, leafJson('/#/fs/b')]));
  const { bind } = interpreterOf(t, namerd.url);
  const tree = bind('/svc/a');
  await treeOf(tree);
  for (const endpoint of ['bind', 'addr', 'resolve'] as const) namerd.setStatus(endpoint, 404);
  namerd.cutWatches();
  await namerd.until(server => server.requests().filter(request => request.includes('/resolve/')).length >= 2);
  for (const endpoint of ['bind', 'addr', 'resolve'] as const) namerd.setStatus(endpoint, 200);
  await namerd.untilWatches(1, 'bind');
  namerd.setBind('default', '/svc/a', { type: 'neg' });
  await tree.first(activity => shown(activity) === '~');
  assert.deepEqual(changes(tree.seen, shown), ['pending', '3.00*/#/fs/a & /#/fs/b', '~']);
});

test('the last observer ends the polling', async t => {
  const namerd = await startNamerd(t);
  namerd.setStatus('bind', 404);
  const { bind, interpreter } = interpreterOf(t, namerd.url, { periodMs: 60_000 });
  const tree = bind('/svc/a');
  const addr = observe(t, leavesOf(await treeOf(tree))[0].addr);
  assert.match(interpreter.status()[0].url, /\/resolve\/default\?path=%2Fsvc%2Fa$/);
  tree.stop();
  addr.stop();
  while (interpreter.status().length > 0) await new Promise(resolve => setImmediate(resolve));
});
