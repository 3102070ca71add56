/** The session state machine between scripted peers: each row and each end of its table, on real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { drivers } from '../support/drivers.ts';
import { listeningPeer } from '../support/peer.ts';
import { freePort } from '../support/ports.ts';
import { bound, connectTo, startRelay } from '../support/relay.ts';
import { until } from '../support/waiting.ts';

for (const { kind, createDriver } of drivers) {
  test(`${kind}: bytes go both ways and a clean end is recorded as such`, async t => {
    const upstream = await listeningPeer(t);
    const relay = await startRelay(t, { createDriver, upstreams: [upstream.port] });
    const client = await connectTo(t, relay);
    await client.play('send 10k');
    await upstream.play('expect 10k', 'send 20k');
    await client.play('expect 20k', 'shutdown');
    await upstream.play('expect end', 'shutdown');
    await client.play('expect end');
    const record = await relay.record();
    assert.equal(record.end, '--');
    assert.equal(record.rx, 10 * 1024);
    assert.equal(record.tx, 20 * 1024);
    assert.equal(record.endpoint, upstream.address);
    assert.equal(relay.metric('l5d:srv:closes'), 1);
    assert.equal(relay.metric('l5d:srv:stream:rx_bytes'), 10 * 1024);
    assert.equal(relay.metric('l5d:balancer:endpoint:tx_bytes'), 20 * 1024);
    assert.equal(relay.active, 0);
    assert.equal(relay.load(upstream.port), 0);
  });

  test(`${kind}: a server that speaks first is relayed before the client sends a byte`, async t => {
    const upstream = await listeningPeer(t);
    const relay = await startRelay(t, { createDriver, upstreams: [upstream.port] });
    const client = await connectTo(t, relay);
    await upstream.play('send 100');
    await client.play('expect 100');
  });

  test(`${kind}: a client that half-closes still receives the whole answer`, async t => {
    const upstream = await listeningPeer(t);
    const relay = await startRelay(t, { createDriver, upstreams: [upstream.port] });
    const client = await connectTo(t, relay);
    await client.play('send 10k', 'shutdown');
    await upstream.play('expect 10k', 'expect end');
    await Promise.all([upstream.play('queue 1M', 'close'), client.play('expect 1M', 'expect end')]);
    assert.equal((await relay.record()).end, '--');
  });

  test(`${kind}: a server that half-closes still receives everything the client sends`, async t => {
    const upstream = await listeningPeer(t);
    const relay = await startRelay(t, { createDriver, upstreams: [upstream.port] });
    const client = await connectTo(t, relay);
    await upstream.play('send 5', 'shutdown');
    await client.play('expect 5', 'expect end');
    await Promise.all([client.play('queue 1M', 'close'), upstream.play('expect 1M', 'expect end')]);
    assert.equal((await relay.record()).end, '--');
  });

  test(`${kind}: a client that speaks and half-closes before its name is known loses nothing`, async t => {
    const upstream = await listeningPeer(t);
    const relay = await startRelay(t, { createDriver });
    const client = await connectTo(t, relay);
    await client.play('send 200k', 'shutdown');
    await until(() => relay.waiters === 1, 'the session to wait');
    relay.publish(bound([upstream.port]));
    await upstream.play('expect 200k', 'expect end', 'send 3', 'shutdown');
    await client.play('expect 3', 'expect end');
    assert.equal((await relay.record()).end, '--');
  });

  test(`${kind}: a reader that stalls costs a bounded number of bytes, and gets all of them when it goes on`, async t => {
    const upstream = await listeningPeer(t);
    const relay = await startRelay(t, { createDriver, upstreams: [upstream.port] });
    const client = await connectTo(t, relay);
    await client.play('stall');
    const server = await upstream.peer();
    server.queue(64 * 1024 * 1024);
    // The kernel's buffers fill, then the relay must stop reading: the sender's rest stays with the sender.
    let before = -1;
    await until(
      () => {
        const now = relay.metric('l5d:srv:stream:tx_bytes');
        const isSteady = now === before;
        before = now;
        return isSteady;
      },
      'the relay to stop reading',
      { everyMs: 200 },
    );
    assert.ok(before < 32 * 1024 * 1024, `${before} bytes were read for a client that reads nothing`);
    await client.play('resume', 'expect 64M');
  });

  test(`${kind}: a reset by the client reaches the upstream as a reset, and is the client’s`, async t => {
    const upstream = await listeningPeer(t);
    const relay = await startRelay(t, { createDriver, upstreams: [upstream.port] });
    const client = await connectTo(t, relay);
    await client.play('send 10');
    await upstream.play('expect 10');
    await client.play('reset');
    await upstream.play('expect reset');
    assert.equal((await relay.record()).end, 'RC');
    assert.equal(relay.metric('l5d:srv:closes'), 1);
    assert.equal(relay.metric('l5d:srv:failures'), 0);
  });

  test(`${kind}: a reset by the upstream reaches the client as a reset, and is the upstream’s`, async t => {
    const upstream = await listeningPeer(t);
    const relay = await startRelay(t, { createDriver, upstreams: [upstream.port] });
    const client = await connectTo(t, relay);
    await client.play('send 10');
    await upstream.play('expect 10', 'reset');
    await client.play('expect reset');
    assert.equal((await relay.record()).end, 'RU');
    assert.equal(relay.metric('l5d:srv:failures'), 1);
    assert.equal(relay.metric('l5d:srv:stream:failure', 'cause="other"'), 1);
  });

  test(`${kind}: a client that still sends to an upstream that has closed gets the whole answer`, async t => {
    const upstream = await listeningPeer(t);
    const relay = await startRelay(t, { createDriver, upstreams: [upstream.port] });
    const client = await connectTo(t, relay);
    await upstream.play('send 100k', 'close');
    await until(() => relay.metric('l5d:srv:stream:tx_bytes') === 100 * 1024, 'the answer to be read');
    await client.play('queue 1k', 'queue 1k', 'expect 100k', 'expect end');
    // The portable driver learns of a reset after a FIN only by writing again.
    const record = await until(() => {
      client.queue(1);
      return relay.records[0];
    }, 'the session to end');
    assert.equal(record.end, 'FU');
  });

  test(`${kind}: a name known to be negative ends the connection at once, with its reason`, async t => {
    const relay = await startRelay(t, { createDriver });
    relay.publish({ state: 'negative', reason: '/svc/test does not resolve: no rule' });
    const client = await connectTo(t, relay);
    await client.play('expect over');
    const record = await relay.record();
    assert.equal(record.end, 'NN');
    assert.equal(record.reason, '/svc/test does not resolve: no rule');
    assert.equal(record.endpoint, null);
  });

  test(`${kind}: a name that stays unknown is waited for no longer than connectTimeoutMs`, async t => {
    const relay = await startRelay(t, { createDriver, listener: { connectTimeoutMs: 60 } });
    const client = await connectTo(t, relay);
    await client.play('expect over');
    const record = await relay.record();
    assert.equal(record.end, 'NT');
    assert.ok(record.totalMs >= 59, `${record.totalMs} ms`);
    assert.equal(relay.metric('l5d:srv:connect:failure', 'cause="timeout"'), 1);
  });

  test(`${kind}: connections that wait for a name follow it as soon as it is known`, async t => {
    const upstream = await listeningPeer(t);
    const relay = await startRelay(t, { createDriver });
    const client = await connectTo(t, relay);
    await until(() => relay.waiters === 1, 'the session to wait');
    relay.publish(bound([upstream.port]));
    await upstream.play('send 3');
    await client.play('expect 3');
    assert.equal(relay.waiters, 0);
  });

  test(`${kind}: waiters beyond maxWaiters are refused at once`, async t => {
    const relay = await startRelay(t, { createDriver, client: { maxWaiters: 2 } });
    await connectTo(t, relay);
    await connectTo(t, relay);
    await until(() => relay.waiters === 2, 'two sessions to wait');
    const third = await connectTo(t, relay);
    await third.play('expect over');
    assert.equal((await relay.record()).end, 'NR');
    assert.equal(relay.metric('l5d:balancer:waiters_rejected'), 1);
    assert.equal(relay.waiters, 2);
  });

  test(`${kind}: a client that resets while its name is unknown is gone from the waiters`, async t => {
    const relay = await startRelay(t, { createDriver });
    const client = await connectTo(t, relay);
    await until(() => relay.waiters === 1, 'the session to wait');
    await client.play('reset');
    assert.equal((await relay.record()).end, 'NC');
    assert.equal(relay.waiters, 0);
  });

  test(`${kind}: a refused connect is tried on another endpoint, unseen by the client`, async t => {
    const upstream = await listeningPeer(t);
    const dead = await freePort();
    const relay = await startRelay(t, { createDriver, upstreams: [dead, upstream.port] });
    for (let i = 0; i < 60; i++) {
      const client = await connectTo(t, relay);
      const server = await upstream.next();
      await server.play('send 1', 'shutdown');
      await client.play('expect 1', 'expect end', 'close');
      await relay.record(i + 1);
    }
    assert.ok(relay.records.every(record => record.end === '--'));
    assert.equal(relay.load(dead), 0);
    // Ejected after five failures in a row: no sixth, since its penalty lasts a minute.
    assert.equal(relay.metric('l5d:balancer:endpoint:failures', String(dead)), 5);
    assert.equal(relay.metric('l5d:balancer:endpoint:ejections', String(dead)), 1);
    assert.equal(relay.metric('l5d:balancer:connection:failure', 'cause="refused"'), 5);
  });

  test(`${kind}: with every endpoint refusing, attempts are capped and the record gives the reason`, async t => {
    const ports = [await freePort(), await freePort()];
    const relay = await startRelay(t, { createDriver, upstreams: ports, client: { maxRetries: 3 } });
    const client = await connectTo(t, relay);
    await client.play('expect over');
    const record = await relay.record();
    assert.equal(record.end, 'CU');
    assert.equal(record.retries, 3);
    assert.match(record.reason ?? '', /^connection to 127\.0\.0\.1:\d+ refused$/);
    assert.ok(ports.some(port => record.endpoint === `127.0.0.1:${port}`));
    assert.equal(relay.metric('l5d:balancer:connection:attempts'), 4);
  });

  test(`${kind}: idle in both directions ends a session, traffic in one keeps it`, async t => {
    const upstream = await listeningPeer(t);
    const relay = await startRelay(t, { createDriver, upstreams: [upstream.port], listener: { idleTimeoutMs: 800 } });
    const client = await connectTo(t, relay);
    for (let i = 0; i < 10; i++) {
      await upstream.play('send 1', 'pause 100');
      await client.play('expect 1');
    }
    assert.equal(relay.active, 1);
    await client.play('expect over');
    const record = await relay.record();
    assert.equal(record.end, 'RT');
    assert.ok(record.totalMs >= 1000, `${record.totalMs} ms`);
  });

  test(`${kind}: a half-closed session that goes quiet ends by its own timeout`, async t => {
    const upstream = await listeningPeer(t);
    const relay = await startRelay(t, { createDriver, upstreams: [upstream.port], listener: { finTimeoutMs: 80 } });
    const client = await connectTo(t, relay);
    await client.play('shutdown');
    await upstream.play('expect end');
    assert.equal((await relay.record()).end, 'FT');
  });

  test(`${kind}: a session ends when its lifetime is over, however busy`, async t => {
    const upstream = await listeningPeer(t);
    const relay = await startRelay(t, { createDriver, upstreams: [upstream.port], listener: { lifetimeMs: 120 } });
    const client = await connectTo(t, relay);
    await upstream.play('send 1');
    await client.play('expect 1', 'expect over');
    assert.equal((await relay.record()).end, 'RL');
  });

  test(`${kind}: beyond maxConcurrency connections wait unaccepted, and are served when there is room`, async t => {
    const upstream = await listeningPeer(t);
    const relay = await startRelay(t, { createDriver, upstreams: [upstream.port], listener: { maxConcurrency: 1 } });
    const first = await connectTo(t, relay);
    const firstServer = await upstream.next();
    await firstServer.play('send 1');
    await first.play('expect 1');
    const second = await connectTo(t, relay);
    await second.play('send 7');
    assert.equal(relay.metric('l5d:srv:accepts'), 1);
    await first.play('reset');
    const secondServer = await upstream.next();
    await secondServer.play('expect 7', 'send 2');
    await second.play('expect 2');
    assert.equal(relay.metric('l5d:srv:accepts'), 2);
  });

  test(`${kind}: a client that resets before it is accepted harms nobody`, async t => {
    const upstream = await listeningPeer(t);
    const relay = await startRelay(t, { createDriver, upstreams: [upstream.port], listener: { maxConcurrency: 1 } });
    const first = await connectTo(t, relay);
    const hasty = await connectTo(t, relay);
    await hasty.play('reset');
    const third = await connectTo(t, relay);
    const firstServer = await upstream.next();
    await firstServer.play('send 1');
    await first.play('expect 1', 'reset');
    await third.play('send 3');
    // The hasty one may be seen only after it was accepted: then it has cost an upstream connection, and no more.
    const servers = [await upstream.next(), await upstream.next()];
    await Promise.any(servers.map(server => server.play('expect 3')));
  });

  test(`${kind}: a drain lets sessions finish and cuts the rest when the grace is over`, async t => {
    const upstream = await listeningPeer(t);
    const relay = await startRelay(t, { createDriver, upstreams: [upstream.port] });
    const quick = await connectTo(t, relay);
    const quickServer = await upstream.next();
    const slow = await connectTo(t, relay);
    await upstream.next();
    relay.worker.tell({ type: 'drain', graceMs: 300 });
    await quick.play('send 3', 'shutdown');
    await quickServer.play('expect 3', 'expect end', 'shutdown');
    await quick.play('expect end');
    await slow.play('expect over');
    assert.deepEqual(
      (await Promise.all([relay.record(1), relay.record(2)])).map(record => record.end),
      ['--', 'RD'],
    );
    const drained = await until(
      () => relay.messages.find(message => message.type === 'drained'),
      'the drain to be over',
    );
    assert.deepEqual(drained, { type: 'drained', cut: 1 });
  });

  test(`${kind}: a publication moves new connections and leaves running ones alone`, async t => {
    const [a, b] = [await listeningPeer(t), await listeningPeer(t)];
    const relay = await startRelay(t, { createDriver, upstreams: [a.port] });
    const old = await connectTo(t, relay);
    const oldServer = await a.next();
    relay.publish(bound([b.port]));
    const fresh = await connectTo(t, relay);
    const freshServer = await b.next();
    await oldServer.play('send 1k');
    await old.play('expect 1k');
    await freshServer.play('send 2k');
    await fresh.play('expect 2k');
  });

  test(`${kind}: a branch is drawn for each connection by its weight`, async t => {
    const [a, b] = [await closingServer(t), await closingServer(t)];
    const relay = await startRelay(t, { createDriver });
    const share = (weight: number, port: number) => ({ weight, ports: [port] });
    relay.publish({ state: 'bound', branches: [share(0.9, a.port), share(0.1, b.port)] });
    for (let i = 0; i < 600; i++) {
      const client = await connectTo(t, relay);
      await client.play('expect end', 'close');
    }
    await until(() => relay.records.length === 600, 'all sessions to end');
    const toB = relay.records.filter(record => record.endpoint === `127.0.0.1:${b.port}`).length;
    assert.ok(toB > 20 && toB < 120, `${toB} of 600 went to the branch of weight 0.1`);
  });
}

/** A server that closes every connection at once. */
async function closingServer(t: TestContext): Promise<AddressInfo> {
  const server = createServer(socket => socket.end());
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address() as AddressInfo;
}
