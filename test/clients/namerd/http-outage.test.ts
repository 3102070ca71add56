/** What happens when a namerd goes away, hangs, fails or talks nonsense. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Heartbeats } from '../../../src/clients/namerd/heartbeats.ts';
import { type Clock, systemClock } from '../../../src/live/clock.ts';
import { boundJson, leafJson, type NamerdServer, startNamerd } from '../../support/namerd.ts';
import { launchNamerd } from '../../support/namerd-process.ts';
import {
  type Cleanup,
  changes,
  interpreterOf,
  leavesOf,
  nextTurn,
  observe,
  shown,
  shownAddr,
  treeOf,
} from './setup.ts';

/** `/svc/a` bound to one address, both watches open. */
async function boundName(t: Cleanup, namerd: NamerdServer, changed: Parameters<typeof interpreterOf>[2] = {}) {
  namerd.setBind('default', '/svc/a', leafJson('/#/fs/a'));
  namerd.setAddr('/#/fs/a', boundJson(['10.0.0.1:80']));
  const made = interpreterOf(t, namerd.url, changed);
  const tree = made.bind('/svc/a');
  const addr = observe(t, leavesOf(await treeOf(tree))[0].addr);
  await addr.first(addr => shownAddr(addr) === '10.0.0.1:80');
  return { ...made, tree, addr };
}

test('an outage changes nothing; what changed meanwhile is there after the restart', async t => {
  const namerd = await startNamerd(t);
  const { tree, addr, interpreter, log } = await boundName(t, namerd);
  await namerd.stop();
  while (!interpreter.status().every(({ lastError }) => lastError)) await nextTurn();
  namerd.setAddr('/#/fs/a', boundJson(['10.0.0.2:80']));
  await namerd.start();
  await addr.first(addr => shownAddr(addr) === '10.0.0.2:80');
  await namerd.untilWatches(2);
  assert.deepEqual(changes(tree.seen, shown), ['pending', '/#/fs/a']);
  assert.deepEqual(changes(addr.seen, shownAddr), ['pending', '10.0.0.1:80', '10.0.0.2:80']);
  while (log.lines.length < 2) await nextTurn();
  assert.equal(log.lines.length, 2, log.lines.join('\n'));
  assert.match(log.lines[0], /^warn cannot reach http:.*; names keep their last known addresses; retrying/);
  assert.match(log.lines[1], /^info namerd at http:.* recovered$/);
});

test('what was good says why it cannot be confirmed, to later observers too, until it can', async t => {
  const namerd = await startNamerd(t);
  const { tree, addr, bind } = await boundName(t, namerd);
  await namerd.stop();
  const lost = await tree.first(state => state.state === 'ok' && /cannot reach/.test(String(state.unconfirmed)));
  await addr.first(state => state.state === 'bound' && /cannot reach/.test(String(state.unconfirmed)));
  assert.equal(shown(lost), '/#/fs/a');
  const later = bind('/svc/a').last;
  assert.ok(later?.state === 'ok' && later.unconfirmed);
  await namerd.start();
  const lostAt = tree.seen.indexOf(lost);
  await tree.first(state => tree.seen.indexOf(state) > lostAt && state.state === 'ok' && !state.unconfirmed);
  await namerd.untilWatches(2);
});

test('a namerd that is killed and comes back with an empty memory is followed again', async t => {
  const namerd = await launchNamerd(t);
  await namerd.call('setBind', 'default', '/svc/a', leafJson('/#/fs/a'));
  const tree = interpreterOf(t, namerd.url).bind('/svc/a');
  await treeOf(tree);
  await namerd.kill();
  await namerd.start();
  await namerd.call('setBind', 'default', '/svc/a', leafJson('/#/fs/b'));
  await tree.first(activity => shown(activity) === '/#/fs/b');
});

