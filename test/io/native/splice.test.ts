/** Guarantees of the native drivers for `splice` beyond the contract: the bytes never come to user space, and none are lost. */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { type TestContext, test } from 'node:test';
import type { Handle } from '../../../src/io/handle.ts';
import { drivers } from '../../support/drivers.ts';
import { listeningPeer, type Peer } from '../../support/peer.ts';
import { Rig } from '../rig.ts';

const { ECONNRESET, EPIPE } = constants.errno;
const megabyte = 1024 * 1024;

interface Pair {
  readonly client: Peer;
  readonly server: Peer;
  /** The driver's sockets to the two. */
  readonly from: Handle;
  readonly to: Handle;
}

for (const { kind, createDriver } of drivers.filter(driver => driver.kind !== 'portable')) {
  const promise = (title: string, body: (rig: Rig, pair: Pair, t: TestContext) => Promise<void>): void => {
    test(`${kind}: ${title}`, async t => {
      const rig = new Rig(createDriver);
      try {
        const { socket: from, client } = await rig.accept(t);
        const { socket: to, server } = await rig.connected(await listeningPeer(t));
        rig.heard(from).sink = to;
        rig.heard(to).sink = from;
        await body(rig, { client, server, from, to }, t);
      } finally {
        await rig.finish();
      }
    });
  };
  /** Both directions read, and `from` is spliced: what was received before that came as data. */
  const spliced = async (rig: Rig, { client, server, from, to }: Pair): Promise<void> => {
    rig.driver.reading(from, true);
    rig.driver.reading(to, true);
    assert.ok(rig.driver.splice(from, to));
    for (let i = 0; rig.heard(from).moved === 0; i++) {
      assert.ok(i < 100, 'nothing is moved');
      await client.play('send 64k');
      await server.play('expect 64k');
    }
  };
  const through = (rig: Rig, { from }: Pair): number => rig.heard(from).received + rig.heard(from).moved;

  promise('moved bytes arrive complete and in order, then the end', async (rig, pair) => {
    const { client, server, from, to } = pair;
    rig.driver.reading(from, true);
    await client.play('send 1M');
    await server.play('expect 1M');
    assert.ok(rig.driver.splice(from, to));
    client.queue(16 * megabyte);
    client.shutdown();
    await server.play('expect 16M');
    await rig.event(from, 'ended');
    rig.driver.shutdown(to);
    await server.play('expect end');
    assert.equal(through(rig, pair), 17 * megabyte);
    assert.ok(rig.heard(from).moved > 12 * megabyte, `${rig.heard(from).moved} bytes moved`);
    assert.equal(rig.driver.pending(to), 0);
  });

  promise('the splice begins while writes wait, and both arrive in order', async (rig, pair) => {
    const { client, server, from, to } = pair;
    server.stall();
    rig.driver.reading(from, true);
    client.queue(24 * megabyte);
    await rig.until(() => rig.driver.pending(to) > 0, 'the reader to be behind');
    assert.ok(rig.driver.splice(from, to));
    server.resume();
    await server.play('expect 24M');
    assert.equal(through(rig, pair), 24 * megabyte);
    assert.ok(rig.heard(from).moved > 0);
  });

  promise('both directions of a pair can be spliced', async (rig, pair) => {
    const { client, server, from, to } = pair;
    await spliced(rig, pair);
    assert.ok(rig.driver.splice(to, from));
    const before = rig.heard(from).moved;
    client.queue(4 * megabyte);
    server.queue(4 * megabyte);
    await Promise.all([server.play('expect 4M'), client.play('expect 4M')]);
    assert.equal(rig.heard(from).moved, before + 4 * megabyte);
    assert.ok(rig.heard(to).moved > 0);
    assert.equal(rig.heard(to).moved + rig.heard(to).received, 4 * megabyte);
  });

  promise('a socket is spliced once, and a socket is spliced to once', async (rig, pair, t) => {
    const { from, to } = pair;
    const { socket: other } = await rig.accept(t);
    assert.ok(rig.driver.splice(from, to));
    assert.equal(rig.driver.splice(from, other), false);
    assert.equal(rig.driver.splice(other, to), false);
  });

  promise('a reader that stalls stops the sender, and gets the rest when it goes on', async (rig, pair) => {
    const { client, server, from, to } = pair;
    await spliced(rig, pair);
    const before = through(rig, pair);
    server.stall();
    client.queue(64 * megabyte);
    await rig.until(() => rig.driver.pending(to) > 0, 'the pipe to fill');
    await rig.settle();
    await rig.settle();
    const { moved } = rig.heard(from);
    assert.ok(moved < 32 * megabyte, `${moved} bytes moved`);
    assert.ok(rig.driver.pending(to) <= megabyte, `${rig.driver.pending(to)} bytes pending`);
    const drained = rig.heard(to).count('drained');
    server.resume();
    await server.play('expect 64M');
    assert.equal(through(rig, pair), before + 64 * megabyte);
    assert.ok(rig.heard(to).count('drained') > drained);
  });

  promise('reading off stops it, reading on goes on', async (rig, pair) => {
    const { client, server, from } = pair;
    await spliced(rig, pair);
    const { moved } = rig.heard(from);
    rig.driver.reading(from, false);
    client.queue(100 * 1024);
    await rig.settle();
    assert.equal(rig.heard(from).moved, moved);
    rig.driver.reading(from, true);
    await server.play('expect 100k');
    assert.equal(rig.heard(from).moved, moved + 100 * 1024);
  });

  promise('FIN waits for the bytes in the pipe', async (rig, pair) => {
    const { client, server, from, to } = pair;
    await spliced(rig, pair);
    server.stall();
    client.queue(16 * megabyte);
    client.shutdown();
    await rig.until(() => rig.driver.pending(to) > 0, 'the pipe to fill');
    server.resume();
    await rig.event(from, 'ended');
    rig.driver.shutdown(to);
    await server.play('expect 16M', 'expect end');
  });

  promise('when the sender is closed, bytes already moved still arrive', async (rig, pair) => {
    const { client, server, from, to } = pair;
    await spliced(rig, pair);
    server.stall();
    client.queue(64 * megabyte);
    await rig.until(() => rig.driver.pending(to) > 0, 'the pipe to fill');
    await rig.close(from);
    rig.driver.shutdown(to);
    server.resume();
    assert.equal(await server.over(), 'end');
    assert.equal(server.received, through(rig, pair));
    assert.equal(rig.driver.pending(to), 0);
  });

  promise('when the receiver is closed, later bytes come as data again', async (rig, pair) => {
    const { client, from, to } = pair;
    await spliced(rig, pair);
    const { moved, received } = rig.heard(from);
    rig.heard(from).sink = 'release';
    await rig.close(to);
    await client.play('send 200k', 'shutdown');
    await rig.event(from, 'ended');
    assert.equal(rig.heard(from).moved, moved);
    assert.equal(rig.heard(from).received, received + 200 * 1024);
  });

  promise('when the receiver is closed with bytes in the pipe, they go with it', async (rig, pair) => {
    const { client, server, from, to } = pair;
    await spliced(rig, pair);
    server.stall();
    client.queue(64 * megabyte);
    await rig.until(() => rig.driver.pending(to) > 0, 'the pipe to fill');
    rig.driver.reading(from, false);
    rig.driver.reset(to);
    await rig.event(to, 'closed');
    server.resume();
    assert.equal(await server.over(), 'reset');
    await rig.close(from);
  });

  promise('a reset of the sender is reported, and bytes moved before it arrive', async (rig, pair) => {
    const { client, server, from, to } = pair;
    await spliced(rig, pair);
    await client.abort();
    assert.equal((await rig.event(from, 'failed')).errno, ECONNRESET);
    await rig.close(from);
    rig.driver.shutdown(to);
    await server.play('expect end');
    assert.equal(server.received, through(rig, pair));
  });

  promise('a reset of the receiver is reported, in the middle of bytes', async (rig, pair) => {
    const { client, server, from, to } = pair;
    await spliced(rig, pair);
    server.stall();
    client.queue(64 * megabyte);
    await rig.until(() => rig.driver.pending(to) > 0, 'the pipe to fill');
    await server.abort();
    const { errno } = await rig.event(to, 'failed');
    assert.ok(errno === ECONNRESET || errno === EPIPE, `errno ${errno}`);
    rig.driver.reading(from, false);
    await rig.close(to);
    assert.equal(rig.heard(from).count('failed'), 0);
  });

  promise('little at a time comes as data again, in order, and can be spliced anew', async (rig, pair) => {
    const { client, server, from, to } = pair;
    await spliced(rig, pair);
    const { received } = rig.heard(from);
    for (let i = 0; rig.heard(from).received === received; i++) {
      assert.ok(i < 100, 'still spliced');
      await client.play('send 10');
      await server.play('expect 10');
    }
    const { moved } = rig.heard(from);
    assert.ok(rig.driver.splice(from, to));
    for (let i = 0; rig.heard(from).moved === moved; i++) {
      assert.ok(i < 100, 'nothing is moved');
      await client.play('send 1M');
      await server.play('expect 1M');
    }
  });

  promise('a pipe is used again by the next connection', async (rig, pair, t) => {
    await spliced(rig, pair);
    await rig.close(pair.from, pair.to);
    for (let i = 0; i < 300; i++) {
      const { socket: from, client } = await rig.accept(t);
      const { socket: to } = await rig.connected(await listeningPeer(t));
      assert.ok(rig.driver.splice(from, to), `connection ${i}`);
      await rig.close(from, to);
      await client.close();
    }
  });
}
