/** The engine on node:tls keeps the contract. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NodeTlsEngine } from '../../../src/io/portable/tls-engine.ts';
import { createAuthority } from '../../support/certificates.ts';
import { CountedBuffers } from '../tls/counted-buffers.ts';
import { engineContract } from '../tls/engine-contract.ts';
import { serverContext, servingNode } from '../tls/fixtures.ts';
import { Bench, type CreateEngine } from '../tls/rig.ts';

const create: CreateEngine = sink => {
  const buffers = new CountedBuffers();
  return { engine: new NodeTlsEngine(sink, buffers), buffers, outstanding: () => buffers.outstanding };
};

engineContract('portable', create, { judgesInHandshake: false, tellsGroup: false, renewsTickets: false });

test('portable: a stream that is not read takes little more than it holds', async t => {
  const bench = new Bench(t, create);
  const issued = createAuthority(t).issue({ names: ['server.test'] });
  const { near, far, back } = servingNode(bench, serverContext(issued));
  await bench.until(() => near.details && far.isSecure, 'the handshake');
  near.readsAhead = true;
  back.sizes = [16_384];
  for (let i = 0; i < 100; i++) far.write(new Uint8Array(16_000));
  await bench.quiet();
  assert.ok(!near.isTaking);
  assert.ok(back.carried < 200_000, `${back.carried} bytes came`);
  near.read();
  await bench.until(() => near.receivedBytes === 1_600_000, 'it all');
  assert.ok(near.isTaking);
});