test('a name that was never bound fails with the reason until namerd answers', async t => {
  const namerd = await startNamerd(t);
  await namerd.stop();
  const tree = interpreterOf(t, namerd.url).bind('/svc/a');
  const refused = await tree.first(({ state }) => state === 'failed');
  assert.match(shown(refused), /^failed: cannot reach http:\/\/127.*\/bind\/.*ECONNREFUSED/);
  await namerd.start();
  assert.equal((await treeOf(tree)).type, 'neg');
});

test('a line of text ends the stream, is the reason in the log, and changes nothing', async t => {
  const namerd = await startNamerd(t);
  const { tree, addr, log } = await boundName(t, namerd);
  namerd.failWatches('no leader', 'addr');
  await namerd.until(server => server.requests().length >= 3);
  namerd.setAddr('/#/fs/a', boundJson(['10.0.0.2:80']));
  await addr.first(addr => shownAddr(addr) === '10.0.0.2:80');
  assert.deepEqual(changes(addr.seen, shownAddr), ['pending', '10.0.0.1:80', '10.0.0.2:80']);
  assert.deepEqual(changes(tree.seen, shown), ['pending', '/#/fs/a']);
  assert.match(
    log.lines[0],
    /^warn http:.*\/addr\/.* sent an unexpected answer: no leader; the last known answer stays in use; retrying$/,
  );
});

test('a document that is not what it should be changes nothing', async t => {
  const namerd = await startNamerd(t);
  const { addr, log } = await boundName(t, namerd);
  namerd.write('{"type":"bound","addrs":[{"ip":"10.0.0.1","port":"eighty"}]}\n', 'addr');
  namerd.setAddr('/#/fs/a', boundJson(['10.0.0.2:80']));
  await addr.first(addr => shownAddr(addr) === '10.0.0.2:80');
  assert.deepEqual(changes(addr.seen, shownAddr), ['pending', '10.0.0.1:80', '10.0.0.2:80']);
  assert.match(log.lines[0], /sent an unexpected answer: \$\.addrs\[0\]\.port/);
});

test('a document without an end is given up before it fills the memory', async t => {
  const namerd = await startNamerd(t);
  const { addr, log } = await boundName(t, namerd, { maxDocumentBytes: 1000 });
  namerd.write(`{"type":"bound","addrs":["${'x'.repeat(2000)}`, 'addr');
  await namerd.untilRequests(3);
  namerd.setAddr('/#/fs/a', boundJson(['10.0.0.2:80']));
  await addr.first(addr => shownAddr(addr) === '10.0.0.2:80');
  assert.match(log.lines[0], /longer than 1000 bytes/);
});

test('a character cut in two by the network arrives whole', async t => {
  const namerd = await startNamerd(t);
  const { addr } = await boundName(t, namerd);
  const bytes = [...Buffer.from('{"type":"bound","addrs":[],"meta":{"zone":"Zürich"}}\n')];
  const cut = bytes.indexOf(0xc3) + 1;
  namerd.writeBytes(bytes.slice(0, cut), 'addr');
  await nextTurn();
  namerd.writeBytes(bytes.slice(cut), 'addr');
  const last = await addr.first(addr => addr.state === 'bound' && addr.addresses.length === 0);
  assert.deepEqual(last.state === 'bound' && last.meta, { zone: 'Zürich' });
});

test('streams that end at once are not opened in a hot loop', async t => {
  const namerd = await startNamerd(t);
  const waits: number[] = [];
  const clock: Clock = {
    ...systemClock,
    random: () => 0.999,
    after(ms, run) {
      if (ms < 5000) waits.push(ms);
      return systemClock.after(ms < 5000 ? 0 : ms, run);
    },
  };
  interpreterOf(t, namerd.url, { clock, backoff: { baseMs: 100, maxMs: 1000 } }).bind('/svc/a');
  for (let round = 1; round <= 6; round++) {
    await namerd.untilWatches(1);
    namerd.endWatches();
    await namerd.untilWatches(0);
    await namerd.untilRequests(round + 1);
  }
  assert.deepEqual(waits.slice(0, 6), [99, 99, 199, 399, 799, 999]);
});

