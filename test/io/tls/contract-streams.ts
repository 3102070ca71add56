/** Streams after the handshake: plaintext in order, close_notify, truncation, and ends of all kinds. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { TlsVersion } from '../../../src/io/tls/context.ts';
import type { ContractParts } from './engine-contract.ts';
import { askingNode, both, type Connection, clientContext, serverContext, servingNode } from './fixtures.ts';
import type { NodePeer } from './node-peer.ts';
import { Bench, type EngineEnd } from './rig.ts';

const versions: readonly TlsVersion[] = ['TLSv1.2', 'TLSv1.3'];

const pattern = (length: number, seed: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + seed) & 0xff));

export function streamContract({ promise, certificates, create }: ContractParts): void {
  const { authority, server } = certificates;

  const served = async (bench: Bench, version: TlsVersion = 'TLSv1.3'): Promise<Connection<EngineEnd, NodePeer>> => {
    const connection = servingNode(bench, serverContext(server), { maxVersion: version });
    await bench.until(() => connection.near.details && connection.far.isSecure, 'the handshake');
    return connection;
  };

  // ---- plaintext ------------------------------------------------------------------------------------------------------

  promise('plaintext of any sizes arrives both ways, however the ciphertext is cut', async (_, t) => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 40_000 })), {
      maxLength: 5,
    });
    const cuts = fc.array(fc.oneof(fc.integer({ min: 5, max: 60 }), fc.integer({ min: 1000, max: 20_000 })), {
      minLength: 0,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...versions),
        fc.boolean(),
        fc.boolean(),
        ...([sizes, sizes, cuts, cuts] as const),
        async (version, isServer, isWithNode, up, down, outCuts, backCuts) => {
          const bench = new Bench(t, create);
          const client = clientContext(authority, { mostVersion: version });
          const connection = !isWithNode
            ? both(bench, client, bench, serverContext(server))
            : isServer
              ? servingNode(bench, serverContext(server), { maxVersion: version })
              : askingNode(bench, client, { cert: server.chain, key: server.key });
          const { near, far, out, back } = connection;
          out.sizes = outCuts;
          back.sizes = backCuts;
          near.read();
          if ('read' in far) far.read();
          await bench.until(() => near.details && ('details' in far ? far.details : far.isSecure), 'the handshake');
          const [sent, answered] = [up, down].map((each, i) => each.map((size, at) => pattern(size, at + i * 100)));
          for (const bytes of sent) near.write(bytes);
          for (const bytes of answered) far.write(bytes);
          const [toFar, toNear] = [Buffer.concat(sent), Buffer.concat(answered)];
          await bench.until(() => near.receivedBytes >= toNear.length && far.receivedBytes >= toFar.length, 'it all');
          assert.ok(near.received.equals(toNear));
          assert.ok(far.received.equals(toFar));
          near.destroy();
          if ('destroy' in far) far.destroy();
          await bench.quiet();
          assert.equal(bench.outstanding(), 0);
        },
      ),
      { numRuns: 25 },
    );
  });

  promise('a handshake goes well when every byte comes alone', async bench => {
    const connection = both(bench, clientContext(authority), bench, serverContext(server));
    connection.out.sizes = [1];
    connection.back.sizes = [1];
    await bench.until(() => connection.near.details && connection.far.details, 'the handshake');
  });

  promise('plaintext that comes with the end of the handshake is delivered after it', async bench => {
    const { near, far } = askingNode(bench, clientContext(authority), { cert: server.chain, key: server.key });
    near.read();
    await bench.until(() => far.isSecure, 'the handshake');
    far.write('at once');
    await bench.until(() => near.text === 'at once', 'what is said');
    assert.ok(near.told.indexOf('secured') < near.told.indexOf('plaintext'));
  });

  promise('nothing is delivered while reading is off, and everything when it is on again', async bench => {
    const { near, far } = await served(bench);
    near.readsAhead = true;
    far.write('one');
    far.write('two');
    await bench.quiet();
    assert.equal(near.receivedBytes, 0);
    near.read();
    await bench.until(() => near.text === 'onetwo', 'what was held');
    near.read(false);
    far.write('three');
    await bench.quiet();
    assert.equal(near.text, 'onetwo');
    near.read();
    await bench.until(() => near.text === 'onetwothree', 'what was held');
  });

  promise('reading that is turned off from within an event stops there', async bench => {
    const { near, far } = await served(bench);
    near.readsAhead = true;
    near.onTold = event => event === 'plaintext' && near.read(false);
    far.write(pattern(50_000, 1));
    await bench.quiet();
    assert.equal(near.receivedBytes, 0);
    for (let rounds = 0; near.receivedBytes < 50_000; rounds++) {
      assert.ok(rounds < 100);
      const before = near.receivedBytes;
      near.read();
      await bench.until(() => near.receivedBytes > before, 'more');
      await bench.quiet();
    }
    assert.ok(near.received.equals(pattern(50_000, 1)));
  });

  promise('a stream that is not read keeps all that comes, or takes no more until it is read', async bench => {
    const { near, far } = await served(bench);
    near.readsAhead = true;
    for (let i = 0; i < 100; i++) far.write(pattern(16_000, i));
    await bench.quiet();
    assert.equal(near.receivedBytes, 0);
    near.read();
    await bench.until(() => near.receivedBytes === 1_600_000, 'it all');
    await bench.quiet();
    assert.ok(near.isTaking);
    assert.ok(near.received.equals(Buffer.concat(Array.from({ length: 100 }, (_, i) => pattern(16_000, i)))));
  });

  promise('written bytes are pending until they are ciphertext, and that is reported', async bench => {
    const { near, far } = await served(bench);
    near.write(pattern(100_000, 3));
    const waited = near.live.pending > 0;
    await bench.until(() => far.receivedBytes === 100_000, 'it all');
    await bench.quiet();
    assert.equal(near.live.pending, 0);
    assert.equal(near.told.includes('encrypted'), waited);
  });

  // ---- ends -----------------------------------------------------------------------------------------------------------

  for (const version of versions) {
    promise(`${version}: close_notify is delivered once, after everything that came before it`, async bench => {
      const { near, far } = await served(bench, version);
      near.read();
      far.write(pattern(70_000, 2));
      far.tls.end();
      await bench.until(() => near.isFinished, 'the end');
      assert.equal(near.receivedBytes, 70_000);
      await bench.quiet();
      assert.equal(near.told.filter(event => event === 'finished').length, 1);
      assert.equal(near.trouble, undefined);
    });
  }

  promise('close_notify that comes while reading is off is delivered when it is on', async bench => {
    const { near, far, out, back } = await served(bench);
    near.readsAhead = true;
    far.write('last words');
    far.tls.end();
    await bench.quiet();
    assert.ok(!near.isFinished);
    back.finish();
    await bench.quiet();
    assert.ok(!near.isFinished && !near.trouble);
    near.read();
    await bench.until(() => near.isFinished, 'the end');
    assert.equal(near.text, 'last words');
    out.isHeld = false;
  });

  for (const version of versions) {
    promise(`${version}: all bytes of a client that sends them with its end are delivered`, async bench => {
      const { near, far, back } = servingNode(bench, serverContext(server), { maxVersion: version });
      near.read();
      far.onSecure = () => {
        far.tls.end('all at once');
        far.tls.once('finish', () => back.finish());
        back.isHeld = true;
        setImmediate(() => setImmediate(() => back.release()));
      };
      await bench.until(() => near.isFinished, 'the end');
      assert.equal(near.text, 'all at once');
      near.shutdown();
      await bench.until(() => far.isEnded, 'the other end');
      await bench.quiet();
      assert.equal(near.trouble, undefined);
    });
  }

  promise('FIN after close_notify is nothing new', async bench => {
    const { near, far, back } = await served(bench);
    near.read();
    far.tls.end('bye');
    await bench.until(() => near.isFinished, 'the end');
    back.finish();
    await bench.quiet();
    assert.equal(near.trouble, undefined);
    assert.equal(near.told.filter(event => event === 'finished').length, 1);
  });

  promise('a stream that was finished can still be written to', async bench => {
    const { near, far } = both(bench, clientContext(authority), bench, serverContext(server));
    near.read();
    far.read();
    await bench.until(() => near.details && far.details, 'the handshake');
    near.shutdown();
    await bench.until(() => far.isFinished, 'the first end');
    far.write(pattern(30_000, 4));
    await bench.until(() => near.receivedBytes === 30_000, 'the answer');
    far.shutdown();
    await bench.until(() => near.isFinished, 'the second end');
    await bench.quiet();
    assert.equal(near.trouble, undefined);
    assert.equal(far.trouble, undefined);
    assert.equal(near.live.pending, 0);
    assert.equal(far.live.pending, 0);
  });

  promise('a stream that has ended goes on reading', async bench => {
    const { near, far } = await served(bench);
    near.read();
    near.write('that is all');
    near.end();
    await bench.until(() => far.isEnded, 'close_notify');
    assert.equal(far.text, 'that is all');
    await bench.quiet();
    assert.equal(near.live.pending, 0);
    assert.equal(near.trouble, undefined);
  });

  promise('FIN without close_notify is truncation, reported after all bytes received', async bench => {
    for (const isReading of [true, false]) {
      const { near, far, back } = await served(bench);
      near.readsAhead = true;
      near.read(isReading);
      far.write(pattern(10_000, 5));
      await bench.quiet();
      back.finish();
      if (!isReading) {
        await bench.quiet();
        near.read();
      }
      await bench.until(() => near.trouble, 'the truncation');
      assert.equal(near.trouble?.kind, 'truncated');
      assert.equal(near.receivedBytes, 10_000);
      assert.ok(!near.isFinished);
    }
  });

  promise('FIN in the middle of a record is truncation', async bench => {
    const { near, far, back } = await served(bench);
    near.read();
    back.sizes = [10, 1_000_000];
    back.tap = bytes => bytes.subarray(0, 20);
    far.write('never whole');
    await bench.until(() => back.carried > 0, 'some bytes');
    back.finish();
    await bench.until(() => near.trouble, 'the truncation');
    assert.equal(near.trouble?.kind, 'truncated');
    assert.equal(near.receivedBytes, 0);
  });

  promise('a client that leaves during the handshake has left', async bench => {
    const { near, out, back } = servingNode(bench, serverContext(server));
    out.isHeld = true;
    await bench.until(() => near.stream, 'the ClientHello');
    back.finish();
    await bench.until(() => near.trouble, 'the trouble');
    assert.equal(near.trouble?.kind, 'left');
  });

  promise('a server that leaves during the handshake has left', async bench => {
    const { near, out, back } = askingNode(bench, clientContext(authority), { cert: server.chain, key: server.key });
    out.isHeld = true;
    back.finish();
    await bench.until(() => near.trouble, 'the trouble');
    assert.equal(near.trouble?.kind, 'left');
  });

  // ---- forbidden input ------------------------------------------------------------------------------------------------

  promise('a server that does not speak TLS is reported as such', async bench => {
    const { near, back } = askingNode(bench, clientContext(authority), { cert: server.chain, key: server.key });
    back.tap = () => new Uint8Array(0);
    back.send(new Uint8Array(0));
    back.tap = () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n');
    back.send(Buffer.from('x'));
    await bench.until(() => near.trouble, 'the trouble');
    assert.equal(near.trouble?.kind, 'not_tls');
  });

  for (const version of versions) {
    promise(
      `${version}: a record that was changed on its way is a failure, and the peer receives an alert`,
      async bench => {
        const { near, far, back } = await served(bench, version);
        near.read();
        await bench.quiet();
        back.tap = bytes => {
          bytes[bytes.length - 1] ^= 1;
          return bytes;
        };
        far.write('not as it was');
        await bench.until(() => near.trouble && far.error, 'the trouble');
        assert.equal(near.receivedBytes, 0);
        assert.match(String(far.error?.reason), /bad record mac/);
      },
    );
  }

  promise('garbage instead of a record is a failure', async bench => {
    const { near, far, back } = await served(bench);
    near.read();
    await bench.quiet();
    back.tap = bytes => pattern(bytes.length, 9);
    far.write('garbage');
    await bench.until(() => near.trouble, 'the trouble');
    assert.equal(near.receivedBytes, 0);
  });

  promise('if any byte after the handshake is changed, only the bytes before it are delivered', async (_, t) => {
    const sent = pattern(3_000, 6);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...versions),
        fc.nat(3_000),
        fc.integer({ min: 1, max: 255 }),
        async (version, place, change) => {
          const bench = new Bench(t, create);
          const { near, far, back } = await served(bench, version);
          near.read();
          await bench.quiet();
          let at = 0;
          back.tap = bytes => {
            if (place >= at && place < at + bytes.length) bytes[place - at] ^= change;
            at += bytes.length;
            return bytes;
          };
          for (let i = 0; i < 3; i++) far.write(sent.subarray(i * 1_000, i * 1_000 + 1_000));
          await bench.quiet();
          back.finish();
          await bench.until(() => near.trouble, 'the trouble');
          assert.ok(near.receivedBytes < sent.length);
          assert.ok(near.received.equals(sent.subarray(0, near.receivedBytes)));
          near.destroy();
          assert.equal(bench.outstanding(), 0);
        },
      ),
      { numRuns: 25 },
    );
  });

  promise('if any byte of the handshake is changed, it fails: never silence, never plaintext', async (_, t) => {
    await fc.assert(
      fc.asyncProperty(fc.nat(3000), fc.integer({ min: 1, max: 255 }), fc.boolean(), async (place, change, isOut) => {
        const bench = new Bench(t, create);
        const { near, far, out, back } = both(bench, clientContext(authority), bench, serverContext(server));
        let at = 0;
        (isOut ? out : back).tap = bytes => {
          if (place >= at && place < at + bytes.length && at + bytes.length < 5000) bytes[place - at] ^= change;
          at += bytes.length;
          return bytes;
        };
        // A ClientHello that cannot be read never gets to an engine.
        const isHello = isOut && place < 600;
        if (isHello) return near.destroy();
        near.read();
        far.read();
        await bench.quiet();
        const isWell = near.details && far.details && !near.trouble && !far.trouble;
        if (isWell) near.write('still well');
        await bench.quiet();
        assert.ok(far.text === '' || (isWell && far.text === 'still well'));
        // A length that was changed has them wait for more.
        out.finish();
        back.finish();
        await bench.until(() => near.trouble && far.trouble, 'the trouble');
        near.destroy();
        far.destroy();
        assert.equal(bench.outstanding(), 0);
      }),
      { numRuns: 40 },
    );
  });

  promise('a TLS 1.2 client that wants to renegotiate is refused, and its connection ends', async bench => {
    const { near, far } = await served(bench, 'TLSv1.2');
    near.read();
    far.tls.renegotiate({}, error => {
      far.error ??= error ?? undefined;
      bench.changed();
    });
    await bench.until(() => near.trouble, 'the refusal');
    assert.equal(near.trouble?.kind, 'renegotiation');
    await bench.until(() => far.error, 'the alert that says why');
    assert.equal(near.told.filter(event => event === 'secured').length, 1);
  });

  // ---- destroyed ------------------------------------------------------------------------------------------------------

  for (const event of ['ciphertext', 'secured', 'plaintext', 'finished', 'troubled']) {
    for (const isServer of [true, false]) {
      const role = isServer ? 'server' : 'client';
      promise(`a ${role} destroyed from within ${event} frees all and reports nothing more`, async bench => {
        const { near, far, back } = isServer
          ? servingNode(bench, serverContext(server))
          : askingNode(bench, clientContext(authority), { cert: server.chain, key: server.key });
        let count = 0;
        // A client's first flight is sent before a listener can be attached.
        near.onTold = told => {
          if (told === event && ++count === 1) near.destroy();
        };
        near.read();
        await bench.until(() => near.isDestroyed || (near.details && far.isSecure), 'the handshake');
        if (!near.isDestroyed) {
          near.write(pattern(40_000, 1));
          far.write(pattern(40_000, 2));
          await bench.until(() => near.isDestroyed || near.receivedBytes === 40_000, 'the bytes');
          if (event === 'troubled') back.finish();
          else far.tls.end();
        }
        await bench.until(() => near.isDestroyed, 'the event');
        await bench.quiet();
        assert.equal(bench.outstanding(), 0);
      });
    }
  }

  promise(
    'a stream that is destroyed with much to encrypt, or from within the event that it is done, releases all buffers',
    async bench => {
      const { near } = await served(bench);
      near.onTold = event => event === 'encrypted' && near.destroy();
      near.write(pattern(200_000, 1));
      await bench.quiet();
      const other = await served(bench);
      other.near.write(pattern(200_000, 1));
      other.near.end();
      other.near.destroy();
      near.destroy();
      assert.equal(bench.outstanding(), 0);
      await bench.quiet();
    },
  );

  promise('a stream can be destroyed at any time', async (_, t) => {
    await fc.assert(
      fc.asyncProperty(fc.nat(25), fc.boolean(), async (turns, isNear) => {
        const bench = new Bench(t, create);
        const { near, far } = both(bench, clientContext(authority), bench, serverContext(server));
        near.read();
        far.read();
        near.onTold = event => event === 'secured' && near.write(pattern(60_000, 1));
        far.onTold = event => event === 'secured' && far.write(pattern(60_000, 2));
        for (let i = 0; i < turns; i++) await new Promise(resolve => setImmediate(resolve));
        (isNear ? near : far).destroy();
        await bench.quiet();
        (isNear ? far : near).destroy();
        assert.equal(bench.outstanding(), 0);
      }),
      { numRuns: 30 },
    );
  });
}
