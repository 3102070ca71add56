/** Who is slow, or waits, keeps no buffers from those who go on: with a pool of a few buffers everybody is served. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EpollDriver } from '../../../src/io/native/epoll/driver.ts';
import { UringDriver } from '../../../src/io/native/uring/driver.ts';
import { listeningPeer } from '../../support/peer.ts';
import { pumped } from '../../support/pumped.ts';
import { bound, connectTo, startRelay } from '../../support/relay.ts';
import { until } from '../../support/waiting.ts';

/** Far fewer than the sessions of these tests hold. */
const buffers = 48;
const slowOnes = 100;

for (const Native of [EpollDriver, UringDriver]) {
  const createDriver = pumped(Native, { buffers });

  test(`${Native.name}: readers that stall do not starve the others, and get everything when they go on`, async t => {
    const upstream = await listeningPeer(t);
    const relay = await startRelay(t, { createDriver, upstreams: [upstream.port] });
    const stalled = await Promise.all(Array.from({ length: slowOnes }, () => connectTo(t, relay)));
    for (const client of stalled) {
      client.stall();
      (await upstream.next()).queue(8 * 1024 * 1024);
    }
    const quick = await connectTo(t, relay);
    const server = await upstream.next();
    for (let i = 0; i < 20; i++) {
      await quick.play('send 50k');
      await server.play('expect 50k', 'send 50k');
      await quick.play('expect 50k');
    }
    for (const client of stalled.slice(0, 10)) await client.play('resume', 'expect 8M');
  });

  test(`${Native.name}: clients that speak while their name is unknown do not starve the others`, async t => {
    const upstream = await listeningPeer(t);
    const relay = await startRelay(t, { createDriver });
    const waiting = await Promise.all(Array.from({ length: slowOnes }, () => connectTo(t, relay)));
    for (const client of waiting) client.queue(100);
    await until(() => relay.metric('l5d:srv:stream:rx_bytes') === slowOnes * 100, 'all of them to be heard');
    relay.publish(bound([upstream.port]));
    for (const _ of waiting) await (await upstream.next()).play('expect 100', 'send 1');
    for (const client of waiting) await client.play('expect 1');
    assert.equal(relay.waiters, 0);
  });
}
