/** From a name to the branches that a proxy balances over. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { BehaviorSubject, Subject } from 'rxjs';
import { empty, fail, leaf, type NameTree, neg, union } from '../../src/dtab/name-tree.ts';
import { parsePath } from '../../src/dtab/parse.ts';
import { showPath } from '../../src/dtab/show.ts';
import { type Activity, failed, ok, pending } from '../../src/live/activity.ts';
import {
  type Addr,
  boundAddr,
  failedAddr,
  filteredAddr,
  type Meta,
  negAddr,
  pendingAddr,
} from '../../src/naming/addr.ts';
import { branchesOf } from '../../src/naming/branches.ts';
import type { Delegation } from '../../src/naming/delegation.ts';
import { type Destination, type DestinationOptions, destination } from '../../src/naming/destination.ts';
import type { Interpreter } from '../../src/naming/interpreter.ts';
import type { Bound } from '../../src/naming/name.ts';
import { tree as anyTree } from '../support/dtab-arbitraries.ts';
import { observe, recordedLog } from '../support/naming.ts';

const at = (...endpoints: string[]): Addr =>
  boundAddr(
    endpoints.map(endpoint => {
      const [ip, port, weight] = endpoint.split(' ');
      const meta: Meta = weight === undefined ? {} : { endpoint_addr_weight: Number(weight) };
      return { ip, port: Number(port), meta };
    }),
  );

interface Leaf extends Bound {
  readonly addr: BehaviorSubject<Addr>;
}

const named = (id: string, addr: Addr = pendingAddr): Leaf => ({
  id: parsePath(id),
  residual: [],
  addr: new BehaviorSubject(addr),
});

function bound(
  t: TestContext,
  {
    onNegative = 'keep' as 'keep' | 'fail',
    delegation,
    initial,
    fallback,
  }: { onNegative?: 'keep' | 'fail'; delegation?: Delegation } & Pick<DestinationOptions, 'initial' | 'fallback'> = {},
) {
  const tree = new BehaviorSubject<Activity<NameTree<Bound>>>(pending);
  const log = recordedLog();
  let clock = 1000;
  const timers = new Set<{ readonly at: number; readonly run: () => void }>();
  const after = (ms: number, run: () => void) => {
    const timer = { at: clock + ms, run };
    timers.add(timer);
    return () => timers.delete(timer);
  };
  const interpreter: Interpreter = {
    bind: () => tree,
    delegate: () => (delegation ? Promise.resolve(delegation) : Promise.reject(new Error('cannot'))),
  };
  const observer = observe(
    t,
    destination(interpreter, [], ['svc', 'web'], { onNegative, now: () => clock, log, initial, fallback, after }),
  );
  return {
    log,
    observer,
    tree: (value: NameTree<Bound>) => tree.next(ok(value)),
    keeps: (value: NameTree<Bound>, reason: string) =>
      tree.next({ ...ok(value), unconfirmed: new Error(reason) } as never),
    fails: (message: string) => tree.next(failed(new Error(message))),
    waits: () => tree.next(pending),
    lacks: (value: NameTree<Bound>) => tree.next({ state: 'ok', value, isPartial: true }),
    passes: (ms: number) => {
      clock += ms;
      for (const timer of timers) if (timer.at <= clock && timers.delete(timer)) timer.run();
    },
    timers,
    /** What is said once everything that is under way has been said. */
    settled: async () => {
      await new Promise(setImmediate);
      return observer.last!;
    },
  };
}

function show(value: Destination): string {
  if (value.state === 'pending') return 'pending';
  if (value.state !== 'bound') return `${value.state}: ${value.reason}`;
  const branches = value.branches.map(
    ({ weight, id, addresses }) =>
      `${Number(weight.toFixed(4))}*${showPath(id)}[${addresses.map(({ ip, port, weight: w }) => `${ip}:${port}${w === 1 ? '' : `*${w}`}`)}]`,
  );
  return branches.join(' ') + (value.stale ? ` stale since ${value.stale.sinceMs}: ${value.stale.reason}` : '');
}

test('a leaf is one branch, its endpoints sorted, each ip and port once with the weight given last', async t => {
  const d = bound(t);
  d.tree(leaf(named('/#/a', at('10.0.0.2 80', '10.0.0.1 81', '10.0.0.1 80 2', '10.0.0.2 80 0.5'))));
  assert.equal(show(await d.settled()), '1*/#/a[10.0.0.1:80*2,10.0.0.1:81,10.0.0.2:80*0.5]');
});

