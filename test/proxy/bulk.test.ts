/** Sessions that prove to be bulk: whatever way their bytes take, they are whole, counted, and every end has its cause. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import type { DriverEvents } from '../../src/io/driver.ts';
import { defaultBulkProof, runAfter } from '../../src/proxy/bulk.ts';
import { drivers, type TestedDriver } from '../support/drivers.ts';
import { listeningPeer, type Peer } from '../support/peer.ts';
import { connectTo, type Relay, type RelayOptions, startRelay } from '../support/relay.ts';
import { until } from '../support/waiting.ts';

const megabyte = 1024 * 1024;

interface Setting {
  readonly relay: Relay;
  readonly client: Peer;
  readonly server: Peer;
  /** How many splices the driver has agreed to. */
  readonly splices: () => number;
}

async function startBulk(
  t: TestContext,
  { createDriver }: TestedDriver,
  listener: RelayOptions['listener'] = {},
): Promise<Setting> {
  const upstream = await listeningPeer(t);
  let splices = 0;
  const counting = (events: DriverEvents) => {
    const driver = createDriver(events);
    const { splice } = driver;
    driver.splice = (from, to) => {
      const isSpliced = splice.call(driver, from, to);
      if (isSpliced) splices++;
      return isSpliced;
    };
    return driver;
  };
  const relay = await startRelay(t, { createDriver: counting, upstreams: [upstream.port], listener });
  const client = await connectTo(t, relay);
  return { relay, client, server: await upstream.next(), splices: () => splices };
}

for (const driver of drivers) {
  const { kind } = driver;
  const expected = (directions: number): number => (kind === 'portable' ? 0 : directions);

  test(`${kind}: much in both directions arrives whole, is counted to the byte, and ends clean`, async t => {
    const { relay, client, server, splices } = await startBulk(t, driver);
    client.queue(24 * megabyte);
    server.queue(24 * megabyte);
    await Promise.all([server.play('expect 24M'), client.play('expect 24M')]);
    assert.equal(splices(), expected(2));
    await client.play('send 10', 'shutdown');
    await server.play('expect 10', 'expect end', 'send 20', 'shutdown');
    await client.play('expect 20', 'expect end');
    const { end, rx, tx } = await relay.record();
    assert.deepEqual({ end, rx, tx }, { end: '--', rx: 24 * megabyte + 10, tx: 24 * megabyte + 20 });
    assert.equal(relay.metric('l5d:srv:stream:rx_bytes'), rx);
    assert.equal(relay.metric('l5d:srv:stream:tx_bytes'), tx);
    assert.equal(relay.metric('l5d:balancer:endpoint:rx_bytes'), rx);
    assert.equal(relay.metric('l5d:balancer:endpoint:tx_bytes'), tx);
  });

  test(`${kind}: bulk that stalls is cut when it has been idle for too long`, async t => {
    const { relay, client, server, splices } = await startBulk(t, driver, { idleTimeoutMs: 1_000 });
    client.stall();
    server.queue(64 * megabyte);
    const { end, tx } = await relay.record();
    assert.equal(end, 'RT');
    assert.ok(tx > 0 && tx < 64 * megabyte);
    assert.equal(splices(), expected(1));
  });

  test(`${kind}: bulk that flows is never idle`, async t => {
    const idleTimeoutMs = 1_000;
    const { relay, client, server } = await startBulk(t, driver, { idleTimeoutMs });
    const start = performance.now();
    for (let rounds = 0; rounds < 4 || performance.now() - start < 1.5 * idleTimeoutMs; rounds++) {
      server.queue(4 * megabyte);
      await client.play('expect 4M');
      await delay(idleTimeoutMs / 20);
    }
    assert.equal(relay.records.length, 0);
  });

  test(`${kind}: an upstream that resets in the middle of bulk ends it with its cause, after what came before`, async t => {
    const { relay, client, server } = await startBulk(t, driver);
    server.queue(64 * megabyte);
    await until(() => client.received > 8 * megabyte, 'bulk');
    await server.abort();
    assert.equal(await client.over(), 'reset');
    const { end, tx } = await relay.record();
    assert.equal(end, 'RU');
    assert.ok(client.received <= tx);
  });

  test(`${kind}: a client that resets in the middle of bulk ends it with its cause`, async t => {
    const { relay, client, server } = await startBulk(t, driver);
    client.queue(64 * megabyte);
    await until(() => server.received > 8 * megabyte, 'bulk');
    await client.abort();
    assert.equal(await server.over(), 'reset');
    assert.equal((await relay.record()).end, 'RC');
  });

  test(`${kind}: small messages after bulk still go through at once`, async t => {
    const { client, server } = await startBulk(t, driver);
    server.queue(8 * megabyte);
    await client.play('expect 8M');
    for (let i = 0; i < 100; i++) {
      await server.play('send 100');
      await client.play('expect 100', 'send 10');
      await server.play('expect 10');
    }
  });
}

test('only large chunks in a row prove bulk, and a proof comes again while they continue', () => {
  const { chunkBytes, chunks } = defaultBulkProof;
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 600 }), large => {
      let run = 0;
      let inRow = 0;
      for (const isLarge of large) {
        run = runAfter(run, isLarge ? chunkBytes : chunkBytes - 1, defaultBulkProof);
        inRow = isLarge ? inRow + 1 : 0;
        assert.ok(run <= 255);
        if (inRow <= 255) assert.equal(run === chunks, inRow === chunks);
      }
    }),
  );
  let run = 0;
  let proofs = 0;
  for (let i = 0; i < 1000; i++) {
    run = runAfter(run, chunkBytes, defaultBulkProof);
    if (run === chunks) proofs++;
  }
  assert.equal(proofs, 4);
});
