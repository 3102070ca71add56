/** Bytes read for a side reach it, however slowly it reads: before the session ends, and in spite of the timeouts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FakeSocket } from '../support/fake-driver.ts';
import { type FakeRelay, fakeRelay } from '../support/fake-relay.ts';
import { agreeAll, connectAll, ends, reaching } from '../support/tls-relay.ts';

/** The peer acknowledges some bytes each 100 ms. @returns after how long the proxy let go of it, in ms */
function drip({ driver }: FakeRelay, socket: FakeSocket, bytes: number): number {
  const from = driver.time;
  while (socket.released === undefined && driver.time < from + 60_000) {
    driver.advance(100);
    driver.settle();
    socket.unacknowledged = Math.max(0, socket.unacknowledged - bytes);
  }
  return driver.time - from;
}

const timeouts = { idleTimeoutMs: 3_000, finTimeoutMs: 3_000 };

function established(made: FakeRelay): { client: FakeSocket; upstream: FakeSocket } {
  const client = made.client();
  return { client, upstream: connectAll(made) };
}

test('a slow client gets the whole of a stream that ended without close_notify, far beyond the fin timeout', () => {
  const made = reaching({}, { listener: timeouts });
  const { client, upstream } = established(made);
  agreeAll(made);
  upstream.send(40);
  made.driver.settle();
  client.unacknowledged = 3_000;
  upstream.finish();
  made.driver.settle();
  const took = drip(made, client, 10);
  assert.ok(took >= 30_000, `let go after ${took} ms`);
  assert.deepEqual([client.released, client.unacknowledgedWhenReleased], ['reset', 0]);
  made.finish();
  assert.deepEqual(ends(made), ['RX']);
});

for (const [who, code] of [
  ['client', 'RC'],
  ['upstream', 'RU'],
] as const) {
  test(`after the ${who}’s reset the other side gets what was sent before it, then the RST`, () => {
    const made = fakeRelay({ upstreams: [1001], listener: timeouts });
    const sides = established(made);
    const other = who === 'client' ? sides.upstream : sides.client;
    sides[who].send(40);
    made.driver.settle();
    other.unacknowledged = 40;
    sides[who].reset();
    made.driver.settle();
    assert.equal(other.released, undefined);
    drip(made, other, 1);
    assert.deepEqual([other.released, other.unacknowledgedWhenReleased], ['reset', 0]);
    made.finish();
    assert.deepEqual(ends(made), [code]);
  });
}

test('a client is not closed while its answer is on its way, though its upstream resets what is still uploaded', () => {
  const made = fakeRelay({ upstreams: [1001], listener: timeouts });
  const { client, upstream } = established(made);
  upstream.send(40);
  upstream.finish();
  made.driver.settle();
  client.unacknowledged = 40;
  client.send(10);
  upstream.reset();
  made.driver.settle();
  assert.equal(client.released, undefined);
  drip(made, client, 1);
  assert.deepEqual([client.released, client.unacknowledgedWhenReleased], ['close', 0]);
  made.finish();
  assert.deepEqual(ends(made), ['FU']);
});

test('a peer that reads nothing more is reset after the fin timeout', () => {
  const made = fakeRelay({ upstreams: [1001], listener: timeouts });
  const { client, upstream } = established(made);
  upstream.send(40);
  made.driver.settle();
  client.unacknowledged = 40;
  upstream.reset();
  made.driver.settle();
  const took = drip(made, client, 0);
  assert.ok(took >= 3_000 && took <= 6_300, `let go after ${took} ms`);
  assert.equal(client.released, 'reset');
  made.finish();
});

test('a transfer that moves is not idle, though its sender waits for the receiver all the time', () => {
  const made = fakeRelay({ upstreams: [1001], listener: { ...timeouts, bufferSizeBytes: 20 } });
  const { client, upstream } = established(made);
  client.room = 0;
  upstream.send(1_000);
  made.driver.settle();
  client.unacknowledged = 10_000;
  assert.equal(upstream.reading, false);
  for (let tick = 0; tick < 300; tick++) {
    client.unacknowledged -= 10;
    made.driver.advance(100);
  }
  assert.equal(client.released, undefined, 'moved for 30 s');
  made.driver.advance(6_100);
  made.driver.settle();
  assert.equal(client.released, 'reset');
  made.driver.advance(100);
  assert.deepEqual(ends(made), ['RT']);
  made.finish();
});

