/** Listeners that route by server name: what the client says first is read, kept, and passed on whole or answered with an alert. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ListenerSpec } from '../../src/proxy/messages.ts';
import { Alert, alertRecord } from '../../src/wire/client-hello.ts';
import { helloMessage, recordsOf } from '../support/client-hello.ts';
import type { FakeSocket } from '../support/fake-driver.ts';
import { type FakeRelay, fakeRelay } from '../support/fake-relay.ts';
import { bound } from '../support/relay.ts';

const listenerId = 2;
const hello = { timeoutMs: 1_000, mostBytes: 16_384 };
const named = 7;

let hellos = 0;
/** No two are the same. */
const helloFor = (serverName?: string): Uint8Array =>
  recordsOf(
    helloMessage({
      others: [[4000, Uint8Array.of(++hellos >> 8, hellos & 0xff)]],
      ...(serverName !== undefined && { serverName }),
    }),
    [40],
  );

function listening(listener: Partial<ListenerSpec> = {}, chunkBytes = 10_000): FakeRelay {
  return fakeRelay({ upstreams: [1001], listener: { hello, nameFrom: 'sni', route: null, ...listener }, chunkBytes });
}

/** A client that has said these bytes, and more zero bytes after them. */
function saying(made: FakeRelay, hello: Uint8Array, more = 0): FakeSocket {
  const client = made.client();
  client.hello = new Uint8Array(hello);
  client.send(hello.length + more);
  made.driver.settle();
  return client;
}

const asked = ({ relay }: FakeRelay): readonly string[] =>
  relay.messages.flatMap(message => (message.type === 'asked' ? [message.name] : []));

function answer(made: FakeRelay, name: string, route: number | null): void {
  made.relay.worker.tell({ type: 'named', listener: listenerId, name, route });
  made.driver.settle();
}

function connectAll({ driver }: FakeRelay): void {
  for (const attempt of driver.upstreams()) if (attempt.connecting) attempt.outcome = 0;
  driver.settle();
}

const alertOf = (client: FakeSocket): readonly number[] => client.told;
const ends = ({ relay }: FakeRelay): readonly string[] => relay.records.map(({ end }) => end);

test('the ClientHello reaches the upstream its name leads to, whole, in whatever pieces it came', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.nat({ max: 500 }), (chunkBytes, more) => {
      const made = listening({}, chunkBytes);
      const hello = helloFor('a.test');
      const client = saying(made, hello, more);
      assert.deepEqual(asked(made), ['a.test']);
      made.relay.publishRoute(named, bound([1002]));
      answer(made, 'a.test', named);
      connectAll(made);
      const [upstream] = made.driver.upstreams();
      assert.equal(upstream?.address.port, 1002);
      assert.equal(upstream?.source, client);
      assert.equal(upstream?.written, hello.length + more);
      made.finish();
      assert.equal(made.relay.records[0]?.dst, `/svc/${named}`);
    }),
    { numRuns: 60 },
  );
});

test('a name is asked for once, and known from then on', () => {
  const made = listening();
  const clients = [
    saying(made, helloFor('a.test')),
    saying(made, helloFor('a.test')),
    saying(made, helloFor('b.test')),
  ];
  assert.deepEqual(asked(made), ['a.test', 'b.test']);
  made.relay.publishRoute(named, bound([1002]));
  answer(made, 'a.test', named);
  connectAll(made);
  assert.equal(made.driver.upstreams(1002).length, 2);
  saying(made, helloFor('A.test'));
  connectAll(made);
  assert.equal(made.driver.upstreams(1002).length, 3);
  assert.equal(asked(made).length, 2);
  assert.equal(clients[2].told.length, 0, 'it still waits');
  made.finish();
});

test('after `unnamed` the next client asks again, and those that are connected stay', () => {
  const made = listening();
  saying(made, helloFor('a.test'));
  made.relay.publishRoute(named, bound([1002]));
  answer(made, 'a.test', named);
  connectAll(made);
  made.relay.worker.tell({ type: 'unnamed', listener: listenerId, name: 'a.test' });
  saying(made, helloFor('a.test'));
  assert.deepEqual(asked(made), ['a.test', 'a.test']);
  assert.equal(made.driver.upstreams(1002).length, 1);
  made.finish();
});

