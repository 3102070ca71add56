/** Routes by server name: made when a worker asks, shared, bounded, forgotten when they are idle. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LiveRoutes } from '../../src/control/live-routes.ts';
import { NamedRoutes, type NameLimits } from '../../src/control/named-routes.ts';
import type { NameToRoute } from '../../src/control/plan.ts';
import { neg } from '../../src/dtab/name-tree.ts';
import { ok } from '../../src/live/activity.ts';
import { naming, surroundings } from '../support/running.ts';

/** One listener, 7, whose names lead to `/svc/…`; names are followed by an interpreter each, whose answer the test gives. */
function start(limits: Partial<NameLimits> = {}, room: Parameters<typeof surroundings>[0] = {}) {
  const given = surroundings(room);
  const clock = { now: 0 };
  const around = { ...given.around, now: () => clock.now };
  let lastId = 0;
  const routes = new LiveRoutes(around, () => ++lastId);
  const names = new NamedRoutes({ plane: around.plane, routes, log: given.log, now: around.now, limits });
  const answers = new Map<string, ReturnType<typeof naming>>();
  const leadTo =
    (parent: string, key = 'a'): NameToRoute =>
    name => {
      const dst = [parent, name];
      const answer = answers.get(name) ?? naming();
      answers.set(name, answer);
      return { key: `/${dst.join('/')}`, settings: { ...answer.settings, dst, namingKey: key } };
    };
  names.serve(7, leadTo('svc'));
  return {
    ...given,
    clock,
    routes,
    names,
    leadTo,
    /** The meaning of the name, set on its interpreter. */
    answer: (name: string) => answers.get(name)!,
    /** Messages to the data plane since the last call. */
    told: () => given.fake.told.splice(0),
    waitersOf: (id: number) => given.fake.published.find(route => route.id === id)!.waiters,
    /** As once a second; all workers have applied everything. */
    sweep: (planned: readonly string[] = []) => {
      names.sweep();
      const named = names.keys();
      routes.sweep(around.plane.generation, key => planned.includes(key) || named.has(key));
    },
    alive: () => routes.views().map(({ dst, withdrawn }) => (withdrawn ? `${dst} withdrawn` : dst)),
  };
}

test('a name that is asked for gets a route, which is published before the answer', () => {
  const { names, told } = start();
  names.asked(7, 'a.test');
  assert.deepEqual(told(), ['publish 1', 'named 7 a.test 1']);
});

test('a second worker that asks for a known name is answered with the same route', () => {
  const { names, told } = start();
  names.asked(7, 'a.test');
  told();
  names.asked(7, 'a.test');
  assert.deepEqual(told(), ['named 7 a.test 1']);
});

test('a route that is there already, of the configuration or of another listener, is shared', () => {
  const { names, routes, leadTo, told } = start();
  const { key, settings } = leadTo('svc')('a.test');
  routes.begin(key, settings);
  names.serve(8, leadTo('svc'));
  told();
  names.asked(7, 'a.test');
  names.asked(8, 'a.test');
  assert.deepEqual(told(), ['named 7 a.test 1', 'named 8 a.test 1']);
});

test('a request for a name on a closed listener is refused, and no route is made', () => {
  const { names, told, alive } = start();
  names.asked(6, 'a.test');
  names.drop(7);
  names.asked(7, 'a.test');
  assert.deepEqual(told(), ['named 6 a.test null', 'named 7 a.test null']);
  assert.deepEqual(alive(), []);
});

test('a name is forgotten after ten minutes without a connection: first by the workers, then its route goes', async () => {
  const { names, clock, sweep, told, alive, answer } = start();
  names.asked(7, 'a.test');
  await answer('a.test').means(1);
  told();
  clock.now = 599_999;
  sweep();
  assert.deepEqual(told(), []);
  clock.now = 600_000;
  sweep();
  assert.deepEqual(told(), ['unnamed 7 a.test']);
  assert.deepEqual(alive(), ['/svc/a.test'], 'a session may be on its way');
  sweep();
  assert.deepEqual(told(), ['unroute 1']);
  sweep();
  assert.deepEqual(alive(), []);
});