test('nested unions multiply their shares, normalised at each level; weights of zero alone are equal', async t => {
  const d = bound(t);
  const [a, b, c] = ['/a', '/b', '/c'].map(id => leaf(named(id, at('10.0.0.1 1'))));
  d.tree(union({ weight: 3, tree: a }, { weight: 1, tree: union({ weight: 0, tree: b }, { weight: 0, tree: c }) }));
  assert.equal(show(await d.settled()), '0.75*/a[10.0.0.1:1] 0.125*/b[10.0.0.1:1] 0.125*/c[10.0.0.1:1]');
});

test('an Empty branch, and one whose addresses are none, keep their share', async t => {
  const d = bound(t);
  d.tree(
    union(
      { weight: 2, tree: leaf(named('/a', at('10.0.0.1 1'))) },
      { weight: 1, tree: empty },
      { weight: 1, tree: leaf(named('/b', negAddr)) },
    ),
  );
  assert.equal(show(await d.settled()), '0.5*/a[10.0.0.1:1] 0.25*/[] 0.25*/b[]');
});

test('the first answer waits up to two seconds for the branches that are not known yet', async t => {
  const [a, b] = [named('/a', at('10.0.0.1 1')), named('/b')];
  const both = union({ weight: 99, tree: leaf(b) }, { weight: 1, tree: leaf(a) });
  const d = bound(t);
  d.lacks(leaf(a));
  assert.equal(show(await d.settled()), 'pending', 'b is not even a name yet');
  d.tree(both);
  assert.equal(show(await d.settled()), 'pending', 'b has no addresses yet');
  b.addr.next(at('10.0.0.2 1'));
  assert.equal(show(await d.settled()), '0.99*/b[10.0.0.2:1] 0.01*/a[10.0.0.1:1]');
  const e = bound(t);
  e.lacks(leaf(a));
  await e.settled();
  e.passes(1999);
  assert.equal(show(await e.settled()), 'pending');
  e.passes(1);
  assert.equal(show(await e.settled()), '1*/a[10.0.0.1:1]');
  e.observer.stop();
  assert.equal(e.timers.size, 0);
});

test('a branch that a transformer left without addresses gives its share to the others', async t => {
  const [a, b] = [named('/a', at('10.0.0.1 1')), named('/b', filteredAddr)];
  const d = bound(t);
  d.tree(union({ weight: 1, tree: leaf(a) }, { weight: 1, tree: leaf(b) }));
  assert.equal(show(await d.settled()), '1*/a[10.0.0.1:1]');
  b.addr.next(at('10.0.0.2 1'));
  assert.equal(show(await d.settled()), '0.5*/a[10.0.0.1:1] 0.5*/b[10.0.0.2:1]');
  b.addr.next(filteredAddr);
  assert.equal(show(await d.settled()), '1*/a[10.0.0.1:1]');
});

test('a branch that became empty keeps its last addresses with onNegative keep, and its share without them with fail', async t => {
  for (const onNegative of ['keep', 'fail'] as const) {
    const [a, b] = [named('/a', at('10.0.0.1 1')), named('/b', at('10.0.0.2 1'))];
    const d = bound(t, { onNegative });
    d.tree(union({ weight: 1, tree: leaf(a) }, { weight: 1, tree: leaf(b) }));
    await d.settled();
    b.addr.next(negAddr);
    assert.equal(
      show(await d.settled()),
      onNegative === 'fail'
        ? '0.5*/a[10.0.0.1:1] 0.5*/b[]'
        : '0.5*/a[10.0.0.1:1] 0.5*/b[10.0.0.2:1] stale since 1000: /svc/web has no address: there is none in /b',
    );
    b.addr.next(at('10.0.0.3 1'));
    assert.equal(show(await d.settled()), '0.5*/a[10.0.0.1:1] 0.5*/b[10.0.0.3:1]');
  }
});

