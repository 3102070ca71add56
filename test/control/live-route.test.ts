/** A destination of the running proxy: its publications, its last good state, and the release of its resources. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { BehaviorSubject } from 'rxjs';
import { LiveRoute } from '../../src/control/live-route.ts';
import { leaf, neg, union } from '../../src/dtab/name-tree.ts';
import { failed, ok } from '../../src/live/activity.ts';
import { boundAddr } from '../../src/naming/addr.ts';
import type { FakePlane } from '../support/fake-plane.ts';
import { naming, surroundings } from '../support/running.ts';

function start(t: TestContext, room: Parameters<typeof surroundings>[0] = {}, name = naming()) {
  const given = surroundings(room);
  const route = new LiveRoute(1, name.settings, given.around);
  t.after(() => route.withdraw());
  return { ...given, route, name, last: () => shown(given.fake) };
}

/** The last publication: its ports, or its state and reason. */
function shown({ published }: FakePlane): string {
  const target = published.at(-1)!.target;
  if (target.state !== 'bound') return [target.state, ...(target.reason ? [target.reason] : [])].join(' ');
  return target.branches.map(({ endpoints }) => endpoints.map(({ port }) => port).join()).join('|');
}

const endpoints = (route: LiveRoute): string[] =>
  route.view().endpoints.map(({ address, state, branch }) => `${address} ${state} ${branch}`);

test('a reload whose new naming fails keeps the last good endpoints', async t => {
  const { route, name, last, fake, log } = start(t);
  await name.means(1, 2);
  assert.equal(last(), '1,2');
  const after = naming('b');
  route.adjust(after.settings);
  const publications = fake.published.length;
  await after.says(failed(new Error('namerd is away')));
  assert.equal(last(), '1,2');
  assert.equal(fake.published.length, publications, 'workers need not hear that an answer is stale');
  assert.equal(route.view().stale?.reason, '/svc/web cannot be resolved: namerd is away');
  assert.match(log.lines.at(-1)!, /the last good endpoints are kept: .*namerd is away/);
  await after.means(3);
  assert.equal(last(), '3');
  assert.equal(route.view().stale, undefined);
});

test('a reload whose new naming does not know the name keeps the last good endpoints, or drops them with onNegative: fail', async t => {
  for (const [onNegative, expected] of [
    ['keep', '1'],
    ['fail', 'negative'],
  ] as const) {
    const { route, name, last } = start(t);
    await name.means(1);
    const after = naming('b', onNegative);
    route.adjust(after.settings);
    await after.says(ok(neg));
    assert.match(last(), new RegExp(`^${expected}`));
  }
});

test('naming that fails from the start is published with its reason, for the access log of waiting connections', async t => {
  const { name, last } = start(t);
  await name.says(failed(new Error('namerd is away')));
  assert.equal(last(), 'pending namerd is away');
});

test('more endpoints than there is room for: the last ones are kept, it is said once, and taken when there is room', async t => {
  const { route, name, last, log, around } = start(t, { endpoints: 3 });
  await name.means(1, 2);
  await name.means(1, 2, 3, 4);
  assert.equal(last(), '1,2');
  assert.deepEqual(endpoints(route), ['10.0.0.1:1 available /b', '10.0.0.1:2 available /b']);
  const errors = (): string[] => log.lines.filter(line => line.startsWith('error'));
  assert.equal(errors().length, 1);
  assert.match(errors()[0], /\/svc\/web: not all of its endpoints can be taken.*the limit is 3.*fewer endpoints/);
  route.sweep(around.plane.generation);
  assert.equal(errors().length, 1);
  await name.means(1, 5, 6);
  assert.equal(last(), '1,2', 'the row of 2 is not free before 2 has left');
  await name.means(1);
  assert.equal(last(), '1');
  route.sweep(around.plane.generation);
  await name.means(1, 5, 6);
  assert.equal(last(), '1,5,6');
});

