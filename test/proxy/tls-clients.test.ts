/** Clients that speak TLS with the proxy: who they are served as, how their handshakes end, and what names they give. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { Alert, alertRecord } from '../../src/wire/client-hello.ts';
import { createAuthority } from '../support/certificates.ts';
import { fakeRelay } from '../support/fake-relay.ts';
import { closeNotify, fakeContext, unusableCiphers } from '../support/fake-tls.ts';
import { bound } from '../support/relay.ts';
import {
  agreeAll,
  asked,
  clientTls,
  connectAll,
  ends,
  fallback,
  greeting,
  hello,
  identities,
  notices,
  record,
  secured,
  serving,
  srv,
  web,
  wild,
} from '../support/tls-relay.ts';

for (const [name, context, why] of [
  ['web.test', web, 'by its very name'],
  ['a.wild.test', wild, 'by the wildcard above it'],
  ['a.b.wild.test', fallback, 'as anybody, for a wildcard is one label'],
  ['wild.test', fallback, 'as anybody, for a wildcard is one label'],
  ['other.test', fallback, 'as anybody'],
  [undefined, fallback, 'as anybody'],
] as const) {
  test(`a client that asks for ${name ?? 'no server'} is answered ${why}`, () => {
    const made = serving();
    const client = secured(made, name);
    assert.equal(made.tls.of(client).context, context);
    made.finish();
    assert.equal(record(made).serverName, name ?? null);
  });
}

for (const [what, set, forgotten] of [
  ['no identity for it', { ...identities, fallback: null }, false],
  ['an identity that could not be used', identities, true],
] as const) {
  test(`a client is refused with unrecognized_name when there is ${what}`, () => {
    const made = serving({ identities: set });
    if (forgotten) made.relay.worker.tell({ type: 'untls', id: fallback });
    const client = greeting(made, 'other.test');
    assert.deepEqual(client.told, [...alertRecord(Alert.unrecognizedName)]);
    assert.equal(client.released, 'close');
    made.finish();
    assert.deepEqual(ends(made), ['HP']);
    assert.match(record(made).reason ?? '', /no identity for other\.test/);
    assert.equal(srv(made, 'failure', 'reason="name_unknown"'), 1);
  });
}

test('where no context has ever come, clients are refused and nothing breaks', () => {
  const made = fakeRelay({ upstreams: [1001], identities, listener: { hello }, chunkBytes: 10_000 });
  greeting(made, 'web.test');
  made.finish();
  assert.deepEqual(ends(made), ['HP']);
});

test('a context that is unusable here is said to be, and the one before it stays', () => {
  const made = serving();
  made.relay.worker.tell({ type: 'tls', id: web, context: fakeContext('server', unusableCiphers) });
  assert.match(notices(made).join(), /cannot be used; the previous one stays in effect: no cipher match/);
  secured(made, 'web.test');
  connectAll(made);
  made.finish();
  assert.deepEqual(ends(made), ['RD']);
});

test('a client that does not speak TLS is refused where TLS ends', () => {
  const made = serving();
  const client = made.client();
  client.hello = new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n');
  client.send(client.hello.length);
  made.driver.settle();
  assert.deepEqual(client.told, [...alertRecord(Alert.unexpectedMessage)]);
  made.finish();
  assert.deepEqual(ends(made), ['HP']);
  assert.equal(srv(made, 'failure', 'reason="not_tls"'), 1);
});

for (const tlsFromLoop of [false, true]) {
  const engine = tlsFromLoop ? 'an engine of the event loop' : 'an engine that tells at once';

  test(`secured, a session relays both ways and ends with close_notify: ${engine}`, () => {
    const made = serving({ tlsFromLoop });
    const client = secured(made, 'web.test');
    client.send(20);
    const upstream = connectAll(made);
    client.send(30);
    upstream.send(70);
    made.driver.settle();
    assert.equal(upstream.source, client);
    assert.deepEqual([upstream.written, client.written], [50, 70]);
    client.notify();
    made.driver.settle();
    assert.ok(upstream.isShut, 'close_notify is passed on as FIN');
    upstream.send(5);
    made.driver.settle();
    assert.equal(client.written, 75, 'who has ended still hears the rest');
    upstream.finish();
    made.driver.settle();
    assert.deepEqual(client.told.slice(-closeNotify.length), [...closeNotify]);
    assert.deepEqual([client.released, upstream.released], ['close', 'close']);
    made.finish();
    assert.deepEqual(ends(made), ['--']);
    assert.deepEqual(record(made).tls, {
      ...{ version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', group: 'X25519', resumed: false, protocol: '' },
      peer: null,
    });
    assert.equal(record(made).upstreamTls, null);
  });

  test(`TLS on both sides relays both ways: ${engine}`, () => {
    const made = serving({ tlsFromLoop, client: { tls: clientTls } });
    const client = secured(made);
    client.send(40);
    const upstream = connectAll(made);
    assert.equal(upstream.written, 0, 'it is not secured yet');
    agreeAll(made);
    upstream.send(60);
    upstream.notify();
    upstream.finish();
    made.driver.settle();
    assert.deepEqual([upstream.written, client.written], [40, 60]);
    client.notify();
    client.finish();
    made.driver.settle();
    made.finish();
    assert.deepEqual(ends(made), ['--']);
    assert.equal(record(made).upstreamTls?.version, 'TLSv1.3');
  });

  test(`a client whose upstream does not keep up is not read without bound: ${engine}`, () => {
    const made = serving({ tlsFromLoop, chunkBytes: 1_000 });
    const client = secured(made);
    const upstream = connectAll(made);
    upstream.room = 0;
    client.send(1_000_000);
    made.driver.settle();
    assert.ok(upstream.pending <= 16_384 + 1_000, `${upstream.pending} bytes wait`);
    assert.ok(made.driver.ledger().buffers <= 4);
    upstream.room = Number.POSITIVE_INFINITY;
    upstream.take(Number.POSITIVE_INFINITY);
    made.driver.settle();
    assert.equal(upstream.written, 1_000_000);
    made.finish();
  });
}

for (const [how, leave] of [
  ['finishes', 'finish'],
  ['resets', 'reset'],
] as const) {
  test(`a client that ${how} during the handshake has left`, () => {
    const made = serving();
    greeting(made)[leave]();
    made.driver.settle();
    made.finish();
    assert.deepEqual(ends(made), ['HC']);
    assert.match(record(made).reason ?? '', /TLS with the client: .* during the handshake/);
    assert.equal(srv(made, 'failure', 'reason="left"'), 1);
    assert.equal(srv(made, 'handshake_us_count'), 1);
  });
}

test('a client that leaves before its ClientHello is complete is recorded as having left too', () => {
  const made = serving();
  made.client().reset();
  made.driver.settle();
  made.finish();
  assert.deepEqual(ends(made), ['HC']);
});

test('a failed handshake puts its reason into the record, after its alert', () => {
  const made = serving();
  const client = greeting(made);
  client.room = 10;
  made.tls.of(client).fail('alert', 'tlsv1 alert unknown ca; the client does not trust us');
  made.driver.settle();
  assert.equal(client.released, 'close');
  assert.deepEqual(client.told.slice(-7), [...alertRecord(Alert.handshakeFailure)]);
  made.finish();
  assert.deepEqual(ends(made), ['HP']);
  assert.equal(record(made).reason, 'TLS with the client: tlsv1 alert unknown ca; the client does not trust us');
  assert.equal(record(made).tls, null);
  assert.equal(srv(made, 'failure', 'reason="alert"'), 1);
});

test('a client that does not read its alert is closed all the same', () => {
  const made = serving({ listener: { hello: { ...hello, timeoutMs: 60_000 } } });
  const client = greeting(made);
  client.room = 0;
  made.tls.of(client).fail('alert', 'no');
  made.driver.settle();
  assert.equal(client.released, undefined);
  made.driver.advance(1_001);
  assert.notEqual(client.released, undefined);
  made.finish();
  assert.deepEqual(ends(made), ['HP']);
});

test('a handshake that is not done in time ends with HT, whichever part of it is missing', () => {
  const made = serving();
  const [silent, slow] = [made.client(), greeting(made)];
  made.driver.advance(999);
  assert.deepEqual([silent.released, slow.released], [undefined, undefined]);
  made.driver.advance(2);
  assert.deepEqual([silent.released, slow.released], ['close', 'close']);
  made.finish();
  assert.deepEqual(ends(made), ['HT', 'HT']);
  assert.equal(srv(made, 'failure', 'reason="timeout"'), 2);
  assert.equal(srv(made, 'handshake_us_count'), 0, 'how long it would have taken is not known');
});

test('the time for the handshake is over with it', () => {
  const made = serving();
  const client = secured(made);
  connectAll(made);
  made.driver.advance(5_000);
  assert.equal(client.released, undefined);
  made.finish();
});

test('a drain cuts off handshakes, whichever part of them is missing', () => {
  const made = serving();
  made.client();
  greeting(made);
  made.finish();
  assert.deepEqual(ends(made), ['HD', 'HD']);
  assert.equal(srv(made, 'failure'), 0, 'it is not their fault');
});

test('TLS that breaks while there is no upstream yet ends the session with its words', () => {
  const made = serving();
  const clients = [secured(made), secured(made)];
  made.tls.of(clients[0]).fail('other', 'decryption failed or bad record mac');
  made.driver.settle();
  made.relay.publish({ state: 'pending' });
  const waiting = secured(made);
  made.tls.of(waiting).fail('other', 'decryption failed or bad record mac');
  made.driver.settle();
  made.finish();
  assert.deepEqual(ends(made), ['CC', 'NC', 'CD']);
  for (const { reason } of made.relay.records.slice(0, 2)) assert.match(reason ?? '', /bad record mac/);
});

test('a name in the ClientHello leads on when the handshake is done, not before', () => {
  const made = serving({ listener: { nameFrom: 'sni', route: null } });
  const client = greeting(made, 'web.test');
  assert.deepEqual(asked(made), []);
  made.tls.of(client).agree();
  made.driver.settle();
  assert.deepEqual(asked(made), ['web.test']);
  client.send(10);
  made.relay.publishRoute(7, bound([1007]));
  made.relay.worker.tell({ type: 'named', listener: 2, name: 'web.test', route: 7 });
  const upstream = connectAll(made);
  assert.deepEqual([upstream.address.port, upstream.written], [1007, 10]);
  made.finish();
});

test('a client that gives no name is closed without an alert, which would make no sense, or takes the default route', () => {
  for (const nameFrom of ['sni', 'clientCn', 'clientSan'] as const) {
    const made = serving({ listener: { nameFrom, route: null } });
    const client = secured(made);
    assert.deepEqual(client.told.slice(-closeNotify.length), [...closeNotify]);
    assert.equal(client.released, 'close');
    made.finish();
    assert.deepEqual(ends(made), ['HP']);
    assert.match(record(made).reason ?? '', /names no server|no certificate with/);
    assert.equal(record(made).tx, 0);

    const open = serving({ listener: { nameFrom, route: 1 } });
    secured(open);
    assert.equal(connectAll(open).address.port, 1001);
    open.finish();
  }
});

test('a name beyond the limit of names in use ends a secured session', () => {
  const made = serving({ listener: { nameFrom: 'sni', route: null } });
  const client = secured(made, 'web.test');
  made.relay.worker.tell({ type: 'named', listener: 2, name: 'web.test', route: null });
  made.driver.settle();
  assert.equal(client.released, 'close');
  made.finish();
  assert.deepEqual(ends(made), ['HP']);
  assert.match(record(made).reason ?? '', /too many names/);
});

test('a name in the certificate of a client leads on', t => {
  const { certificate } = createAuthority(t).issue({
    subject: '/O=Acme/CN=alice',
    names: ['a.test'],
    uris: ['spiffe://acme/alice'],
  });
  const peerCertificate = new X509Certificate(certificate).raw;
  for (const [nameFrom, name] of [
    ['clientCn', 'alice'],
    ['clientSan', 'spiffe://acme/alice'],
  ] as const) {
    const made = serving({ listener: { nameFrom, route: null } });
    secured(made, 'web.test', { peerCertificate });
    assert.deepEqual(asked(made), [name]);
    made.finish();
    assert.deepEqual(record(made).tls?.peer, { subject: 'O=Acme,CN=alice', names: ['spiffe://acme/alice', 'a.test'] });
    assert.equal(record(made).serverName, 'web.test');
  }
});

test('a certificate without the kind of name that is asked for gives none', t => {
  const { certificate } = createAuthority(t).issue({ subject: '/O=Acme' });
  const peerCertificate = new X509Certificate(certificate).raw;
  for (const nameFrom of ['clientCn', 'clientSan'] as const) {
    const made = serving({ listener: { nameFrom, route: null } });
    secured(made, 'web.test', { peerCertificate });
    assert.deepEqual(asked(made), []);
    made.finish();
    assert.deepEqual(ends(made), ['HP']);
  }
});