test('a branch whose addresses are not known is left out until they are; none known is pending', async t => {
  const d = bound(t);
  const [a, b] = [named('/a'), named('/b')];
  d.tree(union({ weight: 1, tree: leaf(a) }, { weight: 1, tree: leaf(b) }));
  assert.equal(show(await d.settled()), 'pending');
  b.addr.next(failedAddr(new Error('no answer')));
  a.addr.next(at('10.0.0.1 1'));
  assert.equal(show(await d.settled()), '1*/a[10.0.0.1:1]');
  b.addr.next(at('10.0.0.2 1'));
  assert.equal(show(await d.settled()), '0.5*/a[10.0.0.1:1] 0.5*/b[10.0.0.2:1]');
});

test('changes of one turn are one emission, and what says the same is none', async t => {
  const d = bound(t);
  const a = named('/a', at('10.0.0.1 1'));
  d.tree(leaf(a));
  a.addr.next(at('10.0.0.2 1'));
  a.addr.next(at('10.0.0.3 1', '10.0.0.4 1'));
  await d.settled();
  a.addr.next(at('10.0.0.4 1', '10.0.0.3 1'));
  d.tree(leaf(named('/a', at('10.0.0.3 1', '10.0.0.4 1'))));
  await d.settled();
  assert.deepEqual(d.observer.values.map(show), ['1*/a[10.0.0.3:1,10.0.0.4:1]']);
});

test('a weight that is not a number >= 0 counts as 1, with one warning', async t => {
  const d = bound(t);
  const a = named('/a');
  d.tree(leaf(a));
  for (const weight of [Number.NaN, -1, Number.POSITIVE_INFINITY, 'x', {}, null]) {
    a.addr.next(boundAddr([{ ip: '10.0.0.1', port: 1, meta: { endpoint_addr_weight: weight } }]));
    assert.equal(show(await d.settled()), '1*/a[10.0.0.1:1]');
  }
  a.addr.next(boundAddr([{ ip: '10.0.0.1', port: 1, meta: { endpoint_addr_weight: '0.5' } }]));
  assert.equal(show(await d.settled()), '1*/a[10.0.0.1:1*0.5]');
  assert.equal(d.log.lines.length, 1);
  assert.match(d.log.lines[0], /\/svc\/web/);
});

test('before a good answer a failure is a failure; after it the last good branches stay, and are called stale', async t => {
  const d = bound(t);
  d.fails('connection refused');
  assert.equal(show(await d.settled()), 'failed: /svc/web cannot be resolved: connection refused');
  d.tree(leaf(named('/a', at('10.0.0.1 1'))));
  assert.equal(show(await d.settled()), '1*/a[10.0.0.1:1]');
  d.fails('connection reset');
  assert.equal(
    show(await d.settled()),
    '1*/a[10.0.0.1:1] stale since 1000: /svc/web cannot be resolved: connection reset',
  );
  d.passes(500);
  d.fails('connection refused');
  assert.equal(
    show(await d.settled()),
    '1*/a[10.0.0.1:1] stale since 1000: /svc/web cannot be resolved: connection refused',
  );
  d.tree(leaf(named('/a', at('10.0.0.2 1'))));
  assert.equal(show(await d.settled()), '1*/a[10.0.0.2:1]');
});

test('addresses that fail after they were good stay, and are called stale', async t => {
  const d = bound(t);
  const a = named('/a', at('10.0.0.1 1'));
  d.tree(leaf(a));
  await d.settled();
  a.addr.next(failedAddr(new Error('lost')));
  assert.equal(show(await d.settled()), '1*/a[10.0.0.1:1] stale since 1000: /a: lost');
  a.addr.next(pendingAddr);
  assert.equal(show(await d.settled()), '1*/a[10.0.0.1:1] stale since 1000: /a: lost');
  a.addr.next(at('10.0.0.1 1'));
  assert.equal(show(await d.settled()), '1*/a[10.0.0.1:1]');
});

test('a tree that its interpreter keeps unconfirmed is stale, and the addresses in it are still followed', async t => {
  const d = bound(t);
  const a = named('/a', at('10.0.0.1 1'));
  const tree = leaf<Bound>(a);
  d.tree(tree);
  await d.settled();
  d.keeps(tree, 'namerd is away');
  const reason = '/svc/web cannot be resolved: namerd is away';
  assert.equal(show(await d.settled()), `1*/a[10.0.0.1:1] stale since 1000: ${reason}`);
  d.passes(500);
  a.addr.next(at('10.0.0.2 1'));
  assert.equal(show(await d.settled()), `1*/a[10.0.0.2:1] stale since 1000: ${reason}`);
  d.tree(tree);
  assert.equal(show(await d.settled()), '1*/a[10.0.0.2:1]');
});

