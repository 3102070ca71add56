/** Connections beyond maxConcurrency that a driver had accepted already, and shortages of the machine. */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { fakeRelay } from '../support/fake-relay.ts';
import { sharedCounts } from '../support/specs.ts';

const { EMFILE, ECONNABORTED } = constants.errno;

test('a connection accepted when the proxy is full waits unread, and goes before all later ones', () => {
  const { relay, driver, client, finish } = fakeRelay({ upstreams: [1001], listener: { maxConcurrency: 1 } });
  const [listener] = driver.listeners;
  const [first, second, third] = [client(), client(), client()];
  for (const one of [second, third]) one.send(10);
  driver.settle();
  assert.equal(relay.active, 1);
  assert.equal(listener.accepting, false);
  assert.deepEqual([second.reading, third.reading], [false, false]);
  first.reset();
  driver.settle();
  assert.equal(relay.active, 1);
  assert.deepEqual([second.delivered, third.delivered], [10, 0]);
  assert.equal(listener.accepting, false);
  second.reset();
  driver.settle();
  third.reset();
  driver.settle();
  assert.equal(listener.accepting, true);
  finish();
});

test('one that resets while it waits for a place takes none', () => {
  const { relay, driver, client, finish } = fakeRelay({ upstreams: [1001], listener: { maxConcurrency: 1 } });
  const first = client();
  const second = client();
  second.reset();
  driver.settle();
  first.reset();
  driver.settle();
  assert.equal(relay.active, 0);
  assert.equal(driver.listeners[0].accepting, true);
  finish();
  assert.equal(relay.records.length, 1);
});

test('a place that another worker frees is found within a second', () => {
  const { relay, driver, client, finish } = fakeRelay({ upstreams: [1001], listener: { maxConcurrency: 1 } });
  Atomics.add(relay.counts, 0, 1);
  const waiting = client();
  waiting.send(1);
  driver.advance(1_500);
  driver.settle();
  assert.equal(waiting.delivered, 0);
  Atomics.sub(relay.counts, 0, 1);
  driver.advance(1_000);
  driver.settle();
  assert.equal(waiting.delivered, 1);
  finish();
});

test('a listener that is closed refuses connections that wait for a place', () => {
  const { relay, driver, client, finish } = fakeRelay({ upstreams: [1001], listener: { maxConcurrency: 1 } });
  const first = client();
  const second = client();
  relay.worker.tell({ type: 'drain', graceMs: 1_000 });
  driver.settle();
  assert.equal(second.released, 'reset');
  assert.equal(first.released, undefined);
  driver.advance(2_000);
  driver.settle();
  finish();
});

test('a place that another worker frees is used at once, by a connection in the queue or in the kernel', () => {
  const { relay, driver, client, finish } = fakeRelay({ upstreams: [1001], listener: { maxConcurrency: 2 } });
  const [listener] = driver.listeners;
  Atomics.add(relay.counts, sharedCounts.active, 1);
  client();
  const queued = client();
  assert.equal(listener.accepting, false);
  driver.advance(100);
  assert.equal(queued.reading, false);
  Atomics.sub(relay.counts, sharedCounts.active, 1);
  driver.advance(20);
  assert.equal(queued.reading, true, 'admitted');
  Atomics.sub(relay.counts, sharedCounts.active, 1);
  driver.advance(20);
  assert.equal(listener.accepting, true);
  Atomics.add(relay.counts, sharedCounts.active, 1);
  driver.settle();
  finish();
});

test('during a shortage no connection is accepted; accepting resumes after a tenth of a second without one', () => {
  const { relay, driver, client, finish } = fakeRelay({ upstreams: [1001], listener: { maxConcurrency: 3 } });
  const [listener] = driver.listeners;
  client();
  const fails = (): void => {
    for (const attempt of driver.upstreams()) attempt.outcome = EMFILE;
    driver.settle();
  };
  fails();
  assert.equal(listener.accepting, false);
  driver.advance(60);
  fails();
  driver.advance(60);
  assert.equal(listener.accepting, false, 'the pause counts from the last time');
  for (const attempt of driver.upstreams()) attempt.outcome = 0;
  driver.settle();
  driver.advance(100);
  assert.equal(listener.accepting, true);
  // Room and pause are two gates.
  driver.acceptFailed(listener, EMFILE);
  assert.equal(listener.accepting, false);
  client();
  client();
  driver.advance(100);
  assert.equal(listener.accepting, false, 'it is full');
  relay.adjust({ maxConcurrency: 10 });
  assert.equal(listener.accepting, true);
  driver.acceptFailed(listener, ECONNABORTED);
  assert.equal(listener.accepting, true, 'a client that was gone before it was accepted is no shortage');
  finish();
});

test('a shortage is reported at once, then every ten seconds, and no endpoint is blamed for it', () => {
  const { relay, driver, client, finish } = fakeRelay({
    upstreams: [1001],
    client: { maxRetries: 0, failFast: { maxConsecutiveFailures: 1, penaltyMs: 1000, maxPenaltyMs: 1000, jitter: 0 } },
  });
  const notices = (): readonly string[] =>
    relay.messages.flatMap(one => (one.type === 'notice' && one.level === 'error' ? [one.text] : []));
  for (let second = 0; second < 11; second++) {
    client();
    for (const attempt of driver.upstreams()) attempt.outcome = EMFILE;
    driver.settle();
    driver.acceptFailed(driver.listeners[0], ECONNABORTED);
    driver.advance(1_000);
  }
  assert.deepEqual(notices(), Array(2).fill(notices()[0]));
  assert.match(notices()[0] ?? '', /^cannot connect to endpoints: .*EMFILE.*raise the limit of open files$/);
  assert.equal(relay.metric('l5d:balancer:endpoint:ejections'), 0);
  finish();
  assert.ok(relay.records.every(record => record.end === 'CU' && record.reason?.includes('EMFILE')));
});
