/** The answers of a worker about listeners: it always answers, even when it is too late. */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { showErrno } from '../../src/io/errno.ts';
import type { Up } from '../../src/proxy/messages.ts';
import { type FakeRelay, fakeRelay } from '../support/fake-relay.ts';
import { listenerSpec, sharedCounts } from '../support/specs.ts';

const { ECANCELED, ENOTSUP, ENOBUFS } = constants.errno;

const answers = ({ relay }: FakeRelay, id: number): readonly Up[] =>
  relay.messages.filter(message => 'id' in message && message.id === id);

test('unlisten is answered also for a listener that a drain has closed, or that never was', () => {
  const made = fakeRelay({ upstreams: [1001] });
  const { relay, driver } = made;
  const { id } = listenerSpec(relay.registry);
  const unlistened = (of: number) => answers(made, of).filter(message => message.type === 'unlistened').length;
  made.client();
  relay.worker.tell({ type: 'drain', graceMs: 1_000 });
  relay.worker.tell({ type: 'unlisten', id });
  driver.settle();
  assert.equal(unlistened(id), 1);
  relay.worker.tell({ type: 'unlisten', id });
  assert.equal(unlistened(id), 2);
  relay.worker.tell({ type: 'unlisten', id: 77 });
  assert.equal(unlistened(77), 1);
  made.finish();
});

test('while it drains, a worker refuses new listeners and takes no new settings for old ones', () => {
  const made = fakeRelay({ upstreams: [1001] });
  const { relay, driver } = made;
  made.client();
  relay.worker.tell({ type: 'drain', graceMs: 1_000 });
  relay.worker.tell({ type: 'listen', listener: listenerSpec(relay.registry, { id: 9 }) });
  relay.adjust({ maxConcurrency: 5 });
  driver.settle();
  relay.adjust({ maxConcurrency: 6 });
  assert.equal(driver.listeners.length, 1);
  assert.deepEqual(answers(made, 9), [{ type: 'listenFailed', id: 9, errno: ECANCELED }]);
  made.finish();
});

test('a listener that is closed before it listens is answered', () => {
  const made = fakeRelay({ upstreams: [1001] });
  const { relay, driver } = made;
  relay.worker.tell({ type: 'listen', listener: listenerSpec(relay.registry, { id: 9 }) });
  relay.worker.tell({ type: 'drain', graceMs: 1_000 });
  driver.settle();
  assert.deepEqual(answers(made, 9), [
    { type: 'listenFailed', id: 9, errno: ECANCELED },
    { type: 'unlistened', id: 9 },
  ]);
  made.finish();
});

test('new settings for a listener that does not exist are ignored', () => {
  const made = fakeRelay({ upstreams: [1001] });
  made.relay.worker.tell({ type: 'adjust', listener: listenerSpec(made.relay.registry, { id: 77 }), generation: 0 });
  made.client();
  assert.equal(made.relay.active, 1);
  made.finish();
});

test('listeners that come and go, one after the other and many at once, keep their own', () => {
  const made = fakeRelay({ upstreams: [1001] });
  const { relay, driver } = made;
  for (let id = 10; id < 200; id++) {
    relay.worker.tell({ type: 'listen', listener: listenerSpec(relay.registry, { id, active: sharedCounts.active }) });
    driver.settle();
    driver.accept(driver.listeners.at(-1) as (typeof driver.listeners)[number]);
    driver.settle();
    if (id % 3 > 0) relay.worker.tell({ type: 'unlisten', id: id - 1 });
    driver.settle();
    assert.deepEqual(
      answers(made, id).map(message => message.type),
      ['listening'],
    );
  }
  assert.equal(relay.active, 190);
  made.finish();
});

test('a listening socket that breaks is reported, and the others continue', () => {
  const made = fakeRelay({ upstreams: [1001] });
  const { relay, driver } = made;
  relay.worker.tell({ type: 'listen', listener: listenerSpec(relay.registry, { id: 9 }) });
  driver.settle();
  relay.worker.events.failed(driver.listeners[1].handle, ENOTSUP);
  driver.settle();
  assert.ok(relay.messages.some(one => one.type === 'notice' && /^no longer listening on .*ENOTSUP/.test(one.text)));
  assert.equal(answers(made, 9).at(-1)?.type, 'unlistened');
  made.client();
  assert.equal(relay.active, 1);
  made.finish();
});

test('only for want of descriptors the advice is to raise their limit', () => {
  const made = fakeRelay({ upstreams: [1001] });
  made.driver.acceptFailed(made.driver.listeners[0], ENOBUFS);
  const texts = made.relay.messages.flatMap(one => (one.type === 'notice' ? [one.text] : []));
  assert.deepEqual(texts, [`cannot accept connections: ${showErrno(ENOBUFS)}`]);
  made.finish();
});
