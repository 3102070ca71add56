/** Streams on OpenSSL: what the contract of engines does not see, because it is about buffers and records. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import type { TlsVersion } from '../../../../src/io/tls/context.ts';
import { createAuthority } from '../../../support/certificates.ts';
import { clientContext, serverContext } from '../../tls/fixtures.ts';
import { RawClient } from './raw-client.ts';
import { Ends, exchange, securePair } from './rig.ts';

const versions: readonly TlsVersion[] = ['TLSv1.2', 'TLSv1.3'];
const authority = createAuthority({ after });
const issued = authority.issue({ names: ['server.test'] });

const pattern = (length: number, seed = 1): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + seed) & 0xff));

const secured = (ends = new Ends(), version: TlsVersion = 'TLSv1.3') =>
  securePair(
    ends,
    ends.define(clientContext(authority, { mostVersion: version })),
    ends.define(serverContext(issued, { mostVersion: version })),
  );

test('bytes received in one chunk are delivered as one if a buffer has room for them', () => {
  const { client, server } = secured(new Ends(64, 64 * 1024));
  client.write(pattern(60_000));
  assert.deepEqual(
    client.sent.map(bytes => bytes.length > 60_000),
    [true],
    'as one chunk of ciphertext',
  );
  server.receive(client.takeSent());
  assert.deepEqual(server.told, [60_000]);
});

test('a whole buffer of plaintext is a whole buffer of ciphertext', () => {
  for (const version of versions) {
    for (const bytes of [16 * 1024, 64 * 1024]) {
      const { client } = secured(new Ends(64, bytes), version);
      client.sent = [];
      client.write(pattern(bytes));
      assert.equal(client.sent.length, 1);
    }
  }
});

test('more than fits into a buffer, either way, goes through several', () => {
  const ends = new Ends(64, 4096);
  const { client, server } = secured(ends);
  const bytes = pattern(100_000);
  client.write(bytes);
  assert.ok(client.sent.length > 10);
  server.receive(client.takeSent());
  assert.ok(server.received.equals(bytes));
  assert.ok(server.told.length > 10);
});

test('without a buffer in the pool the stream continues, in memory of its own', () => {
  const ends = new Ends(1, 16 * 1024);
  const held = ends.pool.take();
  const { client, server } = secured(ends);
  const bytes = pattern(50_000);
  client.write(bytes);
  exchange(client, server);
  assert.ok(server.received.equals(bytes));
  ends.pool.give(held);
  client.stream.destroy();
  server.stream.destroy();
  assert.equal(ends.pool.inUse, 0);
});

test('ciphertext waits while reading is off, and the rest of it when that is turned off in between', () => {
  const ends = new Ends(256, 4096);
  const { client, server } = secured(ends);
  server.read(false);
  const bytes = pattern(40_000);
  client.write(bytes);
  exchange(client, server);
  assert.deepEqual(server.told, []);
  assert.ok(server.stream.holds);
  assert.deepEqual(server.events, ['taking false']);
  server.onPlaintext = () => server.read(false);
  let turns = 0;
  for (; server.stream.holds; turns++) server.read().stream.tell();
  assert.ok(turns > 7, `${turns} turns`);
  assert.ok(server.received.equals(bytes));
  assert.deepEqual(server.events, ['taking false', 'taking true']);
});

test('ciphertext that waits keeps no buffer from others when they are short', () => {
  const ends = new Ends(8, 4096);
  const { client, server } = secured(ends);
  server.read(false);
  const bytes = pattern(3_000);
  const buffers: number[] = [];
  for (let i = 0; i < 6; i++) {
    client.write(bytes);
    const sealed = client.takeSent();
    buffers.push(ends.pool.take());
    ends.pool.view(buffers[i]).set(sealed, 7);
    server.stream.receive(buffers[i], 7, sealed.length);
  }
  const taken = Array.from({ length: 4 }, () => ends.pool.take());
  assert.ok(taken.every(buffer => buffer >= 0));
  for (const buffer of taken) ends.pool.give(buffer);
  server.read().stream.tell();
  assert.equal(server.received.length, 18_000);
  assert.equal(ends.pool.inUse, 0);
});

test('a sink may pass more bytes to a stream, and to others, from within an event about earlier ones', () => {
  const ends = new Ends(256, 4096);
  const { client, server } = secured(ends);
  const other = secured(ends);
  client.write(pattern(20_000, 1));
  const first = client.takeSent();
  client.write(pattern(20_000, 2));
  const second = client.takeSent();
  server.onPlaintext = () => {
    server.onPlaintext = () => {};
    server.receive(second);
    other.client.write(pattern(9_000, 3));
    exchange(other.client, other.server);
    server.write(pattern(100, 4));
  };
  server.receive(first);
  exchange(server, client);
  assert.ok(server.received.equals(Buffer.concat([pattern(20_000, 1), pattern(20_000, 2)])));
  assert.ok(other.server.received.equals(pattern(9_000, 3)));
  assert.ok(client.received.equals(pattern(100, 4)));
});

test('errors that other code has left in the thread’s queue fail no stream', () => {
  const ends = new Ends();
  const { client, server } = secured(ends);
  RawClient.leaveError();
  client.write(pattern(5));
  const bytes = client.takeSent();
  server.receive(bytes.subarray(0, 9));
  server.receive(bytes.subarray(9));
  assert.equal(server.received.length, 5);
  client.stream.end();
  exchange(client, server);
  assert.deepEqual(server.events, ['finished']);
  assert.equal(server.trouble, undefined);
  RawClient.leaveError();
  const again = secured(ends);
  again.server.receive(Buffer.from('\x17\x03\x03\x00\x20garbage instead of a record itself', 'latin1'));
  assert.match(String(again.server.trouble?.text), /bad record mac/);
});

test('a peer may change its keys, and ask the stream to change its own, at any time', () => {
  const ends = new Ends();
  const server = ends.accept(ends.define(serverContext(issued)));
  server.read();
  const client = new RawClient();
  for (let round = 0; round < 5 && !(server.details && client.isSecure); round++) {
    server.receive(client.shakeHands());
    client.receive(server.takeSent());
  }
  for (let round = 1; round <= 3; round++) {
    client.updateKeys();
    server.receive(client.write(pattern(50_000, round)));
    assert.ok(server.received.subarray(-50_000).equals(pattern(50_000, round)));
    server.write(pattern(20_000, round + 10));
    client.receive(server.takeSent());
    assert.ok(client.read().equals(pattern(20_000, round + 10)));
  }
  client.free();
  server.stream.destroy();
});

test('any split of the ciphertext yields the same plaintext', () => {
  const pairs = versions.map(version => secured(new Ends(), version));
  fc.assert(
    fc.property(
      fc.constantFrom(...pairs),
      fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 5 }),
      fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 20_000 })), { maxLength: 60 }),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 10 }),
      ({ client, server }, sizes, cuts, readings) => {
        server.received = Buffer.alloc(0);
        sizes.forEach((size, i) => {
          client.write(pattern(size, i));
        });
        let rest: Uint8Array = client.takeSent();
        cuts.push(rest.length);
        cuts.forEach((cut, i) => {
          if (rest.length === 0) return;
          server.read(readings[i % readings.length]);
          server.receive(rest.subarray(0, cut));
          rest = rest.subarray(cut);
        });
        server.read().stream.tell();
        assert.ok(server.received.equals(Buffer.concat(sizes.map((size, i) => pattern(size, i)))));
        assert.ok(!server.stream.holds);
      },
    ),
    { numRuns: 100 },
  );
});

test('bytes that were changed anywhere end a connection with an alert, and the bytes delivered before are correct', () => {
  const ends = new Ends();
  const contexts = versions.map(mostVersion => [
    ends.define(clientContext(authority, { mostVersion })),
    ends.define(serverContext(issued, { mostVersion })),
  ]);
  fc.assert(
    fc.property(
      fc.constantFrom(...contexts),
      fc.integer({ min: 1, max: 40_000 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      fc.boolean(),
      ([client, server], size, place, change, isReply) => {
        const pair = securePair(ends, client, server);
        const [from, to] = isReply ? [pair.server, pair.client] : [pair.client, pair.server];
        from.write(pattern(size));
        const bytes = from.takeSent();
        bytes[place % bytes.length] ^= change;
        to.receive(bytes);
        assert.ok(to.received.equals(pattern(size).subarray(0, to.received.length)));
        assert.ok(to.received.length < size);
        // A record said to be longer than it is may still be waited for.
        if (!to.trouble) to.stream.receivedEnd();
        assert.ok(to.trouble, 'trouble');
        from.stream.destroy();
        to.stream.destroy();
        assert.equal(ends.pool.inUse, 0);
      },
    ),
    { numRuns: 100 },
  );
});
