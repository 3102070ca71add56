/** How TLS connections begin and end when clients are slow, rude or no TLS clients: nothing is lost in silence, all ends in time. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { type DriverKind, driverKinds } from '../../src/io/drivers/choose-driver.ts';
import { createAuthority } from '../support/certificates.ts';
import { type ListeningPeer, listeningPeer } from '../support/peer.ts';
import { backend, clientHello, echoes, greets, securePeer } from '../support/tls-peers.ts';
import { identityOf, startTlsProxy, type TlsProxy } from '../support/tls-proxy.ts';
import { sClient } from '../support/tls-s-client.ts';
import { within } from '../support/waiting.ts';

interface Setting {
  readonly proxy: TlsProxy;
  /** Behind /svc/peer. */
  readonly peer: ListeningPeer;
  readonly believes: { readonly ca: string; readonly servername: string };
}

async function start(t: TestContext, driver: DriverKind): Promise<Setting> {
  const ca = createAuthority(t);
  const tls = { defaultIdentity: identityOf(ca.issue({ names: ['main.test'] })) };
  const peer = await listeningPeer(t);
  const greeting = await backend(t, net.createServer(greets('hello')));
  const echo = await backend(t, net.createServer(echoes));
  const proxy = await startTlsProxy(t, {
    driver,
    disco: { peer: [peer.port], hello: [greeting.port], hasty: [greeting.port], echo: [echo.port] },
    servers: {
      '/svc/peer': { tls },
      '/svc/hello': { tls },
      '/svc/echo': { tls },
      '/svc/hasty': { tls: { ...tls, handshakeTimeoutMs: 300 } },
    },
  });
  return { proxy, peer, believes: { ca: ca.certificate, servername: 'main.test' } };
}

const closed = (socket: net.Socket): Promise<void> => {
  const over = new Promise<void>(resolve =>
    socket.closed ? resolve() : socket.resume().once('close', () => resolve()),
  );
  return within(over, 'the proxy to close the connection');
};