test('addresses that are kept unconfirmed are stale, since the oldest of them', async t => {
  const d = bound(t);
  const [a, b] = [named('/a', at('10.0.0.1 1')), named('/b', at('10.0.0.2 1'))];
  d.tree({
    type: 'union',
    branches: [
      { weight: 1, tree: leaf(a) },
      { weight: 1, tree: leaf(b) },
    ],
  });
  await d.settled();
  b.addr.next({ ...at('10.0.0.2 1'), unconfirmed: new Error('lost b') } as Addr);
  await d.settled();
  d.passes(500);
  a.addr.next({ ...at('10.0.0.1 1'), unconfirmed: new Error('lost a') } as Addr);
  assert.equal(show(await d.settled()), '0.5*/a[10.0.0.1:1] 0.5*/b[10.0.0.2:1] stale since 1000: /b: lost b');
  b.addr.next(at('10.0.0.2 1'));
  assert.equal(show(await d.settled()), '0.5*/a[10.0.0.1:1] 0.5*/b[10.0.0.2:1] stale since 1500: /a: lost a');
});

test('another meaning takes over only once it is known', async t => {
  const d = bound(t);
  const b = named('/b');
  d.tree(leaf(named('/a', at('10.0.0.1 1'))));
  await d.settled();
  d.tree(leaf(b));
  d.waits();
  assert.equal(show(await d.settled()), '1*/a[10.0.0.1:1]');
  b.addr.next(at('10.0.0.2 1'));
  assert.equal(show(await d.settled()), '1*/b[10.0.0.2:1]');
});

for (const [what, forget] of [
  ['a name that means nothing any more', d => d.tree(neg)],
  ['a name without any address any more', d => d.tree(leaf(named('/a', at())))],
  ['a name that is Empty now', d => d.tree(empty)],
] as [string, (d: ReturnType<typeof bound>) => void][])
  test(`${what} keeps its last good branches with onNegative keep, and is negative with fail`, async t => {
    for (const onNegative of ['keep', 'fail'] as const) {
      const d = bound(t, { onNegative });
      d.tree(leaf(named('/a', at('10.0.0.1 1'))));
      await d.settled();
      forget(d);
      assert.match(
        show(await d.settled()),
        onNegative === 'keep' ? /^1\*\/a\[10.0.0.1:1\] stale since 1000: \/svc\/web / : /^negative: \/svc\/web /,
      );
    }
  });

test('an explicit ! is believed whatever was good before', async t => {
  const d = bound(t);
  d.tree(leaf(named('/a', at('10.0.0.1 1'))));
  await d.settled();
  d.tree(fail);
  assert.match(show(await d.settled()), /^negative: \/svc\/web does not resolve: a rule says !/);
});

test('a negative answer tells what was tried', async t => {
  const tried = (path: string): Delegation => ({ type: 'neg', path: parsePath(path) });
  const delegation: Delegation = {
    type: 'delegate',
    path: ['svc', 'web'],
    delegate: { type: 'alt', path: ['host', 'web'], alt: [tried('/#/io.l5d.fs/web'), tried('/#/io.l5d.fs/default')] },
  };
  const d = bound(t, { delegation });
  d.tree(neg);
  assert.equal(
    show(await d.settled()),
    'negative: /svc/web does not resolve: nothing at /#/io.l5d.fs/web; nothing at /#/io.l5d.fs/default',
  );
  const isPreliminary = d.observer.values.map(value => 'isPreliminary' in value);
  assert.deepEqual(isPreliminary, [true, false], 'the first reason is not logged: a better one follows at once');
  const e = bound(t);
  e.tree(leaf(named('/#/x', negAddr)));
  assert.equal(show(await e.settled()), 'negative: /svc/web has no address: there is none in /#/x');
});