for (const [what, hello, alert, end] of [
  ['that names no server', () => helloFor(), Alert.missingExtension, 'GP'],
  ['that does not speak TLS', () => new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'), Alert.unexpectedMessage, 'GP'],
] as const) {
  test(`a client ${what} gets alert ${alert} and is closed`, () => {
    const made = listening();
    const client = saying(made, hello());
    assert.deepEqual(alertOf(client), [...alertRecord(alert)]);
    assert.equal(client.released, 'close');
    assert.deepEqual(asked(made), []);
    made.finish();
    assert.deepEqual(ends(made), [end]);
    assert.ok(made.relay.records[0]?.reason);
    assert.equal(made.relay.records[0]?.tx, 7);
  });
}

test('a name that does not resolve gets unrecognized_name, and the record gives the reason', () => {
  const made = listening();
  const client = saying(made, helloFor('nobody.test'));
  made.relay.publishRoute(named, { state: 'negative', reason: '/svc/nobody.test does not resolve' });
  answer(made, 'nobody.test', named);
  assert.deepEqual(alertOf(client), [...alertRecord(Alert.unrecognizedName)]);
  made.finish();
  assert.deepEqual(ends(made), ['NN']);
  assert.equal(made.relay.records[0]?.reason, '/svc/nobody.test does not resolve');
});

test('a name beyond the limit of names in use gets unrecognized_name', () => {
  const made = listening();
  const client = saying(made, helloFor('one-too-many.test'));
  answer(made, 'one-too-many.test', null);
  assert.deepEqual(alertOf(client), [...alertRecord(Alert.unrecognizedName)]);
  made.finish();
  assert.deepEqual(ends(made), ['GP']);
  assert.match(made.relay.records[0]?.reason ?? '', /too many names/);
});

test('a listener with a default route sends clients there whose name is missing, refused or does not resolve', () => {
  const made = listening({ route: 1 });
  const hello = helloFor();
  saying(made, hello, 5);
  saying(made, helloFor('refused.test'));
  answer(made, 'refused.test', null);
  saying(made, helloFor('nobody.test'));
  made.relay.publishRoute(named, { state: 'negative', reason: 'does not resolve' });
  answer(made, 'nobody.test', named);
  connectAll(made);
  assert.equal(made.driver.upstreams(1001).length, 3);
  assert.equal(made.driver.upstreams(1001)[0]?.written, hello.length + 5);
  made.finish();
});

test('if the default route does not resolve either, the client is refused', () => {
  const made = fakeRelay({ listener: { hello, nameFrom: 'sni' }, chunkBytes: 10_000 });
  made.relay.publish({ state: 'negative', reason: 'the last resort does not resolve' });
  const client = saying(made, helloFor());
  assert.deepEqual(alertOf(client), [...alertRecord(Alert.unrecognizedName)]);
  made.finish();
  assert.deepEqual(ends(made), ['NN']);
});

test('a client that sends nothing, or not enough, is closed after helloTimeoutMs', () => {
  const made = listening();
  const silent = made.client();
  const slow = saying(made, helloFor('a.test').subarray(0, 30));
  made.driver.advance(999);
  assert.equal(silent.released, undefined);
  made.driver.advance(2);
  assert.deepEqual([silent.released, slow.released], ['close', 'close']);
  made.finish();
  assert.deepEqual(ends(made), ['GT', 'GT']);
});

test('a client that leaves is distinguished from one that waits: before its ClientHello is complete, and after', () => {
  const made = listening();
  const finishes = saying(made, helloFor('a.test').subarray(0, 30));
  finishes.finish();
  const resets = made.client();
  resets.reset();
  const waits = saying(made, helloFor('a.test'));
  waits.reset();
  made.driver.settle();
  made.relay.publishRoute(named, bound([1002]));
  answer(made, 'a.test', named);
  assert.equal(made.driver.upstreams().length, 0);
  made.finish();
  assert.deepEqual(ends(made), ['GC', 'GC', 'NC']);
});

test('a client that waits for an answer that does not come is closed after connectTimeoutMs', () => {
  const made = listening({ connectTimeoutMs: 3_000 });
  saying(made, helloFor('a.test'));
  made.driver.advance(3_001);
  made.finish();
  assert.deepEqual(ends(made), ['NT']);
});

test('more bytes than maxClientHelloBytes without a ClientHello are refused, even in very small records', () => {
  const made = listening({ hello: { ...hello, mostBytes: 512 } }, 100);
  const big = recordsOf(helloMessage({ others: [[21, new Uint8Array(600)]] }));
  const tiny = recordsOf(helloMessage({ others: [[21, new Uint8Array(300)]] }), Array(1000).fill(1));
  const clients = [saying(made, big), saying(made, tiny)];
  for (const client of clients) assert.deepEqual(alertOf(client), [...alertRecord(Alert.handshakeFailure)]);
  made.finish();
  assert.deepEqual(ends(made), ['GP', 'GP']);
});

test('a client that does not read its alert is closed all the same', () => {
  const made = listening();
  const client = made.client();
  client.room = 0;
  client.send(20);
  made.driver.settle();
  assert.equal(client.released, undefined);
  made.driver.advance(5_001);
  assert.equal(client.released, 'reset');
  made.finish();
  assert.deepEqual(ends(made), ['GP']);
});

test('a drain closes clients whose ClientHello is still being read, and those that wait for an answer', () => {
  const made = listening();
  saying(made, helloFor('a.test').subarray(0, 30));
  saying(made, helloFor('a.test'));
  made.finish();
  assert.deepEqual([...ends(made)].sort(), ['GD', 'ND']);
});

test('an answer for a removed listener changes nothing', () => {
  const made = listening();
  made.relay.worker.tell({ type: 'named', listener: 99, name: 'a.test', route: null });
  made.relay.worker.tell({ type: 'unnamed', listener: 99, name: 'a.test' });
  made.finish();
});

test('an attempt that begins with the last byte of a ClientHello ends on time, with no other traffic', () => {
  const made = listening();
  made.relay.adjust({ connectTimeoutMs: 200 }, { connectTimeoutMs: 200, maxRetries: 0 });
  saying(made, helloFor('a.test'));
  made.relay.publishRoute(named, bound([1002]));
  answer(made, 'a.test', named);
  // Past the record's batch and a housekeeping tick, so that no other deadline is due soon.
  made.driver.advance(1_050);
  saying(made, helloFor('a.test'));
  assert.equal(made.driver.upstreams().length, 1);
  made.driver.advance(205);
  assert.equal(made.driver.upstreams().length, 0);
  made.driver.advance(30);
  assert.deepEqual(ends(made), ['CT', 'CT']);
  made.finish();
});