for (const driver of driverKinds)
  test(`${driver}: TLS connections begin and end as they should`, async t => {
    const { proxy, peer, believes } = await start(t, driver);
    const failures = (reason: string): Promise<number> => proxy.metric('l5d:srv:tls:failure', { reason });
    const connect = (t: TestContext, more = {}) => securePeer(t, proxy.portOf('/svc/peer'), { ...believes, ...more });

    await t.test('a client that ends with close_notify ends cleanly', async t => {
      const record = await proxy.recordOf('/svc/peer', async () => {
        const client = await connect(t);
        const upstream = await peer.next();
        await client.peer.play('send 10k', 'shutdown');
        await upstream.play('expect 10k', 'expect end', 'send 10k', 'close');
        await client.peer.play('expect 10k', 'expect end');
      });
      assert.deepEqual([record.end, record.reason, record.rxBytes, record.txBytes], ['--', null, 10_240, 10_240]);
    });

    await t.test(
      'a FIN without close_notify is a truncation: RX with its reason, and the backend gets a reset',
      async t => {
        const record = await proxy.recordOf('/svc/peer', async () => {
          const client = await connect(t);
          const upstream = await peer.next();
          await upstream.play('send 1k');
          await client.peer.play('expect 1k', 'send 10k');
          await upstream.play('expect 10k');
          client.wire.cut();
          await upstream.play('expect reset');
        });
        assert.equal(record.end, 'RX');
        assert.match(record.reason ?? '', /unexpected eof while reading; the connection ended without close_notify/);
        assert.equal(await failures('truncated'), 1);
      },
    );

    for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
      await t.test(`half-close both ways, ${version}: who has finished still receives the whole answer`, async t => {
        const versions = { minVersion: version, maxVersion: version };
        const upload = await connect(t, versions);
        const first = await peer.next();
        await upload.peer.play('send 100k', 'shutdown');
        await first.play('expect 100k', 'expect end', 'send 1M', 'close');
        await upload.peer.play('expect 1M', 'expect end');
        const record = await proxy.recordOf('/svc/peer', async () => {
          const download = await connect(t, versions);
          const second = await peer.next();
          await second.play('send 100k', 'shutdown');
          await download.peer.play('expect 100k', 'expect end', 'send 1M', 'shutdown');
          await second.play('expect 1M', 'expect end');
        });
        assert.deepEqual([record.end, record.tls?.version], ['--', version]);
      });

    await t.test('a client that resets inside of a session is RC, and the backend sees a reset', async t => {
      const record = await proxy.recordOf('/svc/peer', async () => {
        const client = await connect(t);
        const upstream = await peer.next();
        await client.peer.play('send 1k');
        await upstream.play('expect 1k');
        client.wire.socket.resetAndDestroy();
        await upstream.play('expect reset');
      });
      assert.equal(record.end, 'RC');
    });

    await t.test('a backend that resets is RU, and the client sees no close_notify', async t => {
      const record = await proxy.recordOf('/svc/peer', async () => {
        const client = await connect(t);
        const upstream = await peer.next();
        await client.peer.play('send 1k');
        await upstream.play('expect 1k', 'reset');
        await client.peer.play('expect over');
        assert.notEqual(client.peer.inbound, 'end');
      });
      assert.equal(record.end, 'RU');
    });

    await t.test('renegotiation is refused', async t => {
      const { output } = await sClient(t, proxy.portOf('/svc/peer'), {
        name: 'main.test',
        args: ['-tls1_2'],
        typed: [['R', /RENEGOTIATING/]],
      });
      assert.match(output, /RENEGOTIATING/);
      assert.match(output, /no renegotiation|alert/i);
      await peer.next();
    });

    await t.test('keys are updated in the middle of a session', async t => {
      const record = await proxy.recordOf('/svc/echo', () =>
        sClient(t, proxy.portOf('/svc/echo'), {
          args: ['-tls1_3'],
          typed: [
            ['one', /^one$/m],
            ['K', /KEYUPDATE/],
            ['two', /^two$/m],
            ['k', /KEYUPDATE/],
            ['three', /^three$/m],
            ['Q', /DONE/],
          ],
        }),
      );
      assert.deepEqual([record.end, record.rxBytes], ['--', 14]);
    });

    await t.test('bytes that are not TLS get an alert, and HP', async t => {
      const before = await failures('not_tls');
      const record = await proxy.recordOf('/svc/hello', async () => {
        const socket = net.connect(proxy.portOf('/svc/hello'), '127.0.0.1');
        t.after(() => socket.destroy());
        socket.write('GET / HTTP/1.1\r\nhost: a.test\r\n\r\n');
        const answer = await within(buffer(socket), 'the proxy to close the connection');
        assert.equal(answer.toString('hex'), '1503030002020a');
      });
      assert.deepEqual([record.end, record.tls], ['HP', null]);
      assert.match(record.reason ?? '', /not a TLS handshake/);
      assert.equal(await failures('not_tls'), before + 1);
    });

    await t.test(
      'a handshake that is not done in time is HT: nothing said, half a hello, or a hello alone',
      async t => {
        const hello = await clientHello('main.test');
        const before = await failures('timeout');
        for (const bytes of [Buffer.alloc(0), hello.subarray(0, 40), hello]) {
          const record = await proxy.recordOf('/svc/hasty', async () => {
            const socket = net.connect(proxy.portOf('/svc/hasty'), '127.0.0.1');
            t.after(() => socket.destroy());
            socket.on('error', () => {});
            socket.write(bytes);
            await closed(socket);
          });
          assert.deepEqual([record.end, record.reason], ['HT', 'no TLS handshake within handshakeTimeoutMs']);
        }
        assert.equal(await failures('timeout'), before + 3);
      },
    );

    await t.test('a client that leaves in the handshake is HC', async t => {
      const hello = await clientHello('main.test');
      for (const bytes of [Buffer.alloc(0), hello.subarray(0, 40), hello]) {
        const record = await proxy.recordOf('/svc/hello', async () => {
          const socket = net.connect({ port: proxy.portOf('/svc/hello'), host: '127.0.0.1', allowHalfOpen: false });
          t.after(() => socket.destroy());
          await once(socket, 'connect');
          socket.end(bytes);
          await closed(socket);
        });
        assert.equal(record.end, 'HC');
      }
    });

    await t.test('a client whose bytes come one by one, or in pieces of any length, is served', async t => {
      const slow = await connect(t, { pieceOf: () => 1 });
      const first = await peer.next();
      await slow.peer.play('send 1k', 'shutdown');
      await first.play('expect 1k', 'expect end', 'send 10k', 'close');
      await slow.peer.play('expect 10k', 'expect end');

      let seed = 1;
      const pieceOf = (left: number): number => {
        seed = (seed * 48_271) % 0x7fff_ffff;
        return 1 + (seed % Math.min(left, 5_000));
      };
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const odd = await connect(t, { pieceOf, minVersion: version, maxVersion: version });
        const second = await peer.next();
        await odd.peer.play('send 300k', 'shutdown');
        await second.play('expect 300k', 'expect end', 'send 300k', 'close');
        await odd.peer.play('expect 300k', 'expect end');
      }
    });

    assert.equal(await proxy.metric('l5d:srv:stream:end', { cause: 'II' }), 0);
  });
