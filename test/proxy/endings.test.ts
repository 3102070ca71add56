/** The end of a session as each side sees it, and its record, on a driver without sockets or time. */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { showErrno } from '../../src/io/errno.ts';
import { ends } from '../../src/proxy/end-codes.ts';
import { type FakeRelay, fakeRelay } from '../support/fake-relay.ts';
import { bound } from '../support/relay.ts';

const { ECONNREFUSED, EHOSTUNREACH } = constants.errno;

/** Decides all attempts under way. */
function decide({ driver }: FakeRelay, outcome: number): void {
  for (const attempt of driver.upstreams()) if (attempt.connecting) attempt.outcome = outcome;
  driver.settle();
}

function established(made: FakeRelay) {
  const client = made.client();
  decide(made, 0);
  const upstream = made.driver.upstreams()[0];
  return { client, upstream };
}

for (const [code, listener, cut] of [
  ['RL', { lifetimeMs: 1_000 }, undefined],
  ['RD', {}, 1_000],
] as const) {
  test(`${code} resets both sides: neither may mistake a truncated stream for a complete one`, () => {
    const made = fakeRelay({ upstreams: [1001], listener });
    const { client, upstream } = established(made);
    upstream.send(30);
    made.driver.settle();
    if (cut !== undefined) made.relay.worker.tell({ type: 'drain', graceMs: cut });
    made.driver.advance(1_000);
    made.driver.settle();
    assert.deepEqual([client.released, upstream.released], ['reset', 'reset']);
    made.finish();
    assert.equal(made.relay.records[0]?.end, code);
  });
}

for (const [code, listener, cut] of [
  ['FL', { lifetimeMs: 1_000 }, undefined],
  ['FD', {}, 1_000],
] as const) {
  for (const first of ['client', 'upstream'] as const) {
    test(`${code} after the ${first}’s end resets the ${first} alone: the other side has had everything`, () => {
      const made = fakeRelay({ upstreams: [1001], listener });
      const sides = established(made);
      sides[first].send(30);
      sides[first].finish();
      made.driver.settle();
      if (cut !== undefined) made.relay.worker.tell({ type: 'drain', graceMs: cut });
      made.driver.advance(1_000);
      made.driver.settle();
      const other = first === 'client' ? 'upstream' : 'client';
      assert.deepEqual([sides[first].released, sides[other].released], ['reset', 'close']);
      made.finish();
      assert.equal(made.relay.records[0]?.end, code);
    });
  }
}

for (const code of ['RT', 'FT'] as const) {
  test(`${code}, a quiet session, ends with a FIN to both sides`, () => {
    const made = fakeRelay({ upstreams: [1001], listener: { idleTimeoutMs: 500, finTimeoutMs: 500 } });
    const { client, upstream } = established(made);
    if (code === 'FT') client.finish();
    made.driver.settle();
    made.driver.advance(600);
    made.driver.settle();
    assert.deepEqual([client.released, upstream.released], ['close', 'close']);
    made.finish();
    assert.equal(made.relay.records[0]?.end, code);
  });
}

test('a session that no endpoint took names the one tried last, its branch and what it did', () => {
  const made = fakeRelay({ client: { maxRetries: 1, connectTimeoutMs: 700, retryBackoffMs: { min: 1, max: 1 } } });
  made.relay.publish({ state: 'bound', branches: [{ ports: [1001], id: '/#/dead' }] });
  made.client();
  decide(made, EHOSTUNREACH);
  made.driver.advance(5);
  decide(made, ECONNREFUSED);
  made.client();
  decide(made, EHOSTUNREACH);
  made.driver.advance(5);
  decide(made, EHOSTUNREACH);
  made.client();
  made.driver.advance(705);
  made.driver.settle();
  made.driver.advance(705);
  made.driver.settle();
  made.finish();
  assert.deepEqual(
    made.relay.records.map(({ end, endpoint, branch, reason }) => [end, endpoint, branch, reason]),
    [
      ['CU', '127.0.0.1:1001', '/#/dead', 'connection to 127.0.0.1:1001 refused'],
      ['CU', '127.0.0.1:1001', '/#/dead', `connection to 127.0.0.1:1001 failed: ${showErrno(EHOSTUNREACH)}`],
      ['CU', '127.0.0.1:1001', '/#/dead', 'no connection to 127.0.0.1:1001 within 700 ms'],
    ],
  );
});

