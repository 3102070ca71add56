/** A peer that sends TLS messages without data for as long as it is let: it costs CPU, and nothing else would end it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BufferPool } from '../../../../src/io/native/base/buffer-pool.ts';
import { OpensslEngine } from '../../../../src/io/native/openssl/engine.ts';
import { NodeTlsEngine } from '../../../../src/io/portable/tls-engine.ts';
import { createAuthority } from '../../../support/certificates.ts';
import { CountedBuffers } from '../../tls/counted-buffers.ts';
import { serverContext } from '../../tls/fixtures.ts';
import { Bench, type CreateEngine, Lane } from '../../tls/rig.ts';
import { RawClient } from './raw-client.ts';
import { buffersOf } from './rig.ts';

const engines: readonly (readonly [string, CreateEngine])[] = [
  [
    'openssl',
    sink => {
      const pool = new BufferPool({ bytes: 16 * 1024, step: 16, limit: 512, debug: true });
      return { engine: new OpensslEngine(sink, pool), buffers: buffersOf(pool), outstanding: () => pool.inUse };
    },
  ],
  [
    'portable',
    sink => {
      const buffers = new CountedBuffers();
      return { engine: new NodeTlsEngine(sink, buffers), buffers, outstanding: () => buffers.outstanding };
    },
  ],
];

for (const [name, create] of engines) {
  /** A stream of the engine and a client of its own, whose handshake is done. */
  const connect = async (bench: Bench) => {
    const issued = createAuthority(bench.scope).issue({ names: ['server.test'] });
    const client = new RawClient();
    let isFreed = false;
    bench.atEnd(() => {
      isFreed = true;
      client.free();
    });
    const [out, back] = [new Lane(bench), new Lane(bench)];
    const near = bench.server(bench.define(serverContext(issued)), out);
    near.pumpIn = () => back.pump();
    back.to = near;
    out.to = {
      takes: true,
      deliver: bytes => {
        if (isFreed) return;
        client.receive(Buffer.from(bytes));
        if (!client.isSecure) back.send(client.shakeHands());
        else client.read();
      },
      deliverEnd: () => {},
    };
    near.read();
    back.send(client.shakeHands());
    await bench.until(() => near.details && client.isSecure, 'the handshake');
    return { near, back, client };
  };

  test(`${name}: key updates without data end the connection, and the failure gives the reason`, async t => {
    const bench = new Bench(t, create);
    const { near, back, client } = await connect(bench);
    const updates = Buffer.concat(Array.from({ length: 4000 }, () => client.updateKeysNow()));
    const start = performance.now();
    back.send(updates);
    await bench.until(() => near.trouble, 'the failure');
    assert.equal(near.trouble?.kind, 'flood');
    t.diagnostic(`${Math.round(performance.now() - start)} ms for ${updates.length} bytes`);
  });

  test(`${name}: key updates between data do no harm`, async t => {
    const bench = new Bench(t, create);
    const { near, back, client } = await connect(bench);
    for (let i = 1; i <= 200; i++) {
      back.send(client.updateKeysNow());
      back.send(client.write(Buffer.alloc(100)));
      await bench.until(() => near.receivedBytes === i * 100, 'the data');
    }
    assert.equal(near.trouble, undefined);
  });
}
