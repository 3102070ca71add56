/** The contract of every driver, tested on real sockets. One file per driver calls this. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { constants } from 'node:os';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Handle } from '../../src/io/handle.ts';
import { slotOf } from '../../src/io/handle.ts';
import type { CreateDriver } from '../support/checked-driver.ts';
import { firstMismatch } from '../support/payload.ts';
import { connectPeer, listeningPeer, type Peer } from '../support/peer.ts';
import { freePort, refusingPort } from '../support/ports.ts';
import { Rig } from './rig.ts';

const { ECONNREFUSED, ENETUNREACH, EADDRINUSE, ECONNRESET, EPIPE } = constants.errno;
const megabyte = 1024 * 1024;
const clientSeed = 1;

export function driverContract(name: string, createDriver: CreateDriver): void {
  const promise = (title: string, body: (rig: Rig, t: TestContext) => Promise<void>): void => {
    test(`${name}: ${title}`, async t => {
      const rig = new Rig(createDriver);
      try {
        await body(rig, t);
      } finally {
        await rig.finish();
      }
    });
  };

  // ---- listening ------------------------------------------------------------------------------------------------------

  promise('port 0 listens on a real port, and reports it', async (rig, t) => {
    const { port, ip } = await rig.listening();
    assert.ok(port > 0);
    assert.equal(ip, '127.0.0.1');
    await connectPeer(t, port);
  });

  promise('a port in use fails the listener, which then only has to be closed', async rig => {
    const { port } = await rig.listening();
    const second = rig.listen({ port });
    assert.equal((await rig.event(second, 'failed')).errno, EADDRINUSE);
    await rig.close(second);
    assert.deepEqual(rig.heard(second).events, ['failed', 'closed']);
  });

  promise('two listeners share a port when both ask for it', async rig => {
    const { port } = await rig.listening({ reusePort: true });
    assert.equal((await rig.listening({ port, reusePort: true })).port, port);
  });

  promise('a listener closed at once never listens', async rig => {
    const port = await freePort();
    const listener = rig.listen({ port });
    await rig.close(listener);
    assert.deepEqual(rig.heard(listener).events, ['closed']);
    await rig.settle();
    await rig.listening({ port });
  });

  promise('a closed listener frees its port at once, and its connections live on', async (rig, t) => {
    const { listener, port } = await rig.listening();
    const client = await connectPeer(t, port);
    const [socket] = (await rig.event(listener, 'accepted')).accepted;
    await rig.close(listener);
    await rig.listening({ port });
    rig.heard(socket).sink = socket;
    rig.driver.reading(socket, true);
    await client.play('send 10', 'shutdown');
    await rig.event(socket, 'ended');
    assert.equal(rig.heard(socket).received, 10);
  });

  promise('IPv6 works like IPv4, addresses in brackets', async (rig, t) => {
    const { socket, client } = await rig.accept(t, { ip: '::1' });
    assert.equal(rig.driver.peer(socket), `[::1]:${client.socket.localPort}`);
    rig.driver.reading(socket, true);
    await client.play('send 10k', 'shutdown');
    await rig.event(socket, 'ended');
    assert.equal(rig.heard(socket).received, 10 * 1024);
  });

  promise('the peer of a socket is still named after it has reset the connection', async (rig, t) => {
    const { socket, client } = await rig.accept(t);
    const name = `127.0.0.1:${client.socket.localPort}`;
    assert.equal(rig.driver.peer(socket), name);
    rig.driver.reading(socket, true);
    await client.play('reset');
    await rig.event(socket, 'failed');
    assert.equal(rig.driver.peer(socket), name);
  });

  promise('an IPv4 client of an IPv6 listener is named with its IPv4 address', async (rig, t) => {
    const { listener, port } = await rig.listening({ ip: '::' });
    const client = await connectPeer(t, port);
    const [socket] = (await rig.event(listener, 'accepted')).accepted;
    assert.equal(rig.driver.peer(socket), `[::ffff:127.0.0.1]:${client.socket.localPort}`);
  });

  promise('the peer of a socket is named by address and port', async (rig, t) => {
    const { socket, client } = await rig.accept(t);
    assert.equal(rig.driver.peer(socket), `127.0.0.1:${client.socket.localPort}`);
    const upstream = await listeningPeer(t);
    const { socket: outgoing } = await rig.connected(upstream);
    assert.equal(rig.driver.peer(outgoing), upstream.address);
  });

  // ---- accepting ------------------------------------------------------------------------------------------------------

  promise('connections wait while accepting is off, and are then served in order', async (rig, t) => {
    const { listener, port } = await rig.listening();
    rig.driver.accepting(listener, false);
    await rig.settle();
    const names: string[] = [];
    for (let i = 0; i < 5; i++) {
      const client = await connectPeer(t, port);
      client.queue(i + 1);
      names.push(`127.0.0.1:${client.socket.localPort}`);
    }
    await rig.settle();
    assert.equal(rig.heard(listener).accepted.length, 0);
    rig.driver.accepting(listener, true);
    const late = await connectPeer(t, port);
    names.push(`127.0.0.1:${late.socket.localPort}`);
    await rig.until(() => rig.heard(listener).accepted.length === 6, 'all to be accepted');
    const { accepted } = rig.heard(listener);
    assert.deepEqual(accepted.map(rig.driver.peer, rig.driver), names);
    for (const [i, socket] of accepted.slice(0, 5).entries()) {
      rig.driver.reading(socket, true);
      await rig.until(() => rig.heard(socket).received === i + 1, 'what was sent while waiting');
    }
  });

  promise('a gate shut in each accepted lets everyone through, one after the other', async (rig, t) => {
    const { listener, port } = await rig.listening();
    const heard = rig.heard(listener);
    heard.onAccepted = () => rig.driver.accepting(listener, false);
    for (let i = 0; i < 10; i++) await connectPeer(t, port);
    for (let i = 1; i <= 10; i++) {
      await rig.until(() => heard.accepted.length >= i, `connection ${i}`);
      rig.driver.accepting(listener, true);
    }
    assert.equal(new Set(heard.accepted).size, 10);
  });

  promise('a connection reset while it waits harms no other', async (rig, t) => {
    const { listener, port } = await rig.listening();
    rig.driver.accepting(listener, false);
    await rig.settle();
    const hasty = await connectPeer(t, port);
    const patient = await connectPeer(t, port);
    await hasty.play('reset');
    await patient.play('send 3');
    rig.driver.accepting(listener, true);
    const heard = rig.heard(listener);
    heard.onAccepted = socket => rig.driver.reading(socket, true);
    await rig.until(() => heard.accepted.some(socket => rig.heard(socket).received === 3), 'the patient one');
    for (const socket of heard.accepted.slice(0, -1)) await rig.event(socket, 'failed');
  });

  promise('more connections than the backlog are served, or turned away, but none is forgotten', async (rig, t) => {
    const { listener, port } = await rig.listening({ backlog: 2 });
    rig.driver.accepting(listener, false);
    await rig.settle();
    let over = 0;
    const clients = Array.from({ length: 6 }, () => {
      const client = net.connect({ port, host: '127.0.0.1' }, () => client.write('x'));
      t.after(() => client.destroy());
      client.on('error', () => {});
      client.on('close', () => over++);
      return client;
    });
    await Promise.race(clients.map(client => new Promise(resolve => client.once('connect', resolve))));
    const heard = rig.heard(listener);
    heard.onAccepted = socket => rig.driver.reading(socket, true);
    rig.driver.accepting(listener, true);
    const served = (): number => heard.accepted.filter(socket => rig.heard(socket).received === 1).length;
    while (served() + over < clients.length) await delay(5);
    assert.ok(served() >= 2, `${served()} served`);
  });

  promise('a listener closed while connections wait lets go of them', async (rig, t) => {
    const { listener, port } = await rig.listening();
    rig.driver.accepting(listener, false);
    await rig.settle();
    const client = await connectPeer(t, port);
    await rig.settle();
    await rig.close(listener);
    await client.over();
    assert.deepEqual(rig.heard(listener).accepted, []);
  });

  promise(
    'a listener is adjusted in place: a longer backlog holds more connections, and none is lost',
    async (rig, t) => {
      const { listener, port } = await rig.listening({ backlog: 1 });
      rig.driver.accepting(listener, false);
      await rig.settle();
      rig.driver.adjust(listener, { backlog: 64, socket: { keepAliveSecs: 0 } });
      const clients = await Promise.all(Array.from({ length: 20 }, () => connectPeer(t, port)));
      for (const client of clients) await client.play('send 1');
      rig.heard(listener).onAccepted = socket => rig.driver.reading(socket, true);
      rig.driver.accepting(listener, true);
      await rig.until(() => rig.heard(listener).accepted.length === 20, 'all to be accepted');
      for (const socket of rig.heard(listener).accepted) await rig.event(socket, 'data');
    },
  );

  // ---- connecting -----------------------------------------------------------------------------------------------------

  promise('a refused connect fails once, with ECONNREFUSED', async (rig, t) => {
    const socket = rig.connect(await refusingPort(t));
    assert.equal((await rig.event(socket, 'failed')).errno, ECONNREFUSED);
    await rig.settle();
    await rig.close(socket);
    assert.deepEqual(rig.heard(socket).events, ['failed', 'closed']);
  });

  promise('a connect to a listener that has closed is refused', async rig => {
    const { listener, port } = await rig.listening();
    await rig.close(listener);
    assert.equal((await rig.event(rig.connect(port), 'failed')).errno, ECONNREFUSED);
  });

  promise('a connect to an address without a way there fails', async rig => {
    // TCP to a broadcast address: refused by the system itself, on any network.
    assert.equal((await rig.event(rig.connect(9, '255.255.255.255'), 'failed')).errno, ENETUNREACH);
  });

  promise('a cancelled connect reports only that it is closed', async (rig, t) => {
    const upstream = await listeningPeer(t);
    const ports = [upstream.port, await refusingPort(t)];
    const sockets = ports.flatMap(port => [rig.connect(port), rig.connect(port)]);
    for (const [i, socket] of sockets.entries()) {
      if (i % 2 === 0) rig.driver.close(socket);
      else rig.driver.reset(socket);
    }
    for (const socket of sockets) {
      await rig.event(socket, 'closed');
      assert.deepEqual(rig.heard(socket).events, ['closed']);
    }
  });

  // ---- reading and chunks ---------------------------------------------------------------------------------------------

  promise('nothing is delivered before reading is on, then everything is', async (rig, t) => {
    const { socket, client } = await rig.accept(t);
    await client.play('send 20k', 'shutdown');
    await rig.settle();
    assert.deepEqual(rig.heard(socket).events, []);
    rig.driver.reading(socket, true);
    await rig.event(socket, 'ended');
    assert.deepEqual(rig.heard(socket).events, ['data', 'ended']);
    assert.equal(rig.heard(socket).received, 20 * 1024);
  });

  promise('reading turned off within data stops data and end, and goes on where it stopped', async (rig, t) => {
    const { socket, client } = await rig.accept(t);
    const heard = rig.heard(socket);
    heard.onData = () => rig.driver.reading(socket, false);
    rig.driver.reading(socket, true);
    await client.play('queue 300k', 'shutdown');
    for (let seen = 0; seen < 300 * 1024; seen = heard.received) {
      await rig.until(() => heard.received > seen, 'more');
      await rig.settle();
      rig.driver.reading(socket, true);
    }
    await rig.event(socket, 'ended');
    assert.equal(heard.received, 300 * 1024);
  });

  promise('a FIN that comes while reading is off is delivered once it is on again, and only once', async (rig, t) => {
    const { socket, client } = await rig.accept(t);
    rig.driver.reading(socket, true);
    await client.play('send 1');
    await rig.until(() => rig.heard(socket).received === 1, 'the byte');
    rig.driver.reading(socket, false);
    await client.play('shutdown');
    await rig.settle();
    assert.deepEqual(rig.heard(socket).events, ['data']);
    for (const on of [true, false, true, true]) rig.driver.reading(socket, on);
    await rig.event(socket, 'ended');
    await rig.settle();
    assert.deepEqual(rig.heard(socket).events, ['data', 'ended']);
  });

  promise('a socket read in bulk delivers the same bytes, many or few at a time, and its end', async (rig, t) => {
    const { from: socket, to, client, server } = await pipe(rig, t);
    await client.play('send 100');
    await server.play('expect 100');
    rig.driver.bulkRead(socket);
    client.queue(8 * megabyte);
    await server.play('expect 8M');
    for (let i = 0; i < 40; i++) {
      await client.play('send 1k');
      await server.play('expect 1k');
    }
    rig.driver.bulkRead(socket);
    rig.driver.bulkRead(socket);
    client.queue(megabyte);
    await client.play('shutdown');
    await rig.event(socket, 'ended');
    rig.driver.shutdown(to);
    await server.play('expect 1M', 'expect end');
  });

  promise('a socket read in bulk stops when reading is off, and continues where it stopped', async (rig, t) => {
    const { socket, client } = await rig.accept(t);
    const heard = rig.heard(socket);
    heard.onData = () => rig.driver.reading(socket, false);
    rig.driver.bulkRead(socket);
    rig.driver.reading(socket, true);
    await client.play('queue 2M', 'shutdown');
    for (let seen = 0; seen < 2 * megabyte; seen = heard.received) {
      await rig.until(() => heard.received > seen, 'more');
      await rig.settle();
      rig.driver.bulkRead(socket);
      rig.driver.reading(socket, true);
    }
    await rig.event(socket, 'ended');
    assert.equal(heard.received, 2 * megabyte);
  });

  promise('a socket read in bulk is closed and reset like any other', async (rig, t) => {
    const one = await rig.accept(t);
    const other = await rig.accept(t);
    for (const { socket, client } of [one, other]) {
      rig.driver.reading(socket, true);
      rig.driver.bulkRead(socket);
      client.queue(megabyte);
      await rig.until(() => rig.heard(socket).received > 0, 'some of it');
    }
    await other.client.play('reset');
    await rig.event(other.socket, 'failed');
    await rig.close(one.socket, other.socket);
  });

  promise('a sender that floods a socket whose reading is off makes the driver hold little', async (rig, t) => {
    for (const isProven of [false, true]) {
      const { socket, client } = await rig.accept(t);
      const heard = rig.heard(socket);
      rig.driver.reading(socket, true);
      for (let i = 1; isProven && i <= 5; i++) {
        await client.play('send 10');
        await rig.until(() => heard.received === 10 * i, 'a small chunk');
      }
      heard.sink = 'keep';
      heard.onData = () => rig.driver.reading(socket, false);
      client.queue(16 * megabyte);
      await rig.until(() => heard.kept.length === 1, 'a chunk');
      for (let i = 0; i < 5; i++) await rig.settle();
      // A multishot receive brings up to a ring of chunks before it is cancelled, once.
      const most = isProven ? 40 : 1;
      assert.ok(rig.driver.ledger().buffers <= most, `${rig.driver.ledger().buffers} buffers`);
      for (let turn = 0; turn < 5; turn++) {
        rig.release(socket);
        heard.onData = () => {
          if (rig.driver.ledger().buffers <= most) rig.driver.reading(socket, false);
        };
        const before = heard.received;
        rig.driver.reading(socket, true);
        await rig.until(() => heard.received > before, 'more');
        await rig.settle();
        assert.ok(rig.driver.ledger().buffers <= most, `${rig.driver.ledger().buffers} buffers in turn ${turn}`);
      }
      rig.driver.reading(socket, false);
      rig.release(socket);
      heard.sink = 'release';
      await rig.close(socket);
    }
  });

  promise('a kept chunk keeps its bytes, whatever comes after it', async (rig, t) => {
    const { listener, port } = await rig.listening();
    const heard = rig.heard(listener);
    heard.onAccepted = socket => {
      rig.heard(socket).sink = 'keep';
      rig.driver.reading(socket, true);
    };
    const clients = [await connectPeer(t, port), await connectPeer(t, port)];
    await Promise.all(clients.map(client => client.play('send 256k', 'shutdown')));
    await rig.until(() => heard.accepted.length === 2, 'both');
    for (const socket of heard.accepted) await rig.event(socket, 'ended');
    for (const socket of heard.accepted) {
      let position = 0;
      for (const { buffer, offset, length } of rig.heard(socket).kept) {
        const bytes = Buffer.from(rig.driver.bytes(buffer).subarray(offset, offset + length));
        assert.equal(firstMismatch(clientSeed, position, bytes), -1);
        position += length;
      }
      assert.equal(position, 256 * 1024);
      rig.release(socket);
    }
    assert.equal(rig.driver.ledger().buffers, 0);
  });

  promise('a kept chunk is just its bytes, at offset 0', async (rig, t) => {
    const { socket, client } = await rig.accept(t);
    const heard = rig.heard(socket);
    heard.sink = 'keep';
    rig.driver.reading(socket, true);
    await client.play('send 100');
    await rig.event(socket, 'data');
    const [{ buffer, offset, length }] = heard.kept.splice(0) as [{ buffer: number; offset: number; length: number }];
    const expected = rig.driver.bytes(buffer).slice(offset + 7, offset + length);
    const kept = rig.driver.keep(buffer, offset + 7, length - 7);
    assert.deepEqual(rig.driver.bytes(kept).slice(0, length - 7), expected);
    rig.driver.release(kept);
  });

  promise('a part of a chunk can be written', async (rig, t) => {
    const { socket, client } = await rig.accept(t);
    const { socket: outgoing, server } = await rig.connected(await listeningPeer(t));
    rig.heard(socket).sink = 'keep';
    rig.driver.reading(socket, true);
    await client.play('send 100');
    await rig.until(() => rig.heard(socket).received === 100, 'the bytes');
    const [{ buffer, offset }] = rig.heard(socket).kept.splice(0);
    rig.driver.write(outgoing, buffer, offset, 60);
    rig.driver.shutdown(outgoing);
    await server.play('expect 60', 'expect end');
  });

  // ---- writing --------------------------------------------------------------------------------------------------------

  /** Passes the client's bytes to the server, without regard for how much waits. */
  async function pipe(rig: Rig, t: TestContext) {
    const { socket: from, client } = await rig.accept(t);
    const { socket: to, server } = await rig.connected(await listeningPeer(t));
    rig.heard(from).sink = to;
    rig.driver.reading(from, true);
    return { from, to, client, server };
  }

  async function fill(rig: Rig, t: TestContext, bytes = 16 * megabyte) {
    const piped = await pipe(rig, t);
    piped.server.stall();
    piped.client.queue(bytes);
    await rig.until(() => rig.heard(piped.from).received === bytes, 'all to be read');
    assert.ok(rig.driver.pending(piped.to) > 0);
    return piped;
  }

  promise('writes that have to wait are pending, and drained comes once when all are out', async (rig, t) => {
    const { to, client, server } = await fill(rig, t);
    // Before the kernel was full each write that it took was drained.
    const before = rig.heard(to).count('drained');
    await rig.settle();
    assert.equal(rig.heard(to).count('drained'), before);
    client.queue(1000);
    await server.play('resume', 'expect 16M', 'expect 1000');
    await rig.until(() => rig.heard(to).count('drained') > before && rig.driver.pending(to) === 0, 'drained');
    assert.equal(rig.driver.pending(to), 0);
    assert.equal(rig.driver.ledger().buffers, 0);
  });

  promise('FIN follows everything that was written before it, and reading goes on', async (rig, t) => {
    const { from, to, client, server } = await fill(rig, t);
    rig.driver.shutdown(to);
    await server.play('resume', 'expect 16M', 'expect end');
    await rig.event(to, 'drained');
    rig.heard(to).sink = from;
    rig.driver.reading(to, true);
    await server.play('send 100k', 'shutdown');
    await client.play('expect 100k');
    await rig.event(to, 'ended');
    rig.driver.shutdown(from);
    await client.play('expect end');
  });

  promise('FIN after small writes that came in while others waited loses none of them', async (rig, t) => {
    const { from, to, client, server } = await fill(rig, t);
    server.resume();
    for (let i = 0; i < 50; i++) {
      const before = rig.heard(from).received;
      client.queue(100);
      await rig.until(() => rig.heard(from).received === before + 100, 'the next bytes');
    }
    rig.driver.shutdown(to);
    await server.play('expect 16M', 'expect 5000', 'expect end');
  });

  promise('all bytes of a server that sends and finishes at once are delivered', async (rig, t) => {
    const server = net.createServer(socket => socket.end('bye'));
    t.after(() => server.close());
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    // Bytes and FIN may come together with the connection, or after it: many tries meet every order.
    for (let i = 0; i < 100; i++) {
      const socket = rig.connect(port);
      await rig.event(socket, 'connected');
      rig.driver.reading(socket, true);
      assert.equal((await rig.event(socket, 'ended')).received, 3);
      await rig.close(socket);
    }
  });

  promise('a client may finish first and still hear everything', async (rig, t) => {
    const { socket, client } = await rig.accept(t);
    rig.driver.reading(socket, true);
    await client.play('shutdown');
    await rig.event(socket, 'ended');
    const { socket: source, server } = await rig.connected(await listeningPeer(t));
    rig.heard(source).sink = socket;
    rig.driver.reading(source, true);
    await server.play('queue 1M', 'shutdown');
    await rig.event(source, 'ended');
    rig.driver.shutdown(socket);
    await client.play('expect 1M', 'expect end');
  });

  // ---- ends -----------------------------------------------------------------------------------------------------------

  promise('close is a FIN to the peer, reset is a RST and nothing before it', async (rig, t) => {
    const first = await rig.accept(t);
    rig.driver.close(first.socket);
    assert.equal(await first.client.over(), 'end');
    const second = await rig.accept(t);
    rig.driver.reset(second.socket);
    assert.equal(await second.client.over(), 'reset');
    for (const { socket } of [first, second]) {
      await rig.event(socket, 'closed');
      assert.deepEqual(rig.heard(socket).events, ['closed']);
    }
  });

  promise(
    'reset does not wait for a peer that reads nothing, and the peer never mistakes a truncated stream for a complete one',
    async (rig, t) => {
      const { from, to, server } = await fill(rig, t);
      rig.driver.reset(to);
      await rig.event(to, 'closed');
      rig.heard(from).sink = 'release';
      assert.equal(rig.driver.ledger().buffers, 0);
      server.resume();
      assert.equal(await server.over(), 'reset');
    },
  );

  promise('reset does not wait for a shutdown that cannot be finished', async (rig, t) => {
    const { from, to, server } = await fill(rig, t);
    rig.driver.shutdown(to);
    rig.driver.reset(to);
    await rig.event(to, 'closed');
    rig.heard(from).sink = 'release';
    server.resume();
    assert.equal(await server.over(), 'reset');
  });

  promise('reset right after a shutdown closes the socket', async (rig, t) => {
    const { socket, client } = await rig.accept(t);
    rig.driver.shutdown(socket);
    rig.driver.reset(socket);
    await rig.event(socket, 'closed');
    await client.over();
  });

  promise('close drops the bytes still pending', async (rig, t) => {
    const { from, to } = await fill(rig, t);
    const before = rig.heard(to).events.length;
    rig.driver.close(to);
    rig.heard(from).sink = 'release';
    await rig.event(to, 'closed');
    assert.equal(rig.driver.ledger().buffers, 0);
    assert.deepEqual(rig.heard(to).events.slice(before), ['closed']);
  });

  promise('a reset by the peer fails the socket once, then it only has to be closed', async (rig, t) => {
    const { socket, client } = await rig.accept(t);
    rig.driver.reading(socket, true);
    await client.play('send 5');
    await rig.until(() => rig.heard(socket).received === 5, 'the bytes');
    await client.play('reset');
    assert.equal((await rig.event(socket, 'failed')).errno, ECONNRESET);
    await rig.settle();
    await rig.close(socket);
    assert.deepEqual(rig.heard(socket).events, ['data', 'failed', 'closed']);
  });

  promise('writing to a peer that has closed fails the socket once, and releases all chunks', async (rig, t) => {
    const { from, to, client, server } = await pipe(rig, t);
    await server.play('reset');
    while (!rig.heard(to).events.includes('failed')) {
      const before = rig.heard(from).received;
      client.queue(10);
      await rig.until(() => rig.heard(from).received > before, 'the bytes');
      await rig.settle();
    }
    assert.ok([ECONNRESET, EPIPE].includes(rig.heard(to).errno), String(rig.heard(to).errno));
    client.queue(10);
    await rig.settle();
    assert.equal(rig.heard(to).count('failed'), 1);
    assert.equal(rig.driver.ledger().buffers, 0);
  });

  /** A socket whose peer has stopped reading, with bytes that wait for it; the peer has sent 1 kB before. */
  const behind = async (rig: Rig, t: TestContext, reading: boolean): Promise<{ socket: Handle; server: Peer }> => {
    const { socket, server } = await rig.connected(await listeningPeer(t));
    const { socket: from, client } = await rig.accept(t);
    rig.heard(from).sink = socket;
    server.stall();
    rig.driver.reading(socket, true);
    await server.play('send 1');
    await rig.event(socket, 'data');
    rig.driver.reading(socket, reading);
    await server.play('send 1k');
    rig.driver.reading(from, true);
    client.queue(24 * megabyte);
    await rig.until(() => rig.driver.pending(socket) > 300_000, 'writes to wait');
    rig.driver.reading(from, false);
    return { socket, server };
  };

  promise('a reset while a write waits is a failure, and never an end', async (rig, t) => {
    const { socket, server } = await behind(rig, t, true);
    await server.abort();
    const { errno } = await rig.event(socket, 'failed');
    assert.ok([ECONNRESET, EPIPE].includes(errno), String(errno));
    assert.equal(rig.heard(socket).count('ended'), 0);
  });

  promise('a failed write is reported even while reading is off and there are bytes to read', async (rig, t) => {
    const { socket, server } = await behind(rig, t, false);
    await server.abort();
    const { errno } = await rig.event(socket, 'failed');
    assert.ok([ECONNRESET, EPIPE].includes(errno), String(errno));
    assert.equal(rig.heard(socket).received, 1);
  });

  promise('a socket both of whose directions have ended lives until it is closed', async (rig, t) => {
    const { socket, client } = await rig.accept(t);
    rig.driver.reading(socket, true);
    rig.driver.shutdown(socket);
    await client.play('expect end', 'shutdown');
    await rig.event(socket, 'ended');
    await rig.settle();
    assert.equal(rig.driver.pending(socket), 0);
    rig.driver.reading(socket, false);
    rig.driver.reset(socket);
    await rig.event(socket, 'closed');
    assert.deepEqual(rig.heard(socket).events, ['ended', 'closed']);
  });

  promise('the next socket in a slot gets another handle', async (rig, t) => {
    const upstream = await listeningPeer(t);
    const seen = new Map<number, Handle>();
    for (let i = 0; i < 20; i++) {
      const socket = rig.connect(upstream.port);
      await rig.event(socket, 'connected');
      assert.notEqual(seen.get(slotOf(socket)), socket);
      seen.set(slotOf(socket), socket);
      await rig.close(socket);
    }
    assert.ok(seen.size < 20, 'slots are reused');
  });

  promise('2 000 connections opened and closed leave nothing', async rig => {
    const { listener, port } = await rig.listening({ backlog: 512 });
    for (let round = 0; round < 10; round++) {
      const mine = Array.from({ length: 200 }, () => rig.connect(port));
      await rig.until(
        () => rig.heard(listener).accepted.length === 200 && mine.every(one => rig.heard(one).count('connected') === 1),
        'all to be connected',
      );
      const sockets = [...mine, ...rig.heard(listener).accepted.splice(0)];
      for (const [i, socket] of sockets.entries()) {
        if (i % 3 === 0) rig.driver.reset(socket);
        else rig.driver.close(socket);
      }
      for (const socket of sockets) await rig.event(socket, 'closed');
      assert.deepEqual(rig.driver.ledger(), { sockets: 1, buffers: 0 });
    }
  });

  // ---- the clock ------------------------------------------------------------------------------------------------------

  promise('woken comes at the time asked for, not before, and never from within the call', async rig => {
    for (const ahead of [30, 3.5, 0, -5]) {
      const time = rig.driver.now() + ahead;
      const before = rig.woken;
      rig.driver.wakeAt(time);
      await rig.until(() => rig.woken > before, 'the alarm');
      assert.ok(rig.driver.now() >= time);
    }
  });

  promise('a later wakeAt replaces an earlier one', async rig => {
    const start = rig.driver.now();
    rig.driver.wakeAt(start + 5);
    rig.driver.wakeAt(start + 40);
    await rig.until(() => rig.woken === 1, 'the later alarm');
    assert.ok(rig.driver.now() >= start + 40);
    rig.driver.wakeAt(rig.driver.now() + 60_000);
    rig.driver.wakeAt(rig.driver.now() + 5);
    await rig.until(() => rig.woken === 2, 'the earlier alarm');
  });

  promise('Infinity, and a time beyond 2^31 ms, wake nobody', async rig => {
    for (const time of [Number.POSITIVE_INFINITY, rig.driver.now() + 2 ** 31 + 1000, rig.driver.now() + 2 ** 40]) {
      rig.driver.wakeAt(rig.driver.now() + 5);
      rig.driver.wakeAt(time);
      await delay(20);
      await rig.settle();
      assert.equal(rig.woken, 0);
    }
  });
}
