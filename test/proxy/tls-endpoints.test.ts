/** Endpoints that speak TLS: attempts and idle connections are ready once secured, and fail when TLS fails. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FakeRelay } from '../support/fake-relay.ts';
import {
  agreeAll,
  cl,
  clientTls,
  connectAll,
  ends,
  failAll,
  failFast,
  notices,
  reaching,
  record,
  toEndpoints,
  toOthers,
} from '../support/tls-relay.ts';

test('a connection to an endpoint is handed over when it is secured, with the name it is to have', () => {
  const made = reaching();
  const client = made.client();
  client.send(10);
  const upstream = connectAll(made);
  assert.equal(upstream.written, 0);
  assert.deepEqual(made.tls.of(upstream).about, { serverName: 'endpoint.test', endpoint: '127.0.0.1:1001' });
  assert.equal(made.relay.load(1001), 1);
  agreeAll(made);
  assert.equal(upstream.written, 10);
  made.finish();
  assert.deepEqual(ends(made), ['RD']);
});

test('a failed handshake is a failed attempt: another endpoint is tried, and the ejection gives the reason', () => {
  const made = reaching({ failFast }, { upstreams: [1001, 1002] });
  made.client();
  const first = connectAll(made);
  failAll(made, 'certificate verify failed (CERT_HAS_EXPIRED)');
  assert.equal(first.released, 'close');
  made.driver.advance(0);
  const second = connectAll(made);
  assert.notEqual(second.address.port, first.address.port);
  agreeAll(made);
  made.finish();
  assert.deepEqual(ends(made), ['RD']);
  assert.equal(record(made).retries, 1);
  assert.match(notices(made)[0], /taken out of rotation: connection failed: certificate verify failed/);
  assert.equal(made.relay.metric('l5d:balancer:connection:failure', 'cause="other"'), 1);
  assert.equal(cl(made, 'failure', 'reason="untrusted"'), 1);
});

test('when every attempt fails in TLS the record gives that reason, with the endpoint', () => {
  const made = reaching({ maxRetries: 0 });
  made.client();
  connectAll(made);
  failAll(made, 'certificate verify failed (HOSTNAME_MISMATCH)');
  made.finish();
  assert.deepEqual(ends(made), ['CU']);
  assert.match(record(made).reason ?? '', /127\.0\.0\.1:1001.*certificate verify failed \(HOSTNAME_MISMATCH\)/);
  assert.equal(record(made).upstreamTls, null);
});

for (const [how, leave] of [
  ['finishes', 'finish'],
  ['resets', 'reset'],
] as const) {
  test(`an endpoint that ${how} during the handshake has left`, () => {
    const made = reaching({ maxRetries: 0 });
    made.client();
    connectAll(made)[leave]();
    made.driver.settle();
    made.finish();
    assert.deepEqual(ends(made), ['CU']);
    assert.match(record(made).reason ?? '', /during the handshake/);
    assert.equal(cl(made, 'failure', 'reason="left"'), 1);
  });
}

test('the handshake is part of the attempt: together they have connectTimeoutMs', () => {
  const made = reaching({ connectTimeoutMs: 500, maxRetries: 0 });
  made.client();
  made.driver.advance(300);
  const upstream = connectAll(made);
  made.driver.advance(199);
  assert.equal(upstream.released, undefined);
  made.driver.advance(2);
  assert.equal(upstream.released, 'close');
  made.finish();
  assert.deepEqual(ends(made), ['CU']);
  assert.match(record(made).reason ?? '', /handshake was not done in time/);
  assert.equal(made.relay.metric('l5d:balancer:connection:failure', 'cause="timeout"'), 1);
  assert.equal(cl(made, 'failure', 'reason="timeout"'), 1);
});

test('a client that leaves during the handshake with its endpoint says nothing about the endpoint', () => {
  const made = reaching({ failFast });
  const client = made.client();
  const upstream = connectAll(made);
  client.reset();
  made.driver.settle();
  assert.equal(upstream.released, 'close');
  made.finish();
  assert.deepEqual(ends(made), ['CC']);
  assert.equal(cl(made, 'failure'), 0);
  assert.deepEqual(notices(made), []);
});

test('a context that was removed before the connection is made fails the attempt', () => {
  const made = reaching({ maxRetries: 0, minConnections: 1 });
  made.client();
  made.relay.worker.tell({ type: 'untls', id: toEndpoints });
  connectAll(made);
  made.finish();
  assert.deepEqual(ends(made), ['CU']);
  assert.match(record(made).reason ?? '', /TLS/);
});

test('an idle connection is handed out once it is secured, not before, with the TLS parameters agreed on', () => {
  const made = reaching({ minConnections: 1 });
  const spare = connectAll(made);
  const early = made.client();
  assert.equal(made.driver.upstreams().length, 2, 'it has a connection of its own made');
  early.reset();
  made.driver.settle();
  made.tls.of(spare).agree({ protocol: 'postgresql' });
  made.driver.settle();
  const client = made.client();
  client.send(10);
  made.driver.settle();
  assert.equal(spare.written, 10);
  made.finish();
  assert.equal(made.relay.records.find(({ end }) => end === 'RD')?.upstreamTls?.protocol, 'postgresql');
});

test('a greeting that comes with the end of the handshake is kept with the idle connection', () => {
  const made = reaching({ minConnections: 1 });
  const spare = connectAll(made);
  made.tls.of(spare).agree();
  spare.send(30);
  made.driver.settle();
  const client = made.client();
  assert.equal(client.written, 30);
  made.finish();
});

test('idle connections are dropped when the TLS settings of the route change or are removed', () => {
  const made = reaching({ minConnections: 2 });
  connectAll(made);
  agreeAll(made);
  const [one, other] = made.driver.upstreams();
  made.relay.adjust({}, { tls: { ...clientTls } });
  assert.deepEqual([one.released, other.released], [undefined, undefined], 'it is the same way');
  made.relay.adjust({}, { tls: { ...clientTls, context: toOthers } });
  assert.deepEqual([one.released, other.released], ['close', 'close']);
  connectAll(made);
  const [third] = made.driver.upstreams();
  assert.equal(made.tls.of(third).context, toOthers);
  made.relay.adjust({}, { tls: null });
  assert.equal(third.released, 'close');
  connectAll(made);
  const client = made.client();
  client.send(5);
  made.driver.settle();
  assert.deepEqual(made.driver.upstreams().map(({ written, preamble }) => [written, preamble])[0], [5, 0]);
  made.finish();
});

for (const [what, reason, fail] of [
  ['fails', 'untrusted', (made: FakeRelay) => failAll(made, 'self-signed certificate')],
  [
    'does not end in time',
    'timeout',
    (made: FakeRelay) => {
      made.driver.advance(3_500);
    },
  ],
  [
    'is broken off',
    'left',
    (made: FakeRelay) => {
      made.driver.upstreams()[0].reset();
      made.driver.settle();
    },
  ],
] as const) {
  test(`an idle connection whose handshake ${what} is closed, counted, and blamed on its endpoint`, () => {
    const made = reaching({ minConnections: 1, failFast });
    const spare = connectAll(made);
    fail(made);
    assert.equal(spare.released, 'close');
    made.finish();
    assert.equal(cl(made, 'failure', `reason="${reason}"`), 1);
    assert.equal(cl(made, 'handshake_us_count'), reason === 'timeout' ? 0 : 1);
    assert.match(notices(made)[0], /self-signed certificate|handshake/);
  });
}
