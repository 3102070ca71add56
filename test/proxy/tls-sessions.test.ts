/** Sessions with TLS on either side: connections cut short, what is counted, and reloads in the middle of it. */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import type { ListenerSpec } from '../../src/proxy/messages.ts';
import { helloMessage, recordsOf } from '../support/client-hello.ts';
import type { FakeRelay } from '../support/fake-relay.ts';
import { finishedBytes } from '../support/fake-tls.ts';
import { bound } from '../support/relay.ts';
import { serverTls } from '../support/specs.ts';
import {
  agreeAll,
  asked,
  cl,
  clientTls,
  connectAll,
  ends,
  fallback,
  greeting,
  hello,
  identities,
  notices,
  reaching,
  record,
  secured,
  serving,
  srv,
  web,
  wild,
} from '../support/tls-relay.ts';

test('a client that ends without close_notify is cut off: its upstream gets all it sent, then a RST', () => {
  const made = serving();
  made.driver.isBlind = true;
  const client = secured(made);
  const upstream = connectAll(made);
  client.send(25);
  client.finish();
  made.driver.settle();
  assert.equal(upstream.released, undefined, 'a RST at once could overtake what was sent');
  made.driver.advance(1_100);
  assert.equal(upstream.written, 25);
  assert.deepEqual([client.released, upstream.released], ['close', 'reset']);
  made.finish();
  assert.deepEqual(ends(made), ['RX']);
  assert.match(record(made).reason ?? '', /^TLS with the client: unexpected eof/);
  assert.equal(srv(made, 'failure', 'reason="truncated"'), 1);
});

test('a client that ends without close_notify after it was answered, as redis-cli does, is no failure of TLS', () => {
  const made = serving();
  const client = secured(made);
  const upstream = connectAll(made);
  client.send(25);
  made.driver.settle();
  upstream.send(5);
  made.driver.settle();
  client.finish();
  made.driver.settle();
  made.finish();
  const { end, reason } = record(made);
  assert.deepEqual([end, client.written], ['RX', 5]);
  assert.equal(reason, 'TLS with the client: closed without close_notify, after its last request was answered');
  assert.equal(srv(made, 'failure'), 0);
  assert.equal(made.relay.metric('l5d:srv:failures'), 0);
});

test('a driver that can tell that all has arrived sends the RST at once', () => {
  const made = serving();
  const client = secured(made);
  const upstream = connectAll(made);
  client.send(25);
  client.finish();
  made.driver.settle();
  assert.deepEqual([upstream.written, upstream.released], [25, 'reset']);
  made.finish();
  assert.deepEqual(ends(made), ['RX']);
  assert.equal(made.relay.metric('l5d:srv:failures'), 0);
});

test('an endpoint that ends without close_notify is cut off: its client gets all it sent, then a RST', () => {
  const made = reaching();
  made.driver.isBlind = true;
  const client = made.client();
  const upstream = connectAll(made);
  agreeAll(made);
  upstream.send(25);
  upstream.finish();
  made.driver.settle();
  assert.equal(client.released, undefined, 'a RST at once could overtake what was sent');
  made.driver.advance(1_100);
  assert.equal(client.written, 25);
  assert.deepEqual([client.released, upstream.released], ['reset', 'close']);
  made.finish();
  assert.deepEqual(ends(made), ['RX']);
  assert.match(record(made).reason ?? '', /^TLS with the endpoint: unexpected eof/);
  assert.equal(cl(made, 'failure', 'reason="truncated"'), 1);
});

test('bytes a stream still had to send when it broke do not count as sent', () => {
  const made = reaching({}, { tlsFromLoop: true });
  const client = made.client();
  const upstream = connectAll(made);
  agreeAll(made);
  client.room = 0;
  upstream.send(10);
  upstream.notify();
  made.driver.settle();
  const { others } = made.driver;
  made.driver.others = () => [];
  client.send(46);
  client.finish();
  made.driver.settle();
  made.tls.of(upstream).fail('other', 'write failed');
  others()[0]();
  client.take(10);
  made.driver.settle();
  assert.equal(upstream.written, 0);
  made.finish();
  assert.deepEqual(ends(made), ['FU']);
});

test('a later failure at the endpoint does not take the blame either', () => {
  const made = serving({ client: { tls: clientTls } });
  const client = secured(made);
  const upstream = connectAll(made);
  agreeAll(made);
  upstream.room = 0;
  client.send(25);
  client.finish();
  made.driver.settle();
  assert.equal(upstream.released, undefined, 'it is still to get what the client sent');
  made.tls.of(upstream).fail('other', 'decryption failed or bad record mac');
  made.driver.settle();
  made.driver.advance(2_000);
  made.driver.settle();
  made.finish();
  assert.deepEqual(ends(made), ['RX']);
  assert.match(record(made).reason ?? '', /^TLS with the client: unexpected eof/);
});

test('a later failure does not take the blame for an end', () => {
  const made = serving({ client: { tls: clientTls } });
  const client = secured(made);
  const upstream = connectAll(made);
  agreeAll(made);
  client.room = 0;
  upstream.send(25);
  made.driver.settle();
  upstream.finish();
  made.driver.settle();
  assert.equal(client.released, undefined, 'it is still to get what the upstream sent');
  made.tls.of(client).fail('other', 'decryption failed or bad record mac');
  made.driver.settle();
  made.driver.advance(2_000);
  made.driver.settle();
  made.finish();
  assert.deepEqual(ends(made), ['RX']);
  assert.match(record(made).reason ?? '', /^TLS with the endpoint: unexpected eof/);
});

