/** The scripted peer keeps its own promises: what it reports about a connection is what happened on it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { byteCount, firstMismatch, payload } from './payload.ts';
import { connectPeer, listeningPeer } from './peer.ts';

const pair = async (t: TestContext) => {
  const upstream = await listeningPeer(t, { timeoutMs: 10_000 });
  const client = await connectPeer(t, upstream.port, { timeoutMs: 10_000 });
  return { client, upstream };
};

test('payload bytes depend on seed and offset alone, however they are cut', () => {
  const whole = payload(7, 0, 1000);
  for (const [from, to] of [
    [0, 1],
    [1, 2],
    [3, 999],
    [998, 1000],
    [5, 5],
  ] as const) {
    assert.deepEqual(payload(7, from, to - from), whole.subarray(from, to));
  }
  assert.notDeepEqual(payload(8, 0, 1000), whole);
  const damaged = Buffer.from(whole);
  damaged[123] = (damaged[123] as number) ^ 1;
  assert.equal(firstMismatch(7, 0, damaged), 123);
  assert.equal(firstMismatch(7, 4, whole.subarray(4)), -1);
  assert.equal(firstMismatch(7, 3, whole.subarray(4)), 0);
  assert.deepEqual(['0', '10k', '2M'].map(byteCount), [0, 10_240, 2_097_152]);
});

test('a peer that half-closes still receives the whole answer', async t => {
  const { client, upstream } = await pair(t);
  await client.play('send 10k', 'shutdown');
  await Promise.all([
    upstream.play('pause', 'expect 10k', 'expect end', 'send 1M', 'close'),
    client.play('expect 1M', 'expect end'),
  ]);
  assert.equal(client.received, 1024 * 1024);
  assert.equal(client.ended, true);
});

test('a reset is distinguished from an end', async t => {
  const { client, upstream } = await pair(t);
  await client.play('send 1', 'expect 0');
  await upstream.play('expect 1', 'reset');
  await client.play('expect reset');
  assert.deepEqual([client.inbound, client.reset, client.ended], ['reset', true, false]);
  await assert.rejects(client.play('expect end'), /expected a clean end, got reset/);
});

test('a stalled peer takes nothing until it reads again', async t => {
  const { client, upstream } = await pair(t);
  client.stall();
  await upstream.play('queue 20M', 'pause 20');
  assert.ok(client.received < 20 * 1024 * 1024);
  await client.play('resume', 'expect 20M');
  await upstream.play('close');
  await client.play('expect end');
});

test('a wrong byte is found at its offset, and a failed wait names its condition', async t => {
  const upstream = await listeningPeer(t);
  const client = await connectPeer(t, upstream.port, { timeoutMs: 1000 });
  const socket = await upstream.socket();
  socket.write(payload(2, 0, 100));
  await client.play('expect 100');
  await assert.rejects(
    client.play('expect 1'),
    /waited \d+ ms for client to see 101 bytes \(sent 0, received 100, open\)/,
  );
  socket.write(payload(2, 101, 1));
  await assert.rejects(client.play('expect 0', 'expect 1'), /client: byte 100 is not the one that was sent there/);
});

test('too many bytes before the end, and a port without a listener, are reported', async t => {
  const { client, upstream } = await pair(t);
  await upstream.play('send 5', 'close');
  await client.play('expect 4');
  await assert.rejects(client.play('expect end'), /expected 4 bytes and the end, got 5/);
  upstream.stopListening();
  await assert.rejects(connectPeer(t, upstream.port), { code: 'ECONNREFUSED' });
});