test('exactly the leaves of the tree are watched, and nothing after the end', async t => {
  const d = bound(t);
  const [a, b, c] = ['/a', '/b', '/c'].map(id => named(id, at('10.0.0.1 1')));
  const observed = () => [a, b, c].map(({ addr }) => addr.observed);
  d.tree(union({ weight: 1, tree: leaf(a) }, { weight: 1, tree: leaf(b) }));
  assert.deepEqual(observed(), [true, true, false]);
  d.tree(union({ weight: 1, tree: leaf(c) }, { weight: 1, tree: leaf(b) }));
  assert.deepEqual(observed(), [false, true, true]);
  d.fails('for now');
  assert.deepEqual(observed(), [false, true, true]);
  d.observer.stop();
  assert.deepEqual(observed(), [false, false, false]);
});

test('an interpreter or an addr that breaks off is a failure', async t => {
  const addr = new Subject<Addr>();
  const d = bound(t);
  d.tree(leaf({ id: ['a'], residual: [], addr }));
  addr.error(new Error('broke off'));
  assert.equal(show(await d.settled()), 'failed: /svc/web: /a: broke off');
});

test('whatever the tree, the shares of its branches sum to 1, or there are none', () => {
  const bounds = fc.constantFrom('/a', '/b', '/c', '/d').map(id => named(id));
  fc.assert(
    fc.property(anyTree(bounds), fc.subarray(['a', 'b', 'c', 'd']), (tree, unknown) => {
      const branches = branchesOf(tree, ({ id }) => (unknown.includes(id[0]) ? undefined : []));
      const sum = branches.reduce((total, { weight }) => total + weight, 0);
      assert.ok(branches.length === 0 || Math.abs(sum - 1) < 1e-9, `${sum}`);
      assert.ok(branches.every(({ id }) => !unknown.includes(id[0])));
      assert.equal(new Set(branches.map(({ id }) => showPath(id))).size, branches.length);
    }),
  );
});

/** The answer of an earlier naming, handed on as a reload does. */
const handedOn = [
  { weight: 1, id: ['a'], residual: [], addresses: [{ ip: '10.0.0.1', port: 1, weight: 1, meta: {} }] },
];

test('what another naming had found is kept, stale, while this one fails, or knows nothing with keep', async t => {
  const d = bound(t, { initial: { branches: handedOn } });
  d.fails('namerd is away');
  assert.equal(
    show(await d.settled()),
    '1*/a[10.0.0.1:1] stale since 1000: /svc/web cannot be resolved: namerd is away',
  );
  d.tree(neg);
  assert.match(show(await d.settled()), /^1\*\/a\[10\.0\.0\.1:1\] stale since 1000: \/svc\/web does not resolve: /);
  d.tree(leaf(named('/b', at('10.0.0.2 2'))));
  assert.equal(show(await d.settled()), '1*/b[10.0.0.2:2]');
});

test('the state on disk is used when naming fails, or is silent for two seconds, with its age', async t => {
  const fallback = { branches: handedOn, sinceMs: -60_000 };
  const d = bound(t, { fallback });
  assert.equal(show(await d.settled()), 'pending');
  d.fails('no namerd');
  const used =
    '1*/a[10.0.0.1:1] stale since -60000: /svc/web cannot be resolved: no namerd; using the state in stateDir';
  assert.equal(show(await d.settled()), used);
  d.tree(leaf(named('/b', at('10.0.0.2 2'))));
  assert.equal(show(await d.settled()), '1*/b[10.0.0.2:2]');
  const silent = bound(t, { fallback });
  silent.passes(1999);
  assert.equal(show(await silent.settled()), 'pending');
  silent.passes(1);
  assert.match(show(await silent.settled()), /^1\*\/a\[10\.0\.0\.1:1\] stale since -60000: \/svc\/web: no answer yet/);
});

test('the state on disk never replaces an answer, also when that is that the name does not exist', async t => {
  for (const onNegative of ['keep', 'fail'] as const) {
    const d = bound(t, { onNegative, fallback: { branches: handedOn, sinceMs: 0 } });
    d.tree(neg);
    assert.equal((await d.settled()).state, 'negative');
    d.fails('gone');
    assert.equal((await d.settled()).state, 'failed');
  }
});

test('what another naming had found is given up for an answer that is believed', async t => {
  for (const [onNegative, tree] of [
    ['fail', neg],
    ['keep', fail],
  ] as const) {
    const d = bound(t, { onNegative, initial: { branches: handedOn } });
    d.tree(tree);
    assert.equal((await d.settled()).state, 'negative');
  }
});