test('a silent stream of a server without heartbeats is opened again, which is no failure', async t => {
  const namerd = await startNamerd(t);
  const timers = new Set<{ ms: number; run: () => void }>();
  const clock: Clock = {
    ...systemClock,
    random: () => 0.5,
    after(ms, run) {
      const timer = { ms, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
  };
  const { tree, addr, log, interpreter } = await boundName(t, namerd, { clock, watchIdleTimeoutMs: 1000 });
  const silences = () => [...timers].filter(({ ms }) => ms === 1050);
  const before = silences();
  assert.equal(before.length, 2);
  const quietSince = interpreter.status().map(({ lastByteAt }) => lastByteAt);
  namerd.heartbeat();
  while (silences().some(timer => before.includes(timer))) await nextTurn();
  assert.equal(silences().length, 2, 'a heartbeat starts the wait anew');
  assert.ok(interpreter.status().every(({ lastByteAt }, i) => lastByteAt! >= quietSince[i]!));
  for (const { run } of silences()) run();
  await namerd.untilRequests(4);
  await namerd.untilWatches(2);
  namerd.setAddr('/#/fs/a', boundJson(['10.0.0.2:80']));
  await addr.first(addr => shownAddr(addr) === '10.0.0.2:80');
  assert.deepEqual(changes(tree.seen, shown), ['pending', '/#/fs/a']);
  assert.deepEqual(log.lines, []);
});

test('three missed heartbeats of a server that sends them are a failure: what is known is unconfirmed, and the stream is opened again', async t => {
  const namerd = await startNamerd(t);
  const heartbeats = new Heartbeats({ silenceMs: 200, minGapMs: 0 });
  const { tree, log } = await boundName(t, namerd, { heartbeats });
  namerd.heartbeat();
  await namerd.untilRequests(4);
  const silent = await tree.first(state => state.state === 'ok' && state.unconfirmed !== undefined);
  assert.match(String(silent.state === 'ok' && silent.unconfirmed), /cannot reach http:\S+: no heartbeat for 0.2 s/);
  assert.match(log.lines[0], /no heartbeat for 0.2 s; names keep their last known addresses; retrying$/);
  const at = tree.seen.indexOf(silent);
  await tree.first(state => tree.seen.indexOf(state) > at && state.state === 'ok' && state.unconfirmed === undefined);
});

test('a namerd that accepts and never answers is given up after the request timeout', async t => {
  const namerd = await startNamerd(t);
  namerd.setHanging(true);
  const { bind, interpreter } = interpreterOf(t, namerd.url, { requestTimeoutMs: 50 });
  const tree = bind('/svc/a');
  assert.match(shown(await tree.first(({ state }) => state === 'failed')), /no complete answer within 50 ms/);
  await assert.rejects(interpreter.delegate([], ['svc', 'a']), /no complete answer within 50 ms/);
  namerd.setHanging(false);
  await treeOf(tree);
});

test('a wrong path is an error of the name, not of the server', async t => {
  const namerd = await startNamerd(t);
  const { bind, log } = interpreterOf(t, namerd.url);
  namerd.setStatus('bind', 400);
  assert.match(shown(await bind('/svc/a').first(({ state }) => state === 'failed')), /answered 400: no reason given/);
  assert.match(log.lines[0], /^warn http:.* answered 400/);
});

test('the status says how each watch goes and since when its answer is known', async t => {
  const namerd = await startNamerd(t);
  const { interpreter } = await boundName(t, namerd);
  for (const { url, state, lastDocumentAt, lastError } of interpreter.status()) {
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/api\/1\/(bind|addr)\/default\?path=.*&watch=1$/);
    assert.equal(state, 'open');
    assert.ok(Date.now() - lastDocumentAt! < 10_000);
    assert.equal(lastError, undefined);
  }
});