test('a name with an open or a waiting connection is kept, and its ten minutes begin when that ends', async () => {
  const { names, clock, sweep, told, answer, table, values, waitersOf } = start();
  names.asked(7, 'a.test');
  await answer('a.test').means(1);
  const waiters = waitersOf(1);
  told();
  const spans = [
    [() => table.addOpen(0, 1), () => table.addOpen(0, -1)],
    [() => void Atomics.add(values, waiters, 1), () => void Atomics.sub(values, waiters, 1)],
  ] as const;
  for (const [begins, ends] of spans) {
    begins();
    for (const at of [500_000, 1_000_000]) {
      clock.now += at;
      sweep();
    }
    ends();
    clock.now += 599_999;
    sweep();
    assert.deepEqual(told(), []);
  }
  clock.now += 1;
  sweep();
  assert.deepEqual(told(), ['unnamed 7 a.test']);
});

test('connections too short to be seen keep a name, too', async () => {
  const { names, clock, sweep, told, answer, fake, registry } = start();
  names.asked(7, 'a.test');
  await answer('a.test').means(1);
  told();
  for (let i = 0; i < 3; i++) {
    registry.main.add(fake.published.at(-1)!.cells.attempts, 1);
    clock.now += 599_999;
    sweep();
    assert.deepEqual(told(), []);
  }
});

test('idle connections do not keep a name', async () => {
  const { names, clock, sweep, told, answer, table, leadTo } = start();
  const to = leadTo('svc');
  names.serve(7, name => {
    const { key, settings } = to(name);
    return { key, settings: { ...settings, client: { ...settings.client, minConnections: 2 } } };
  });
  names.asked(7, 'a.test');
  await answer('a.test').means(1);
  for (let i = 0; i < 2; i++) table.addOpen(0, 1);
  told();
  clock.now = 600_000;
  sweep();
  assert.deepEqual(told(), ['unnamed 7 a.test']);
});

test('a name that does not resolve is dropped after ten seconds', async () => {
  const { names, clock, sweep, told, answer } = start();
  names.asked(7, 'a.test');
  await answer('a.test').says(ok(neg));
  told();
  clock.now = 9_999;
  sweep();
  assert.deepEqual(told(), []);
  clock.now = 10_000;
  sweep();
  assert.deepEqual(told(), ['unnamed 7 a.test']);
});

test('a name that is asked for again before its route went has the same route', async () => {
  const { names, clock, sweep, told, answer } = start();
  names.asked(7, 'a.test');
  await answer('a.test').means(1);
  clock.now = 600_000;
  sweep();
  told();
  names.asked(7, 'a.test');
  for (let i = 0; i < 3; i++) sweep();
  assert.deepEqual(told(), ['named 7 a.test 1']);
});

test('a route that is still needed by the configuration stays when its name is forgotten', async () => {
  const { names, routes, leadTo, clock, sweep, alive } = start();
  const { key, settings } = leadTo('svc')('a.test');
  routes.begin(key, settings);
  names.asked(7, 'a.test');
  clock.now = 600_000;
  for (let i = 0; i < 4; i++) sweep([key]);
  assert.deepEqual(alive(), ['/svc/a.test']);
});

test('a route with a waiting session is not withdrawn before that is over', async () => {
  const { names, clock, sweep, told, values, waitersOf } = start();
  names.asked(7, 'a.test');
  clock.now = 600_000;
  sweep();
  Atomics.add(values, waitersOf(1), 1);
  told();
  for (let i = 0; i < 5; i++) sweep();
  assert.deepEqual(told(), []);
  Atomics.sub(values, waitersOf(1), 1);
  for (let i = 0; i < 2; i++) sweep();
  assert.deepEqual(told(), ['unroute 1']);
});

test('with as many names as there may be, the one that was idle for longest makes room', () => {
  const { names, clock, told } = start({ maxNames: 3 });
  for (const name of ['a', 'b', 'c']) {
    names.asked(7, name);
    clock.now += 1_000;
  }
  told();
  names.asked(7, 'd');
  assert.deepEqual(told(), ['unnamed 7 a', 'publish 4', 'named 7 d 4']);
});

