/** The interpreter io.l5d.namerd.http against this namerd. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BehaviorSubject } from 'rxjs';
import { parseDtab, parsePath } from '../../src/dtab/parse.ts';
import { type Addr, boundAddr, negAddr } from '../../src/naming/addr.ts';
import { interpreterOf, leavesOf, observe, shown, shownAddr, treeOf } from '../clients/namerd/setup.ts';
import { boundTo } from '../support/fake-namer.ts';
import { until } from '../support/waiting.ts';
import { startRig } from './rig.ts';

const at = (port: number) => ({ ip: '127.0.0.1', port, meta: {} });

test('the client follows trees and addresses, and leaves nothing behind', async t => {
  const rig = await startRig(t, { namespaces: { idleMs: 0, negativeIdleMs: 0 } });
  const addr = new BehaviorSubject<Addr>(boundAddr([at(1)]));
  rig.namer.answer('/web', boundTo('/#/io.l5d.namer/web', '/', addr));
  await rig.put('default', '/svc => /#/io.l5d.namer');
  const { bind, interpreter, outcomes } = interpreterOf(t, rig.url);
  const tree = bind('/svc/web');
  const [leaf] = leavesOf(await treeOf(tree));
  const addrs = observe(t, leaf.addr);
  await addrs.first(seen => shownAddr(seen) === '127.0.0.1:1');
  addr.next(boundAddr([at(1), at(2)]));
  await addrs.first(seen => shownAddr(seen) === '127.0.0.1:1,127.0.0.1:2');
  addr.next(negAddr);
  await addrs.first(seen => seen.state === 'neg');
  await rig.put('default', '/svc => 0.5 * /$/inet/127.1/80 & 0.25 * /$/inet/127.1/81');
  await tree.first(seen => shown(seen).includes('&'));
  assert.equal(shown(tree.last), '0.50*/$/inet/127.1/80 & 0.25*/$/inet/127.1/81');
  assert.ok(outcomes.every(({ ok }) => ok));
  addrs.stop();
  tree.stop();
  await interpreter.close();
  await until(() => rig.api.watches === 0, 'the watches to leave');
  await until(() => rig.namespaces.observed.trees + rig.namespaces.observed.addrs === 0, 'the observations to end');
  assert.equal(rig.namer.watches.size, 0);
  assert.equal(rig.store.observers, 0);
});

test('the client sends its own dtab, which wins, and receives the delegation of a name', async t => {
  const rig = await startRig(t);
  await rig.put('default', '/svc => /$/inet/127.1/80');
  const { bind, interpreter } = interpreterOf(t, rig.url);
  const tree = bind('/svc', '/svc => /$/inet/127.1/81');
  assert.equal(leavesOf(await treeOf(tree))[0].id.join('/'), '$/inet/127.1/81');
  const delegation = await interpreter.delegate(parseDtab('/svc => ~'), parsePath('/svc'));
  assert.equal(delegation.type, 'alt');
});

test('the client lives on heartbeats: a silent watch is not opened again', async t => {
  const rig = await startRig(t, { api: { heartbeatMs: 5 } });
  await rig.put('default', '/svc => /$/inet/127.1/80');
  const { bind, interpreter } = interpreterOf(t, rig.url, { watchIdleTimeoutMs: 200 });
  await treeOf(bind('/svc'));
  const [{ lastDocumentAt }] = interpreter.status();
  await until(() => interpreter.status()[0].lastByteAt! > lastDocumentAt! + 600, 'three times the idle timeout');
  assert.equal(interpreter.status()[0].lastDocumentAt, lastDocumentAt);
});

test('a namerd that stops and comes back with the same policy changes nothing for the client', async t => {
  const first = await startRig(t);
  await first.put('default', '/svc => /$/inet/127.1/80');
  const { bind } = interpreterOf(t, first.url);
  const tree = bind('/svc');
  await treeOf(tree);
  await first.api.close();
  await tree.first(seen => seen.state === 'ok' && seen.unconfirmed !== undefined);
  const second = await startRig(t, { api: { port: Number(first.url.split(':').at(-1)) } });
  await second.put('default', '/svc => /$/inet/127.1/80');
  const outage = tree.seen.length;
  await until(() => tree.seen.slice(outage - 1).some(seen => seen.state === 'ok' && !seen.unconfirmed), 'the return');
  assert.ok(tree.seen.slice(1).every(seen => shown(seen) === '/$/inet/127.1/80' || shown(seen) === '~'));
});
