/** Versions, ciphers, groups, kinds of keys, ALPN, stapling: what a handshake agrees on, and what it cannot. */
import assert from 'node:assert/strict';
import type { TlsServerContext, TlsVersion } from '../../../src/io/tls/context.ts';
import type { ContractParts } from './engine-contract.ts';
import { askingNode, both, clientContext, serverContext, servingNode } from './fixtures.ts';

const versions: readonly TlsVersion[] = ['TLSv1.2', 'TLSv1.3'];

export function handshakeContract({ promise, certificates, traits }: ContractParts): void {
  const { authority, server, serverRsa, serverEd25519 } = certificates;

  for (const version of versions) {
    const only = { minVersion: version, maxVersion: version };
    const cipher = version === 'TLSv1.2' ? 'ECDHE-ECDSA-AES128-GCM-SHA256' : 'TLS_AES_128_GCM_SHA256';
    const group = traits.tellsGroup ? 'X25519' : '';

    promise(`${version}: a server and a client of node:tls secure a connection`, async bench => {
      const { near, far } = servingNode(bench, serverContext(server), only);
      await bench.until(() => near.details && far.isSecure, 'the handshake');
      const expected = { version, cipher, group, resumed: false, protocol: '', peerCertificate: null };
      assert.deepEqual({ ...near.details, group }, expected);
      if (traits.tellsGroup) assert.match(String(near.details?.group), /^x25519$/i);
      near.destroy();
    });

    promise(`${version}: a client and a server of node:tls secure a connection`, async bench => {
      const context = clientContext(authority, { leastVersion: version, mostVersion: version });
      const { near, far } = askingNode(bench, context, { cert: server.chain, key: server.key });
      await bench.until(() => near.details && far.isSecure, 'the handshake');
      assert.equal(near.details?.version, version);
      assert.equal(near.details?.resumed, false);
      const der = Buffer.from(server.certificate.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
      assert.deepEqual(Buffer.from(near.details?.peerCertificate ?? []), der);
    });

    promise(`${version}: two streams under test secure a connection`, async bench => {
      const { near, far } = both(
        bench,
        clientContext(authority, { leastVersion: version, mostVersion: version }),
        bench,
        serverContext(server),
      );
      await bench.until(() => near.details && far.details, 'the handshake');
      assert.equal(near.details?.version, version);
      assert.equal(far.details?.version, version);
      assert.equal(near.details?.cipher, far.details?.cipher);
    });

    for (const [kind, issued] of Object.entries({ RSA: serverRsa, 'P-256': server, Ed25519: serverEd25519 })) {
      promise(`${version}: a server with a key of ${kind} is accepted`, async bench => {
        const context = clientContext(authority, { leastVersion: version, mostVersion: version });
        const { near, far } = both(bench, context, bench, serverContext(issued));
        await bench.until(() => near.details && far.details, 'the handshake');
      });
    }
  }

  promise('a client that is too old is refused with an alert', async bench => {
    const { near, far } = servingNode(bench, serverContext(server, { leastVersion: 'TLSv1.3' }), {
      maxVersion: 'TLSv1.2',
    });
    await bench.until(() => near.trouble && far.error, 'the refusal');
    assert.equal(near.trouble?.kind, 'version');
    assert.match(String(far.error?.reason), /alert protocol version/);
    assert.ok(!near.told.includes('secured'));
  });

  promise('a server that is too old is refused', async bench => {
    const context = clientContext(authority, { leastVersion: 'TLSv1.3' });
    const { near } = askingNode(bench, context, { cert: server.chain, key: server.key, maxVersion: 'TLSv1.2' });
    await bench.until(() => near.trouble, 'the refusal');
    assert.equal(near.trouble?.kind, 'version');
  });

  promise('a client without a cipher in common is refused', async bench => {
    const { near, far } = servingNode(bench, serverContext(server, { mostVersion: 'TLSv1.2' }), {
      maxVersion: 'TLSv1.2',
      ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305',
    });
    await bench.until(() => near.trouble && far.error, 'the refusal');
    assert.equal(near.trouble?.kind, 'cipher');
    assert.match(String(far.error?.reason), /alert handshake failure/);
  });

  promise('a client without a group in common is refused', async bench => {
    const { near, far } = servingNode(bench, serverContext(server, { groups: 'P-256' }), {
      minVersion: 'TLSv1.3',
      ecdhCurve: 'P-384',
    });
    await bench.until(() => near.trouble && far.error, 'the refusal');
    assert.equal(near.trouble?.kind, 'cipher');
  });

  promise('a client whose first key share is of another group is asked for another', async bench => {
    const { near, far } = servingNode(bench, serverContext(server, { groups: 'P-256' }), {
      minVersion: 'TLSv1.3',
      ecdhCurve: 'X25519:P-256',
    });
    await bench.until(() => near.details && far.isSecure, 'the handshake');
  });

  promise('the first of the server’s ciphers that the client has is taken', async bench => {
    const ciphers = 'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256';
    const { near } = servingNode(bench, serverContext(serverRsa, { ciphers, mostVersion: 'TLSv1.2' }), {
      ciphers: 'ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384',
    });
    await bench.until(() => near.details, 'the handshake');
    assert.equal(near.details?.cipher, 'ECDHE-RSA-AES256-GCM-SHA384');
  });

  // ---- ALPN -----------------------------------------------------------------------------------------------------------

  const alpn = (more: Partial<TlsServerContext>): TlsServerContext =>
    serverContext(server, { protocols: ['h2', 'http/1.1'], ...more });

  promise('the first of the server’s protocols that the client offers is taken', async bench => {
    const { near, far } = servingNode(bench, alpn({}), { ALPNProtocols: ['http/1.1', 'x', 'h2'] });
    await bench.until(() => near.details && far.isSecure, 'the handshake');
    assert.equal(near.details?.protocol, 'h2');
    assert.equal(far.tls.alpnProtocol, 'h2');
  });

  promise('a client without a protocol in common is served without one', async bench => {
    const { near, far } = servingNode(bench, alpn({}), { ALPNProtocols: ['x'] });
    await bench.until(() => near.details && far.isSecure, 'the handshake');
    assert.equal(near.details?.protocol, '');
    assert.equal(far.tls.alpnProtocol, false);
  });

  promise('a client without a protocol in common is refused with an alert if the context requires one', async bench => {
    const { near, far } = servingNode(bench, alpn({ refuseOtherProtocols: true }), { ALPNProtocols: ['x'] });
    await bench.until(() => near.trouble && far.error, 'the refusal');
    assert.equal(near.trouble?.kind, 'alpn');
    assert.match(String(far.error?.reason), /no application protocol/);
  });

  promise('a client that offers no protocols is never refused for that', async bench => {
    const { near } = servingNode(bench, alpn({ refuseOtherProtocols: true }));
    await bench.until(() => near.details, 'the handshake');
    assert.equal(near.details?.protocol, '');
  });

  promise('a client offers its protocols and reports the one agreed on', async bench => {
    const context = clientContext(authority, { protocols: ['h2', 'http/1.1'] });
    const options = { cert: server.chain, key: server.key, ALPNProtocols: ['http/1.1'] };
    const { near } = askingNode(bench, context, options);
    await bench.until(() => near.details, 'the handshake');
    assert.equal(near.details?.protocol, 'http/1.1');
  });

  promise('a client whose protocols the server refuses reports it', async bench => {
    const context = clientContext(authority, { protocols: ['h2'] });
    const { near } = askingNode(bench, context, { cert: server.chain, key: server.key, ALPNProtocols: ['x'] });
    await bench.until(() => near.trouble, 'the refusal');
    assert.equal(near.trouble?.kind, 'alpn');
  });

  // ---- names and staples ----------------------------------------------------------------------------------------------

  promise('a client names the server, unless that is an address', async bench => {
    for (const [serverName, sni] of [
      ['server.test', 'server.test'],
      ['127.0.0.1', false],
    ] as const) {
      const { near, far } = askingNode(
        bench,
        clientContext(authority),
        { cert: server.chain, key: server.key },
        serverName,
      );
      await bench.until(() => near.details && far.isSecure, 'the handshake');
      assert.equal((far.tls as unknown as { servername: unknown }).servername, sni);
    }
  });

  for (const version of versions) {
    promise(`${version}: a client that asks for an OCSP response gets the one there is`, async bench => {
      const staple = authority.ocspResponse(server);
      const options = { requestOCSP: true, maxVersion: version, ca: authority.certificate };
      const { near, far } = servingNode(bench, serverContext(server, { staple }), options);
      await bench.until(() => near.details && far.isSecure, 'the handshake');
      assert.deepEqual(far.staple, staple);
      const other = servingNode(bench, serverContext(server, { staple }), { maxVersion: version });
      await bench.until(() => other.near.details && other.far.isSecure, 'the handshake of one that does not ask');
      const without = servingNode(bench, serverContext(server), options);
      await bench.until(() => without.near.details && without.far.isSecure, 'the handshake without one');
    });
  }

  // ---- contexts -------------------------------------------------------------------------------------------------------

  promise('a context that cannot be used is refused with the reason, and the one before stays', async bench => {
    const id = bench.define(serverContext(server));
    const bad: readonly Partial<TlsServerContext>[] = [
      { identity: { chain: 'no PEM', key: server.key } },
      { identity: { chain: server.chain, key: serverRsa.key } },
      { ciphers: 'NO-SUCH-CIPHER' },
      { groups: 'no-such-group' },
    ];
    for (const more of bad) {
      assert.throws(
        () => bench.engine.define(id, serverContext(server, more)),
        (error: Error) => error.message.length > 5,
      );
    }
    const { near } = servingNode(bench, id);
    await bench.until(() => near.details, 'the handshake');
  });

  promise('another context under the same id is for handshakes to come; streams that have begun go on', async bench => {
    const id = bench.define(serverContext(server, { protocols: ['a'] }));
    const first = servingNode(bench, id, { ALPNProtocols: ['a', 'b'] });
    const halfway = servingNode(bench, id, { ALPNProtocols: ['a', 'b'] });
    halfway.out.sizes = [100];
    await bench.until(() => first.near.details && halfway.near.stream, 'a handshake');
    bench.engine.define(id, serverContext(serverRsa, { protocols: ['b'] }));
    const second = servingNode(bench, id, { ALPNProtocols: ['a', 'b'] });
    await bench.until(() => second.near.details && halfway.near.details, 'the other handshakes');
    assert.equal(second.near.details?.protocol, 'b');
    assert.equal(halfway.near.details?.protocol, 'a');
    bench.engine.forget(id);
    first.near.read();
    first.far.write('hello');
    first.near.write('world');
    await bench.until(() => first.near.text === 'hello' && first.far.text === 'world', 'what is said');
  });
}