test('when the wait is over between two attempts, the record describes the last one', () => {
  const made = fakeRelay({
    upstreams: [1001],
    listener: { connectTimeoutMs: 200 },
    client: { maxRetries: 5, retryBackoffMs: { min: 10_000, max: 10_000 } },
  });
  made.client();
  decide(made, ECONNREFUSED);
  made.driver.advance(1);
  decide(made, ECONNREFUSED);
  made.driver.advance(200);
  made.driver.settle();
  made.finish();
  const [record] = made.relay.records;
  assert.deepEqual([record?.end, record?.endpoint], ['CT', '127.0.0.1:1001']);
  assert.match(record?.reason ?? '', /refused/);
});

test('a session is not blamed for another one’s failed attempt, nor for its own after it has succeeded', () => {
  const made = fakeRelay({ upstreams: [1001], listener: { idleTimeoutMs: 500 } });
  const { client } = established(made);
  made.client();
  decide(made, ECONNREFUSED);
  client.reset();
  made.driver.settle();
  made.driver.advance(100);
  decide(made, 0);
  made.driver.advance(600);
  made.driver.settle();
  made.finish();
  assert.deepEqual(
    made.relay.records.map(({ end, retries, reason }) => [end, retries, reason]),
    [
      ['RC', 0, ends.RC.text],
      ['RT', 1, ends.RT.text],
    ],
  );
});

test('a name that stays unknown because naming fails is recorded with the reason of that', () => {
  const made = fakeRelay({ listener: { connectTimeoutMs: 100 } });
  made.relay.publish({ state: 'pending', reason: 'cannot reach http://namerd:4180: ECONNREFUSED' });
  made.client();
  made.relay.publish({ state: 'pending' });
  made.client();
  made.relay.publish({ state: 'pending', reason: 'namerd answered 500' });
  made.driver.advance(100);
  made.driver.settle();
  made.finish();
  const reason = '/svc/test cannot be resolved: namerd answered 500';
  assert.deepEqual(
    made.relay.records.map(record => [record.end, record.reason]),
    [
      ['NT', reason],
      ['NT', reason],
    ],
  );
});

test('a name that becomes unknown between two attempts is waited for', () => {
  const made = fakeRelay({ upstreams: [1001], client: { retryBackoffMs: { min: 100, max: 100 } } });
  const client = made.client();
  decide(made, ECONNREFUSED);
  made.driver.advance(1);
  decide(made, ECONNREFUSED);
  made.relay.publish({ state: 'pending' });
  made.driver.advance(500);
  made.driver.settle();
  assert.equal(client.released, undefined);
  made.relay.publish(bound([1002]));
  decide(made, 0);
  client.send(10);
  made.driver.settle();
  assert.equal(made.driver.upstreams(1002)[0]?.written, 10);
  made.finish();
  assert.deepEqual([made.relay.records[0]?.retries, made.relay.records[0]?.end], [2, 'RD']);
});

test('an event that cannot happen ends the session and is reported with the name of its state', () => {
  const made = fakeRelay({ upstreams: [1001] });
  const { client } = established(made);
  client.finish();
  made.driver.settle();
  const [upstream] = made.driver.upstreams();
  made.relay.worker.events.connected(upstream.handle);
  made.driver.settle();
  made.finish();
  const texts = made.relay.messages.flatMap(one => (one.type === 'notice' ? [one.text] : []));
  assert.deepEqual(texts, ['session in state HalfClosed got upConnected, which cannot happen']);
  assert.equal(made.relay.records[0]?.end, 'II');
});