test('a name that does not resolve is replaced first, however new it is', async () => {
  const { names, clock, told, answer } = start({ maxNames: 2 });
  names.asked(7, 'a');
  clock.now += 60_000;
  names.asked(7, 'b');
  await answer('b').says(ok(neg));
  clock.now += 1_000;
  told();
  names.asked(7, 'c');
  assert.equal(told()[0], 'unnamed 7 b');
});

test('when all are in use or just made a new one is refused, and nothing is kept of it', () => {
  const { names, clock, told, values, waitersOf, log, alive } = start({ maxNames: 1 });
  names.asked(7, 'a');
  told();
  clock.now = 999;
  names.asked(7, 'b');
  clock.now = 5_000;
  Atomics.add(values, waitersOf(1), 1);
  names.asked(7, 'b');
  assert.deepEqual(told(), ['named 7 b null', 'named 7 b null']);
  assert.deepEqual(alive(), ['/svc/a']);
  assert.match(log.lines.at(-1)!, /^warn: a client asks for b and is refused: 1 server names are in use/);
});

test('names of all listeners are counted together', () => {
  const { names, told, leadTo } = start({ maxNames: 1 });
  names.serve(8, leadTo('svc'));
  names.asked(7, 'a');
  names.asked(8, 'a');
  assert.deepEqual(told(), ['publish 1', 'named 7 a 1', 'named 8 a null']);
});

test('the number of routes is bounded however fast new names arrive', () => {
  const { names, clock, sweep, alive } = start({ maxNames: 10 }, { cells: 1 << 18 });
  let most = 0;
  for (let i = 0; i < 2_000; i++) {
    names.asked(7, `name-${i}`);
    clock.now += 100;
    if (i % 10 === 0) sweep();
    most = Math.max(most, alive().length);
  }
  assert.ok(most <= 30, `${most} routes`);
  assert.equal(names.keys().size, 10);
});

test('events that many clients cause are rate-limited in the log', async () => {
  const { names, clock, log } = start({ maxNames: 0 });
  for (let i = 0; i < 1_000; i++) names.asked(7, `name-${i}`);
  assert.equal(log.lines.length, 20);
  clock.now = 10_000;
  names.asked(7, 'another');
  assert.deepEqual([log.lines.length, log.lines[20]], [22, 'info: 980 similar lines were suppressed']);
});

test('without room for any series a new name is refused', () => {
  const { names, told, log } = start({}, { cells: 20 });
  names.asked(7, 'a');
  assert.deepEqual(told(), ['named 7 a null']);
  assert.match(log.lines.at(-1)!, /^error: a client that asks for a new server name is refused: cannot add another/);
});

test('a closed listener loses its names, and their routes end', () => {
  const { names, told, sweep, alive } = start();
  names.asked(7, 'a.test');
  names.asked(7, 'b.test');
  told();
  names.drop(7);
  assert.deepEqual(told(), ['unnamed 7 a.test', 'unnamed 7 b.test']);
  for (let i = 0; i < 3; i++) sweep();
  assert.deepEqual(alive(), []);
});

test('after a reload names stay, and their routes follow the new naming', async () => {
  const { names, told, leadTo, answer, fake } = start();
  names.asked(7, 'a.test');
  await answer('a.test').means(1);
  told();
  const other = naming('b');
  names.serve(7, name => {
    const { key } = leadTo('svc')(name);
    return { key, settings: { ...other.settings, dst: ['svc', name] } };
  });
  assert.deepEqual(told(), []);
  await other.means(2);
  const { target } = fake.published.at(-1)!;
  assert.deepEqual(target.state === 'bound' && target.branches[0].endpoints.map(({ port }) => port), [2]);
});

test('after a reload with another dstName known names lead there at once', () => {
  const { names, told, leadTo, sweep, alive } = start();
  names.asked(7, 'a.test');
  told();
  names.serve(7, leadTo('web'));
  assert.deepEqual(told(), ['publish 2', 'named 7 a.test 2']);
  for (let i = 0; i < 3; i++) sweep();
  assert.deepEqual(alive(), ['/web/a.test']);
});
