/** Worker threads as the control plane sees them. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { EndpointTable } from '../../src/balancer/endpoint-table.ts';
import { LinkerdTcpError } from '../../src/errors.ts';
import { type DriverKind, driverKinds } from '../../src/io/drivers/choose-driver.ts';
import type { Log } from '../../src/log.ts';
import { Cells } from '../../src/metrics/cells.ts';
import { Registry } from '../../src/metrics/registry.ts';
import type { ListenerSpec } from '../../src/proxy/messages.ts';
import { DataPlane } from '../../src/proxy/worker/data-plane.ts';
import { connectPeer, listeningPeer, type Peer } from '../support/peer.ts';
import { freePort } from '../support/ports.ts';
import { branchSpec, defaultPolicy, listenerSpec, routeSpec, sharedCounts } from '../support/specs.ts';
import { until, within } from '../support/waiting.ts';

const silent: Log = { info: () => {}, warn: () => {}, error: () => {} };

/** A data plane that routes to the given ports; its death fails the test unless the test expects it. */
async function startPlane(
  t: TestContext,
  { driver, workers = 2, upstreams = [] }: { driver: DriverKind; workers?: number; upstreams?: readonly number[] },
) {
  const registry = new Registry({ pages: workers + 1 });
  const counts = new Int32Array(new SharedArrayBuffer(64));
  const died = Promise.withResolvers<Error>();
  const plane = await DataPlane.start(
    {
      metrics: registry.pages.slice(1),
      endpoints: new SharedArrayBuffer(EndpointTable.bytesFor(64)),
      counts: counts.buffer as SharedArrayBuffer,
      log: silent,
      driver,
      records: () => {},
      died: died.resolve,
    },
    Array.from({ length: workers }, (_, i) => sharedCounts.inFlight + i),
  );
  t.after(() => plane.terminate());
  const branches = [branchSpec(registry, new Map(), { ports: upstreams })];
  plane.publish(routeSpec(registry, { state: 'bound', branches }, defaultPolicy));
  const listener = (settings: Partial<ListenerSpec> = {}): ListenerSpec => listenerSpec(registry, settings);
  const acceptedBy = (worker: number): number => new Cells(registry.pages[worker + 1]).get(listener().cells.accepts);
  const active = (): number => Atomics.load(counts, sharedCounts.active);
  return { plane, listener, acceptedBy, active, died: died.promise };
}

for (const driver of driverKinds) {
  test(`${driver}: two workers share one port, and both get connections`, async t => {
    const upstream = await listeningPeer(t);
    const { plane, listener, acceptedBy } = await startPlane(t, { driver, upstreams: [upstream.port] });
    const { port } = await plane.listen(listener());
    const clients = await Promise.all(Array.from({ length: 40 }, () => connectPeer(t, port)));
    for (const client of clients) client.queue(10);
    for (const _ of clients) await (await upstream.next()).play('expect 10');
    assert.equal(acceptedBy(0) + acceptedBy(1), 40);
    assert.ok(acceptedBy(0) > 0 && acceptedBy(1) > 0, `${acceptedBy(0)} and ${acceptedBy(1)}`);
  });

  test(`${driver}: every worker acknowledges what was published`, async t => {
    const { plane } = await startPlane(t, { driver, workers: 3 });
    assert.equal(plane.workers, 3);
    const generation = plane.unroute(99);
    await until(() => plane.acknowledged === generation, 'the workers to apply it', { everyMs: 2 });
  });

  test(`${driver}: a worker that dies of an error is reported, once, with its number and its words`, async t => {
    const { plane, listener, died } = await startPlane(t, { driver });
    // A listener with a route that does not exist: the control plane never does that, and a worker cannot continue after it.
    plane.listen(listener({ route: 99 })).catch(() => {});
    const error = await within(died, 'the death of a worker');
    assert.ok(error instanceof LinkerdTcpError);
    assert.equal(error.code, 'WORKER_DIED');
    assert.match(error.message, /worker [01]/);
  });

  for (const workers of [1, 2]) {
    test(`a port in use is refused by ${workers} worker${workers > 1 ? 's' : ''}, with its address, and nothing is left`, async t => {
      const { port } = await listeningPeer(t);
      const { plane, listener } = await startPlane(t, { driver, workers });
      await assert.rejects(plane.listen(listener({ port })), error => {
        assert.ok(error instanceof LinkerdTcpError);
        assert.equal(error.code, 'CANNOT_LISTEN');
        assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}.*EADDRINUSE`));
        return true;
      });
      assert.equal((await plane.listen(listener({ id: 3, port: 0 }))).ip, '127.0.0.1');
    });
  }

  test(`${driver}: unlisten frees the port while its sessions go on`, async t => {
    const upstream = await listeningPeer(t);
    const { plane, listener } = await startPlane(t, { driver, upstreams: [upstream.port] });
    const port = await freePort();
    await plane.listen(listener({ port }));
    const client = await connectPeer(t, port);
    await client.play('send 5');
    await upstream.play('expect 5');
    await within(plane.unlisten(listener().id), 'the listener to be closed');
    await listeningPeer(t, { port });
    await client.play('send 5');
    await upstream.play('expect 5', 'send 9');
    await client.play('expect 9');
  });

  test(`${driver}: maxConcurrency holds over all workers, and everybody is served in the end`, async t => {
    const upstream = await listeningPeer(t);
    const { plane, listener, active } = await startPlane(t, { driver, upstreams: [upstream.port] });
    const { port } = await plane.listen(listener({ maxConcurrency: 3 }));
    const clients = await Promise.all(Array.from({ length: 12 }, () => connectPeer(t, port)));
    for (const client of clients) client.queue(10);
    const running: Peer[] = [];
    for (let i = 0; i < clients.length; i++) {
      const server = await upstream.next();
      await server.play('expect 10');
      running.push(server);
      assert.ok(active() <= 3, `${active()} sessions at once`);
      assert.ok(upstream.accepted - (i + 1 - running.length) <= 3, `${upstream.accepted} connections to the upstream`);
      if (running.length < 3) continue;
      await running.shift()?.play('reset');
    }
  });

  test(`${driver}: a drain waits for the sessions of all workers, and reports how many it cut`, async t => {
    const upstream = await listeningPeer(t);
    const { plane, listener, active } = await startPlane(t, { driver, upstreams: [upstream.port] });
    const { port } = await plane.listen(listener());
    for (let i = 0; i < 10; i++) await connectPeer(t, port);
    await until(() => upstream.accepted === 10, 'the sessions to be made', { everyMs: 2 });
    assert.equal(await plane.drain(50), 10);
    assert.equal(active(), 0);
  });
}