test('every handshake is counted by what it agreed on, on its side', () => {
  const made = serving({ client: { tls: clientTls } });
  const client = greeting(made);
  made.driver.advance(20);
  made.tls
    .of(client)
    .agree({ version: 'TLSv1.2', cipher: 'ECDHE-RSA-AES128-GCM-SHA256', group: 'P-256', resumed: true });
  made.driver.settle();
  connectAll(made);
  made.driver.advance(30);
  agreeAll(made);
  const strange = greeting(made);
  made.tls.of(strange).agree({ version: 'TLSv9', cipher: 'TLS_NEW', group: '' });
  made.driver.settle();
  assert.equal(srv(made, 'handshakes', 'resumed="yes"'), 1);
  assert.equal(srv(made, 'handshakes', 'resumed="no"'), 1);
  assert.equal(srv(made, 'version', 'version="TLSv1.2"'), 1);
  assert.equal(srv(made, 'version', 'version="other"'), 1);
  assert.equal(srv(made, 'cipher', 'cipher="ECDHE-RSA-AES128-GCM-SHA256"'), 1);
  assert.equal(srv(made, 'cipher', 'cipher="other"'), 1);
  assert.equal(srv(made, 'group', 'group="P-256"'), 1);
  assert.equal(srv(made, 'group', 'group="other"'), 1);
  assert.equal(srv(made, 'handshake_us_count'), 2);
  assert.equal(srv(made, 'handshake_us_sum'), 20_000, 'from accept');
  assert.equal(srv(made, 'failure'), 0);
  assert.equal(cl(made, 'handshakes', 'resumed="no"'), 1);
  assert.equal(cl(made, 'version', 'version="TLSv1.3"'), 1);
  assert.equal(cl(made, 'cipher', 'cipher="TLS_AES_128_GCM_SHA256"'), 1);
  assert.equal(cl(made, 'group', 'group="X25519"'), 1);
  assert.equal(cl(made, 'handshake_us_count'), 1);
  assert.equal(cl(made, 'handshake_us_sum'), 30_000, 'from connected');
  made.finish();
});

test('an attempt that takes long is seen in its latency, handshake and all', () => {
  const made = reaching();
  made.client();
  made.driver.advance(10);
  connectAll(made);
  made.driver.advance(30);
  agreeAll(made);
  assert.equal(made.relay.metric('l5d:balancer:connection:latency_us_sum'), 40_000);
  made.finish();
});

/** Listeners before and after a reload: without a ClientHello, passing TLS on by name, ending it, and ending it by name. */
const shapes = ['plain', 'passing', 'ending', 'endingByName'] as const;

function shapeOf({ relay }: FakeRelay, shape: (typeof shapes)[number]): Partial<ListenerSpec> {
  const tls = serverTls(relay.registry, identities);
  if (shape === 'plain') return { hello: null, tls: null, nameFrom: null, route: 1 };
  if (shape === 'passing') return { hello, tls: null, nameFrom: 'sni', route: null };
  return { hello, tls, ...(shape === 'ending' ? { nameFrom: null, route: 1 } : { nameFrom: 'sni', route: null }) };
}

for (const before of shapes) {
  for (const after of shapes) {
    test(`a reload from ${before} to ${after} disturbs nobody, whether greeting, in the handshake or waiting`, () => {
      const made = serving();
      made.relay.adjust(shapeOf(made, before));
      const half = made.client();
      const whole = greeting(made, 'web.test');
      const waiting = greeting(made, 'other.test');
      for (const stream of made.tls.streams) if (stream.socket === waiting) stream.agree();
      made.driver.settle();
      made.relay.adjust(shapeOf(made, after));
      if (after === 'plain' || after === 'passing')
        for (const id of [web, wild, fallback]) made.relay.worker.tell({ type: 'untls', id });
      half.hello = new Uint8Array(recordsOf(helloMessage({ serverName: 'web.test' })));
      half.send(half.hello.length + finishedBytes);
      made.driver.settle();
      for (const stream of made.tls.undecided) stream.agree();
      made.driver.settle();
      for (const name of asked(made)) {
        made.relay.publishRoute(7, bound([1007]));
        made.relay.worker.tell({ type: 'named', listener: 2, name, route: 7 });
      }
      connectAll(made);
      greeting(made, 'web.test');
      assert.equal(whole.hasFailed, false);
      made.finish();
      assert.equal(made.relay.records.length, 4);
      assert.deepEqual(
        notices(made).filter(text => text.includes('cannot happen')),
        [],
      );
      for (const { end } of made.relay.records) assert.match(end, /^(RD|ND|HD|HP|GD|CD)$/);
    });
  }
}

test('TLS for endpoints that comes or goes while a connection is being made takes effect when it is there', () => {
  const made = reaching();
  const first = made.client();
  made.relay.adjust({}, { tls: null });
  const plain = connectAll(made);
  first.send(5);
  made.driver.settle();
  assert.deepEqual([plain.written, plain.preamble], [5, 0]);
  made.client();
  made.relay.adjust({}, { tls: clientTls });
  connectAll(made);
  made.relay.adjust({}, { tls: null });
  agreeAll(made);
  made.finish();
  assert.deepEqual(ends(made), ['RD', 'RD']);
});

test('a shortage while an endpoint is being secured is not a TLS failure', () => {
  const made = reaching({ maxRetries: 0 });
  made.client();
  for (const attempt of made.driver.upstreams()) attempt.outcome = constants.errno.ECONNREFUSED;
  made.driver.settle();
  made.finish();
  assert.deepEqual(ends(made), ['CU']);
  assert.match(record(made).reason ?? '', /refused/);
  assert.equal(cl(made, 'failure'), 0);
});
