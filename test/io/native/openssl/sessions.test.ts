/** Sessions on OpenSSL: which ones a client keeps and how often it uses them, and what a server makes of tickets. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { TlsServerContext, TlsVersion } from '../../../../src/io/tls/context.ts';
import { createAuthority } from '../../../support/certificates.ts';
import { clientContext, identityOf, serverContext, ticketKey } from '../../tls/fixtures.ts';
import { type End, Ends, exchange, securePair } from './rig.ts';

const authority = createAuthority({ after });
const issued = authority.issue({ names: ['server.test', 'other.test'] });
const client = authority.issue({ subject: '/CN=client', client: true });
const identity = identityOf(client);

const serving = (more: Partial<TlsServerContext> = {}): TlsServerContext =>
  serverContext(issued, {
    clientAuth: 'required',
    trust: authority.certificate,
    ticketKeys: [ticketKey(1)],
    ...more,
  });

const asking = (ends: Ends, mostVersion: TlsVersion): number =>
  ends.define(clientContext(authority, { mostVersion, resume: true, identity }));

const resumed = (ends: Ends, from: number, to: number): boolean => {
  const pair = securePair(ends, from, to);
  assert.equal(pair.client.details?.resumed, pair.server.details?.resumed);
  assert.ok(pair.client.details?.peerCertificate?.length, 'the server’s certificate, resumed or not');
  assert.ok(pair.server.details?.peerCertificate?.length, 'the client’s certificate, resumed or not');
  pair.client.stream.destroy();
  pair.server.stream.destroy();
  return pair.client.details?.resumed === true;
};

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${version}: a session is resumed, and the verified peer is known without another verification`, () => {
    const ends = new Ends();
    const [from, to] = [asking(ends, version), ends.define(serving())];
    assert.deepEqual(
      [1, 2, 3].map(() => resumed(ends, from, to)),
      [false, true, true],
    );
  });

  test(`${version}: a session is not resumed under another binding, though its ticket can be read`, () => {
    const ends = new Ends();
    const from = asking(ends, version);
    const to = ends.define(serving());
    const other = ends.define(serving({ binding: new Uint8Array(32).fill(2) }));
    assert.equal(resumed(ends, from, to), false);
    assert.equal(resumed(ends, from, other), false);
    assert.equal(resumed(ends, from, other), true);
  });

  test(`${version}: a context defined anew has no sessions, and takes none of connections that began before`, () => {
    const ends = new Ends();
    const from = asking(ends, version);
    const to = ends.define(serving());
    const early = ends.connect(from);
    resumed(ends, from, to);
    ends.engine.define(from, clientContext(authority, { mostVersion: version, resume: true, identity }));
    const answering = ends.accept(to);
    early.read();
    answering.read();
    exchange(early, answering);
    assert.ok(early.details);
    assert.equal(resumed(ends, from, to), false);
  });

  test(`${version}: sessions are of one name at one endpoint`, () => {
    const ends = new Ends();
    const [from, to] = [asking(ends, version), ends.define(serving())];
    const connect = (name: string, endpoint: string): boolean | undefined => {
      const [near, far] = [ends.connect(from, name, endpoint).read(), ends.accept(to).read()];
      exchange(near, far);
      return near.details?.resumed;
    };
    assert.equal(connect('server.test', '192.0.2.1:443'), false);
    assert.equal(connect('other.test', '192.0.2.1:443'), false);
    assert.equal(connect('server.test', '192.0.2.2:443'), false);
    assert.equal(connect('server.test', '192.0.2.1:443'), true);
  });

  test(`${version}: a connection that ends without close_notify can be resumed all the same`, () => {
    const ends = new Ends();
    const [from, to] = [asking(ends, version), ends.define(serving())];
    for (const expected of [false, true, true, true]) {
      const { client, server } = securePair(ends, from, to);
      assert.equal(client.details?.resumed, expected);
      client.stream.receivedEnd();
      assert.equal(client.trouble?.kind, 'truncated');
      client.stream.destroy();
      server.stream.destroy();
    }
  });

  test(`${version}: without ticket keys nothing is resumed`, () => {
    const ends = new Ends();
    const [from, to] = [asking(ends, version), ends.define(serving({ ticketKeys: [] }))];
    assert.deepEqual(
      [1, 2].map(() => resumed(ends, from, to)),
      [false, false],
    );
  });
}

test('a session of TLS 1.3 is used once, one of TLS 1.2 again and again', () => {
  for (const [version, expected] of [
    ['TLSv1.3', [true, false, false]],
    ['TLSv1.2', [true, true, true]],
  ] as const) {
    const ends = new Ends();
    const [from, to] = [asking(ends, version), ends.define(serving())];
    resumed(ends, from, to);
    const sideBySide: End[][] = expected.map(() => [ends.connect(from).read(), ends.accept(to).read()]);
    for (const [near, far] of sideBySide) exchange(near, far);
    assert.deepEqual(
      sideBySide.map(([near]) => near.details?.resumed),
      expected,
    );
  }
});

test('a ticket of an older key is good, and answered with one of the first', () => {
  const ends = new Ends();
  const [from, to] = [asking(ends, 'TLSv1.3'), ends.define(serving({ ticketKeys: [ticketKey(1)] }))];
  const withKeys = (...keys: number[]) => ends.engine.define(to, serving({ ticketKeys: keys.map(ticketKey) }));
  assert.equal(resumed(ends, from, to), false);
  withKeys(2, 1);
  assert.equal(resumed(ends, from, to), true);
  withKeys(3, 2);
  assert.equal(resumed(ends, from, to), true);
  withKeys(4);
  assert.equal(resumed(ends, from, to), false);
});

test('a client does not keep more sessions than it may', () => {
  const ends = new Ends();
  const [from, to] = [asking(ends, 'TLSv1.2'), ends.define(serving())];
  const connect = (endpoint: number): boolean | undefined => {
    const [near, far] = [ends.connect(from, 'server.test', `192.0.2.1:${endpoint}`).read(), ends.accept(to).read()];
    exchange(near, far);
    near.stream.destroy();
    far.stream.destroy();
    return near.details?.resumed;
  };
  for (let endpoint = 0; endpoint <= 1024; endpoint++) connect(endpoint);
  assert.equal(connect(1), true, 'the oldest one left');
  assert.equal(connect(0), false, 'the one before it');
});
