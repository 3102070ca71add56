/** Slow and waiting sockets do not keep buffers from active ones: with a pool of a few buffers every session is served. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EpollDriver } from '../../../src/io/native/epoll/driver.ts';
import { UringDriver } from '../../../src/io/native/uring/driver.ts';
import { connectPeer, listeningPeer } from '../../support/peer.ts';
import { pumped } from '../../support/pumped.ts';
import { bound, connectTo, startRelay } from '../../support/relay.ts';
import { until } from '../../support/waiting.ts';
import { Rig } from '../rig.ts';

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

const megabyte = 1024 * 1024;

for (const Native of [EpollDriver, UringDriver]) {
  test(`${Native.name}: sockets read in bulk keep their pace while many others burst`, async t => {
    const rig = new Rig(pumped(Native));
    try {
      const { listener, port } = await rig.listening();
      const heard = rig.heard(listener);
      heard.onAccepted = socket => rig.driver.reading(socket, true);
      const bulky = await Promise.all(Array.from({ length: 10 }, () => connectPeer(t, port)));
      await rig.until(() => heard.accepted.length === bulky.length, 'bulky ones to be accepted');
      for (const socket of heard.accepted) rig.driver.bulkRead(socket);
      const bursting = await Promise.all(Array.from({ length: 40 }, () => connectPeer(t, port)));
      const all = bulky.length + bursting.length;
      await rig.until(() => heard.accepted.length === all, 'all to be accepted');
      for (let round = 0; round < 5; round++) {
        for (const client of bulky) client.queue(megabyte);
        for (const client of bursting) client.queue(100 * 1024);
        const total = (round + 1) * (bulky.length * megabyte + bursting.length * 100 * 1024);
        const received = (): number => heard.accepted.reduce((sum, socket) => sum + rig.heard(socket).received, 0);
        await rig.until(() => received() === total, `all of round ${round}`);
      }
      assert.equal(rig.driver.ledger().buffers, 0);
    } finally {
      await rig.finish();
    }
  });
}
