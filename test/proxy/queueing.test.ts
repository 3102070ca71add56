/** maxWaiters: how many connections may wait for their name or for another attempt. */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { type FakeRelay, fakeRelay } from '../support/fake-relay.ts';
import { bound } from '../support/relay.ts';

const { ECONNREFUSED } = constants.errno;

function decide({ driver }: FakeRelay, outcome: number): void {
  for (const attempt of driver.upstreams()) if (attempt.connecting) attempt.outcome = outcome;
  driver.settle();
}

const endsOf = ({ relay }: FakeRelay): readonly string[] => relay.records.map(record => record.end);

test('with maxWaiters 0 a connection that can be made at once is made, and counts as waiting until it is', () => {
  const made = fakeRelay({ upstreams: [1001], client: { maxWaiters: 0 } });
  for (let i = 0; i < 5; i++) made.client();
  assert.deepEqual([made.relay.waiters, made.relay.queued], [5, 0]);
  decide(made, 0);
  assert.deepEqual([made.relay.waiters, made.relay.active], [0, 5]);
  made.finish();
});

test('with maxWaiters 0 no client waits for a name', () => {
  const made = fakeRelay({ client: { maxWaiters: 0 } });
  assert.equal(made.client().released, 'close');
  assert.equal(made.relay.metric('l5d:balancer:waiters_rejected'), 1);
  made.finish();
  assert.deepEqual(endsOf(made), ['NR']);
});

test('with maxWaiters 0 no client waits for a second attempt', () => {
  const made = fakeRelay({ upstreams: [1001, 1002], client: { maxWaiters: 0 } });
  made.client();
  decide(made, ECONNREFUSED);
  made.finish();
  assert.deepEqual(endsOf(made), ['NR']);
  assert.equal(made.relay.metric('l5d:balancer:connection:retries'), 0);
});

test('clients that wait for a name and those that wait for another attempt share maxWaiters, and free their place', () => {
  const made = fakeRelay({ client: { maxWaiters: 2, retryBackoffMs: { min: 50, max: 50 } } });
  const first = made.client();
  made.client();
  made.client();
  assert.equal(made.relay.queued, 2);
  first.reset();
  made.driver.settle();
  assert.equal(made.relay.queued, 1);
  made.relay.publish(bound([1001]));
  made.client();
  made.client();
  decide(made, ECONNREFUSED);
  assert.equal(made.relay.queued, 2);
  made.driver.advance(1);
  decide(made, 0);
  assert.deepEqual([made.relay.queued, made.relay.waiters, made.relay.active], [0, 0, 2]);
  made.finish();
  assert.deepEqual(endsOf(made), ['NR', 'NC', 'NR', 'RD', 'RD']);
});
