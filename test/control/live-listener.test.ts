/** A listener of the running proxy: the end of its series, and the release of its resources. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LiveListener } from '../../src/control/live-listener.ts';
import type { Identities } from '../../src/control/tls-contexts.ts';
import { Cells } from '../../src/metrics/cells.ts';
import { serverConfig } from '../../src/settings/linkerd-tcp/server-config.ts';
import { surroundings } from '../support/running.ts';

const settings = (router: string, server: object = {}) => ({
  router,
  server: serverConfig.parse({ port: 7474, dstName: '/svc/web', ...server }),
  route: 1,
  named: null,
  identities: null,
  bufferSizeBytes: 1,
});

async function open() {
  const given = surroundings();
  const listener = await LiveListener.open(9, settings('a'), given.around);
  const adjust = (router: string) => {
    listener.prepare({ router, identities: null });
    return listener.adjust(settings(router));
  };
  const spec = () => given.fake.adjusted.at(-1) ?? given.fake.listening.get(9)!;
  const worker = new Cells(given.registry.pages[1]);
  return {
    ...given,
    listener,
    adjust,
    spec,
    worker,
    shows: (router: string) => given.registry.expose().includes(`rt="${router}"`),
  };
}

test('a renamed router: the old series are shown until their last session has ended and workers know the new ones', async () => {
  const { listener, adjust, spec, worker, shows, around } = await open();
  const { active } = spec().cells;
  worker.add(active, 1);
  assert.equal(adjust('b'), true);
  const { generation } = around.plane;
  for (let i = 0; i < 3; i++) listener.sweep(generation);
  assert.ok(shows('a') && shows('b'));
  worker.add(active, -1);
  for (let i = 0; i < 3; i++) listener.sweep(generation - 1);
  assert.ok(shows('a'), 'a worker may not have applied it');
  listener.sweep(generation);
  assert.ok(shows('a'), 'the worker may still be writing about the end of the session');
  listener.sweep(generation);
  assert.ok(!shows('a') && shows('b'));
});

test('series of a past router go although the listener always has sessions', async () => {
  const { listener, adjust, spec, worker, shows, values, around } = await open();
  adjust('b');
  worker.add(spec().cells.active, 1);
  Atomics.add(values, spec().active, 1);
  for (let i = 0; i < 2; i++) listener.sweep(around.plane.generation);
  assert.ok(!shows('a') && shows('b'));
});

test('a router that gets its name back counts on in its series', async () => {
  const { adjust, spec } = await open();
  const before = spec().cells;
  adjust('b');
  adjust('a');
  assert.deepEqual(spec().cells, before);
});

test('a listener that is being closed keeps its cells until no worker accepts any more', async () => {
  const { listener, shows, fake, around } = await open();
  const { promise, resolve } = Promise.withResolvers<void>();
  fake.closing = promise;
  const closing = listener.close();
  for (let i = 0; i < 3; i++) assert.equal(listener.sweep(around.plane.generation), false);
  assert.ok(shows('a'));
  assert.equal(fake.adjusted.at(-1)?.backlog, 1, 'its queue is kept short until it is closed');
  resolve();
  await closing;
  assert.deepEqual([listener.sweep(1), listener.sweep(1)], [false, true]);
  assert.ok(!shows('a'));
});

test('only another ip needs another socket; everything else changes in place', async () => {
  const { listener } = await open();
  const needsReopening = (server: object) => listener.needsReopening(settings('a', server).server);
  assert.deepEqual(
    [{ ip: '0.0.0.0' }, { backlog: 5 }, { keepAlive: { idleSecs: 5 } }, {}, { maxConcurrency: 1 }].map(needsReopening),
    [true, false, false, false, false],
  );
  assert.ok(listener.overlaps('0.0.0.0', 7474));
  assert.ok(!listener.overlaps('127.0.0.2', 7474) && !listener.overlaps('0.0.0.0', 7475));
});

test('TLS is turned on and off on the same socket, and each session counts in the series it began with', async () => {
  const { listener, spec, worker, around, registry } = await open();
  const identities = { exact: {}, wildcard: {}, fallback: 1 } as unknown as Identities;
  const plain = spec().cells;
  worker.add(plain.active, 1);
  listener.prepare({ router: 'a', identities });
  listener.adjust({ ...settings('a'), identities });
  assert.ok(spec().tls);
  for (let i = 0; i < 3; i++) listener.sweep(around.plane.generation);
  worker.add(plain.active, -1);
  listener.prepare({ router: 'a', identities: null });
  listener.adjust(settings('a'));
  assert.deepEqual([spec().tls, spec().cells], [null, plain]);
  for (let i = 0; i < 3; i++) listener.sweep(around.plane.generation);
  assert.ok(!registry.expose().includes('l5d:srv:tls:failure'), 'series without sessions are released');
});

test('a router that is prepared for and does not come leaves no series', async () => {
  const { listener, shows } = await open();
  listener.prepare({ router: 'b', identities: null });
  assert.ok(shows('b'));
  listener.unprepare();
  assert.ok(!shows('b') && shows('a'));
});