test('without room for the series of an endpoint, its row is released', async t => {
  const { name, last, around, registry } = start(t);
  await name.means(1);
  for (let i = 0; ; i++) {
    try {
      registry.scope({ rt: `filler ${i}` }).histogram('l5d:route_time_us');
    } catch {
      break;
    }
  }
  for (let i = 0; i < 100; i++) await name.means(1, ...Array.from({ length: 60 }, (_, port) => 100 + port));
  assert.equal(last(), '1');
  assert.equal(Array.from({ length: 63 }, () => around.slots.allocate()).length, 63, 'all rows but one are free');
});

test('no room for the series of a route: it is refused, and nothing is left of it', () => {
  const { around, counts } = surroundings({ cells: 40 });
  assert.throws(() => new LiveRoute(1, naming().settings, around), { code: 'SHARED_MEMORY_FULL' });
  assert.equal(around.registry.expose(), '');
  const again = [counts.take(), counts.take()].sort();
  assert.deepEqual(again, [0, 1], 'its shared counts are free again');
});

test('rows of a withdrawn route are kept while a session of it still waits or retries', async t => {
  const { route, name, fake, values, around } = start(t);
  await name.means(1);
  const { waiters } = fake.published.at(-1)!;
  Atomics.add(values, waiters, 1);
  route.withdraw();
  assert.equal(route.sweep(around.plane.generation), false);
  assert.deepEqual(endpoints(route), ['10.0.0.1:1 retired /']);
  assert.equal(route.view().withdrawn, true);
  Atomics.sub(values, waiters, 1);
  assert.equal(route.sweep(around.plane.generation), true);
});

test('a withdrawn route that comes back has its endpoints with their rows', async t => {
  const { route, name, fake, last, around } = start(t);
  await name.means(1, 2);
  const slots = () => {
    const { target } = fake.published.at(-1)!;
    return target.state === 'bound' ? target.branches[0].endpoints.map(({ slot }) => slot) : [];
  };
  const before = slots();
  around.table.addOpen(before[0], 1);
  route.withdraw();
  assert.equal(route.sweep(around.plane.generation), false);
  route.revive(naming('b').settings);
  assert.equal(last(), '1,2');
  assert.equal(slots()[0], before[0]);
  assert.equal(route.view().withdrawn, undefined);
});

test('an endpoint in two branches is listed for each', async t => {
  const { route, name } = start(t);
  const branch = (id: string, weight: number) => ({
    weight: 1,
    tree: leaf({
      id: [id],
      residual: [],
      addr: new BehaviorSubject(boundAddr([{ ip: '10.0.0.1', port: 1, meta: { endpoint_addr_weight: weight } }])),
    }),
  });
  await name.says(ok(union(branch('x', 1), branch('y', 5))));
  assert.deepEqual(
    route.view().endpoints.map(({ branch: id, weight }) => [id, weight]),
    [
      ['/x', 1],
      ['/y', 5],
    ],
  );
});

test('a name that clients ask for has no series of its own until it is bound', async () => {
  const { around, registry, fake } = surroundings();
  const { settings, means } = naming();
  const routes = Array.from(
    { length: 100 },
    (_, i) => new LiveRoute(i + 1, { ...settings, dst: ['svc', `x${i}`] }, around, true),
  );
  const series = (): number =>
    registry
      .expose()
      .split('\n')
      .filter(line => line.startsWith('l5d:balancer:')).length;
  const before = series();
  assert.ok(before < 200, `${before} lines for ${routes.length} names that mean nothing`);
  assert.ok(registry.expose().includes('dst="(unresolved)"') && !registry.expose().includes('dst="/svc/x7"'));
  await means(80);
  assert.ok(registry.expose().includes('dst="/svc/x7"'));
  assert.notEqual(fake.published.at(-1)?.cells.attempts, fake.published[0]?.cells.attempts);
  for (const route of routes) route.withdraw();
  for (let n = 0; n < 2; n++) for (const route of routes) route.sweep(around.plane.generation);
  assert.equal(series(), 0);
});
