/** Sessions with servers that do not behave: each is an error in words, none ends the process or leaves a socket. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Frames, JuteWriter } from '../../../src/clients/zookeeper/jute.ts';
import { getData, Refusal, readStat, type WatchEvent } from '../../../src/clients/zookeeper/messages.ts';
import { SessionEnded, type SessionOptions, ZooKeeperSession } from '../../../src/clients/zookeeper/session.ts';
import { answer, fakeZooKeeper, framed } from '../../support/fake-zookeeper.ts';
import type { Scope } from '../../support/scope.ts';
import { until, within } from '../../support/waiting.ts';

function openTo(t: Scope, port: number, options: Partial<SessionOptions> = {}): Promise<ZooKeeperSession> {
  const server = { host: '127.0.0.1', port };
  const { signal } = new AbortController();
  const opened = ZooKeeperSession.open({
    server,
    timeoutMs: 10_000,
    openingMs: 5000,
    auth: undefined,
    signal,
    ...options,
  });
  t.after(async () => (await opened.catch(() => undefined))?.close());
  return opened;
}

async function talk(t: Scope, timeoutMs?: number) {
  const { port, connections } = await fakeZooKeeper(t, timeoutMs);
  const session = await openTo(t, port);
  const connection = connections[0]!;
  const asked = (n: number) => until(() => connection.requests.length === n, `${n} requests`);
  const ended = new Promise<Error>(resolve => session.listen({ event() {}, ended: resolve }));
  return { session, connection, asked, ended };
}

const ask = (session: ZooKeeperSession) => session.ask(getData('/a'), ({ body }) => [body.bytes(), readStat(body)]);

test('messages are put together from whatever pieces come', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), fc.array(fc.nat(200)), (bodies, cuts) => {
      const stream = Buffer.concat(bodies.map(body => framed(Buffer.from(body))));
      const frames = new Frames(1000);
      const ends = [...cuts.map(cut => cut % (stream.length + 1)), stream.length].toSorted((a, b) => a - b);
      const taken = ends.flatMap((end, i) => [...frames.take(stream.subarray(ends[i - 1] ?? 0, end))]);
      assert.deepEqual(
        taken.map(frame => frame.toString('hex')),
        bodies.map(body => Buffer.from(body).toString('hex')),
      );
    }),
  );
});

test('an error that nobody knows refuses one request, and the session goes on', async t => {
  const { session, connection, asked } = await talk(t);
  const first = ask(session);
  await asked(1);
  connection.send(answer(1, -4711));
  await assert.rejects(first, { message: 'error -4711' });
  const second = ask(session);
  await asked(2);
  connection.send(answer(2, -118));
  await assert.rejects(second, (error: unknown) => error instanceof Refusal && /moved/.test(error.message));
  assert.ok(session.isOpen);
});

const nonsense: readonly (readonly [string, Uint8Array | string])[] = [
  ['text', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
  ['a length below zero', Buffer.from('ffffff00', 'hex')],
  ['a message that is too short', framed(Buffer.from('0000', 'hex'))],
  ['an answer that ends too early', framed(answer(1, 0, Buffer.of(0, 0)))],
  ['data that is longer than its message', framed(answer(1, 0, Buffer.from('7fffffff00', 'hex')))],
  ['the answer to another request', framed(answer(9, 0))],
];
for (const [what, sent] of nonsense)
  test(`${what} ends the session with an error, and what was asked with it`, async t => {
    const { session, connection, asked, ended } = await talk(t);
    const open = ask(session);
    await asked(1);
    connection.socket.write(sent);
    await assert.rejects(open, SessionEnded);
    assert.match((await within(ended, 'the end')).message, /^127\.0\.0\.1:\d+ sent what is no answer/);
    await within(connection.closed, 'the connection to end');
    await assert.rejects(ask(session), (error: unknown) => error instanceof SessionEnded && !error.wasSent);
  });

test('what nobody asked for, and events of no known kind, do no harm to the process', async t => {
  const { session, connection, ended } = await talk(t);
  const events: WatchEvent[] = [];
  session.listen({ event: event => void events.push(event), ended() {} });
  connection.send(answer(-1, 0, new JuteWriter().int(99).int(3).text('/a').written()));
  await until(() => events.length === 1, 'the event');
  assert.deepEqual(events, [{ type: 99, path: '/a' }]);
  connection.send(answer(5));
  assert.match((await within(ended, 'the end')).message, /nothing was asked/);
});

test('a server that does not open the session in time is left, and the connection closed', async t => {
  const { port, connections } = await fakeZooKeeper(t, 0);
  const started = performance.now();
  await assert.rejects(openTo(t, port, { openingMs: 200 }), /has not opened a session in 200 ms/);
  assert.ok(performance.now() - started < 2000);
  await within(connections[0]!.closed, 'the connection to end');
});

test('a session that is no longer wanted while it is being opened is given up', async t => {
  const { port, connections } = await fakeZooKeeper(t, 0);
  const wanted = new AbortController();
  const opened = openTo(t, port, { signal: wanted.signal });
  await until(() => connections.length === 1, 'the connection');
  wanted.abort();
  await assert.rejects(opened, /closed/);
  await within(connections[0]!.closed, 'the connection to end');
});

test('a server that falls silent is noticed within the time of the session', async t => {
  const { session, connection, asked, ended } = await talk(t, 900);
  const started = performance.now();
  const open = assert.rejects(ask(session), (error: unknown) => error instanceof SessionEnded && error.wasSent);
  await asked(1);
  assert.match((await within(ended, 'the end')).message, /has been silent for \d+ ms/);
  assert.ok(performance.now() - started < 6000, 'sooner than with a long session');
  await open;
  await within(connection.closed, 'the connection to end');
});

test('a server that only answers pings is not waited for either', async t => {
  const { session, connection, asked, ended } = await talk(t, 900);
  const open = assert.rejects(ask(session), SessionEnded);
  await asked(1);
  const pings = setInterval(() => connection.send(answer(-2)), 50);
  t.after(() => clearInterval(pings));
  assert.match((await within(ended, 'the end')).message, /has been silent/);
  await open;
});

test('closing takes leave of the server; one that does not answer is not waited for', async t => {
  const { session, connection, asked } = await talk(t);
  const started = performance.now();
  const open = assert.rejects(ask(session), SessionEnded);
  connection.socket.allowHalfOpen = true;
  await within(session.close(), 'the session to close', 3000);
  await asked(2);
  assert.equal(connection.requests[1]!.readInt32BE(4), -11);
  assert.ok(performance.now() - started < 2500);
  await open;
});

test('no more than 100 requests are on their way at once, and none is lost', async t => {
  const { session, connection, asked } = await talk(t);
  const all = Promise.all(Array.from({ length: 250 }, () => session.ask(getData('/a'), ({ zxid }) => zxid)));
  await asked(100);
  for (let xid = 1; xid <= 250; xid++) {
    await until(() => connection.requests.length >= xid, `request ${xid}`, { everyMs: 1 });
    assert.ok(connection.requests.length <= xid - 1 + 100);
    connection.send(answer(xid));
  }
  assert.equal((await all).length, 250);
});
