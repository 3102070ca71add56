/** Which series exist, what they add up to, and when their cells are used again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cells } from '../../src/metrics/cells.ts';
import { histogramSize } from '../../src/metrics/layout.ts';
import { Registry } from '../../src/metrics/registry.ts';
import { parseExposition } from './parse-exposition.ts';

const server = { rt: 'edge', srv_addr: '127.0.0.1:7474' };
const series = (registry: Registry, family: string) =>
  (parseExposition(registry.expose()).get(family)?.samples ?? []).map(({ labels, value }) => ({ ...labels, value }));

test('a counter is the sum of what every thread counted', () => {
  const registry = new Registry({ pages: 3 });
  const accepts = registry.scope(server).counter('l5d:srv:accepts');
  for (const [i, page] of registry.pages.entries()) new Cells(page).add(accepts, 10 ** i);
  assert.deepEqual(series(registry, 'l5d:srv:accepts'), [{ ...server, value: 111 }]);
});

test('a series is there with zero from its registration on', () => {
  const registry = new Registry({ pages: 1 });
  registry.scope(server).gauge('l5d:srv:active');
  assert.equal(
    registry.expose(),
    '# HELP l5d:srv:active Connections accepted and not yet ended.\n' +
      '# TYPE l5d:srv:active gauge\n' +
      'l5d:srv:active{rt="edge",srv_addr="127.0.0.1:7474"} 0\n',
  );
});

test('a histogram adds up its threads, cumulates its buckets and shows its extremes as gauges', () => {
  const registry = new Registry({ pages: 2 });
  const duration = registry.scope(server).histogram('l5d:srv:stream:duration_ms');
  new Cells(registry.pages[0]).observe(duration, 3);
  new Cells(registry.pages[1]).observe(duration, 40);
  const families = parseExposition(registry.expose());
  const samples = families.get('l5d:srv:stream:duration_ms')!.samples;
  const bucket = (le: string) => samples.find(each => each.labels['le'] === le)?.value;
  assert.deepEqual(['2', '5', '20', '50', '5000000000', '+Inf'].map(bucket), [0, 1, 1, 2, 2, 2]);
  assert.deepEqual(
    samples.slice(-2).map(({ name, value }) => [name, value]),
    [
      ['l5d:srv:stream:duration_ms_sum', 43],
      ['l5d:srv:stream:duration_ms_count', 2],
    ],
  );
  assert.equal(families.get('l5d:srv:stream:duration_ms_min')?.samples[0].value, 3);
  assert.equal(families.get('l5d:srv:stream:duration_ms_max')?.samples[0].value, 40);
});

test('an empty histogram has buckets of zero and no extremes', () => {
  const registry = new Registry({ pages: 1 });
  registry.scope(server).histogram('l5d:srv:tls:handshake_us');
  const families = parseExposition(registry.expose());
  assert.equal(families.get('l5d:srv:tls:handshake_us')?.samples.length, 33);
  assert.equal(families.has('l5d:srv:tls:handshake_us_min'), false);
});

test('the values of one label lie in consecutive cells', () => {
  const registry = new Registry({ pages: 1 });
  const first = registry.scope(server).counters('l5d:srv:stream:end', 'cause', ['--', 'RT', 'RU']);
  registry.main.add(first + 2, 5);
  assert.deepEqual(series(registry, 'l5d:srv:stream:end'), [
    { cause: '--', ...server, value: 0 },
    { cause: 'RT', ...server, value: 0 },
    { cause: 'RU', ...server, value: 5 },
  ]);
  assert.equal(registry.scope(server).counter('l5d:srv:stream:end', { cause: 'RU' }), first + 2);
});

test('the same series registered twice is one series until both registrations are released', () => {
  const registry = new Registry({ pages: 1 });
  const [one, two] = [registry.scope(server), registry.scope(server)];
  const cell = one.counter('l5d:srv:accepts');
  assert.equal(two.counter('l5d:srv:accepts'), cell);
  registry.main.add(cell, 4);
  one.release();
  one.confirmReleased();
  assert.deepEqual(series(registry, 'l5d:srv:accepts'), [{ ...server, value: 4 }]);
  two.release();
  assert.equal(registry.expose(), '');
});

test('cells are zeroed and used again only when no thread can write to them any more', () => {
  const registry = new Registry({ pages: 2 });
  const old = registry.scope(server);
  const cell = old.counter('l5d:srv:accepts');
  const worker = new Cells(registry.pages[1]);
  worker.add(cell, 7);
  old.release();
  assert.equal(registry.expose(), '');

  const anew = registry.scope(server);
  const other = anew.counter('l5d:srv:accepts');
  assert.notEqual(other, cell, 'a worker may still write to the released cell');
  worker.add(cell, 1);
  assert.deepEqual(series(registry, 'l5d:srv:accepts'), [{ ...server, value: 0 }]);

  old.confirmReleased();
  const next = registry.scope({ rt: 'edge', srv_addr: 'b' }).counter('l5d:srv:accepts');
  assert.equal(next, cell);
  assert.deepEqual(series(registry, 'l5d:srv:accepts').at(-1), { rt: 'edge', srv_addr: 'b', value: 0 });
});

test('of two registrations released, the cells wait for the confirmation of both', () => {
  const registry = new Registry({ pages: 1 });
  const [one, two] = [registry.scope(server), registry.scope(server)];
  const cell = one.counter('l5d:srv:accepts');
  two.counter('l5d:srv:accepts');
  one.release();
  two.release();
  two.confirmReleased();
  const next = () => registry.scope({ rt: 'edge', srv_addr: crypto.randomUUID() }).counter('l5d:srv:accepts');
  assert.notEqual(next(), cell);
  one.confirmReleased();
  assert.equal(next(), cell);
});

test('releasing or confirming twice changes nothing', () => {
  const registry = new Registry({ pages: 1 });
  const [one, two] = [registry.scope(server), registry.scope(server)];
  one.counter('l5d:srv:accepts');
  two.counter('l5d:srv:accepts');
  for (let i = 0; i < 2; i++) {
    one.release();
    one.confirmReleased();
  }
  assert.equal(series(registry, 'l5d:srv:accepts').length, 1);
});

test('a series above the limit is refused, and existing ones keep working', () => {
  const registry = new Registry({ pages: 1, capacity: histogramSize + 2 });
  const scope = registry.scope(server);
  const cell = scope.counter('l5d:srv:accepts');
  scope.histogram('l5d:srv:stream:duration_ms');
  const before = registry.expose();
  assert.throws(() => scope.counter('l5d:srv:closes'), {
    code: 'SHARED_MEMORY_FULL',
    message: 'cannot add another series of l5d:srv:closes: the limit is 36 cells',
  });
  assert.equal(registry.expose(), before);
  scope.release();
  scope.confirmReleased();
  const again = registry.scope(server);
  assert.notEqual(again.counters('l5d:srv:connect:failure', 'cause', ['timeout', 'other']), cell);
});

test('a computed value is read at every scrape; NaN means that there is none', () => {
  const registry = new Registry({ pages: 1 });
  let value = 1.5;
  registry.scope({ dst: '/svc/a', rt: 'edge' }).computed('l5d:resolver:stale_seconds', {}, () => value);
  assert.equal(series(registry, 'l5d:resolver:stale_seconds')[0].value, 1.5);
  value = Number.NaN;
  assert.equal(registry.expose(), '');
});

test('of two computed values of one series the newer is read, and the older again when it is released', () => {
  const registry = new Registry({ pages: 1 });
  const [old, fresh] = [registry.scope({}), registry.scope({})];
  old.computed('l5d:process:open_fds', {}, () => 1);
  fresh.computed('l5d:process:open_fds', {}, () => 2);
  assert.deepEqual(series(registry, 'l5d:process:open_fds'), [{ value: 2 }]);
  fresh.release();
  assert.deepEqual(series(registry, 'l5d:process:open_fds'), [{ value: 1 }]);
  old.release();
  assert.equal(registry.expose(), '');
});

test('labels other than those of the family are a mistake that is named', () => {
  const registry = new Registry({ pages: 1 });
  assert.throws(() => registry.scope({ rt: 'edge' }).counter('l5d:srv:accepts'), {
    message: 'l5d:srv:accepts has the labels [rt, srv_addr], not [rt]',
  });
});

test('the same series cannot be registered both alone and as the member of another row', () => {
  const registry = new Registry({ pages: 1 });
  const scope = registry.scope(server);
  scope.counter('l5d:srv:stream:end', { cause: 'RT' });
  assert.throws(() => scope.counters('l5d:srv:stream:end', 'cause', ['--', 'RT']), /already registered/);
});

test('a value that cannot be read is missing from a scrape, and everything else is there', () => {
  const registry = new Registry({ pages: 1 });
  const scope = registry.scope({});
  scope.computed('l5d:process:open_fds', {}, () => {
    throw new Error('EMFILE: too many open files');
  });
  scope.computed('l5d:process:uptime_seconds', {}, () => 7);
  assert.deepEqual(series(registry, 'l5d:process:uptime_seconds'), [{ value: 7 }]);
  assert.doesNotMatch(registry.expose(), /open_fds/);
});