test('a slow download is not cut by the fin timeout after the client has half-closed', () => {
  const made = fakeRelay({ upstreams: [1001], listener: timeouts });
  const { client, upstream } = established(made);
  client.finish();
  made.driver.settle();
  upstream.send(40);
  made.driver.settle();
  client.unacknowledged = 1_000;
  for (let tick = 0; tick < 100; tick++) {
    client.unacknowledged -= 10;
    made.driver.advance(100);
  }
  assert.equal(client.released, undefined);
  made.driver.advance(3_100);
  made.driver.settle();
  assert.notEqual(client.released, undefined);
  made.finish();
  assert.deepEqual(ends(made), ['FT']);
});

test('at the end of its lifetime a session stops reading, delivers what it has read, and then resets both sides', () => {
  const made = fakeRelay({ upstreams: [1001], listener: { ...timeouts, lifetimeMs: 1_000 } });
  const { client, upstream } = established(made);
  upstream.send(40);
  made.driver.settle();
  client.unacknowledged = 20;
  made.driver.advance(1_000);
  made.driver.settle();
  upstream.send(10);
  made.driver.settle();
  assert.equal(client.written, 40);
  assert.equal(client.released, undefined);
  drip(made, client, 2);
  made.driver.settle();
  assert.deepEqual([client.released, client.unacknowledgedWhenReleased, upstream.released], ['reset', 0, 'reset']);
  made.finish();
  assert.deepEqual(ends(made), ['RL']);
});

test('a client that resets when both sides are done is no failure; one that leaves bytes behind is', () => {
  const made = fakeRelay({ upstreams: [1001], listener: { ...timeouts, bufferSizeBytes: 20 } });
  for (const room of [Number.POSITIVE_INFINITY, 0]) {
    const { client, upstream } = established(made);
    client.room = room;
    upstream.send(40);
    made.driver.settle();
    client.reset();
    made.driver.settle();
    made.driver.advance(200);
    made.driver.settle();
    assert.equal(upstream.released, 'reset');
  }
  made.finish();
  assert.deepEqual(ends(made), ['RC', 'RC']);
  assert.equal(made.relay.metric('l5d:srv:failures'), 1);
  assert.equal(made.relay.metric('l5d:srv:closes'), 1);
});

test('an upstream that resets is a failure while the client is open, and none when the client is done too', () => {
  for (const clientDoes of ['nothing', 'finish', 'finish just after', 'reset just after'] as const) {
    const made = fakeRelay({ upstreams: [1001], listener: timeouts });
    const { client, upstream } = established(made);
    client.send(10);
    made.driver.settle();
    if (clientDoes === 'finish') client.finish();
    made.driver.settle();
    upstream.reset();
    made.driver.settle();
    if (clientDoes === 'finish just after') client.finish();
    if (clientDoes === 'reset just after') client.reset();
    made.driver.settle();
    made.driver.advance(200);
    made.finish();
    const isFailure = clientDoes === 'nothing';
    assert.equal(made.relay.metric('l5d:srv:failures'), isFailure ? 1 : 0, clientDoes);
    assert.equal(made.relay.metric('l5d:srv:stream:failure'), isFailure ? 1 : 0, clientDoes);
    assert.equal(made.relay.metric('l5d:srv:closes'), isFailure ? 0 : 1, clientDoes);
  }
});

test('a worker that was late looks at what its peers did meanwhile before it judges them by their deadlines', () => {
  const made = fakeRelay({ upstreams: [1001], listener: timeouts, client: { connectTimeoutMs: 1_000, maxRetries: 0 } });
  const { client, upstream } = established(made);
  const slow = made.client();
  const [, attempt] = made.driver.upstreams();
  upstream.send(10);
  (attempt as FakeSocket).outcome = 0;
  made.driver.time += 4_000;
  made.driver.advance(0);
  made.driver.settle();
  assert.equal(client.written, 10);
  made.driver.advance(1_500);
  assert.deepEqual([client.released, slow.released, ends(made).length], [undefined, undefined, 0]);
  made.driver.advance(6_500);
  made.driver.settle();
  assert.deepEqual([client.released, slow.released], ['close', 'close'], 'deferred, not forgotten');
  made.finish();
});
