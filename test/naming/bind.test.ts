import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { BehaviorSubject, firstValueFrom, NEVER, of, Subject, throwError } from 'rxjs';
import { concat } from '../../src/dtab/dtab.ts';
import { evaluate } from '../../src/dtab/evaluate.ts';
import type { NameTree } from '../../src/dtab/name-tree.ts';
import { parseDtab, parsePath, parseTree } from '../../src/dtab/parse.ts';
import type { Path } from '../../src/dtab/path.ts';
import { showPath } from '../../src/dtab/show.ts';
import { type Activity, ok, pending } from '../../src/live/activity.ts';
import { flatMapOk } from '../../src/live/live.ts';
import { type Binding, bindTree } from '../../src/naming/bind.ts';
import { builtinNamer } from '../../src/naming/builtin/builtin.ts';
import { createDns } from '../../src/naming/dns.ts';
import type { Bound, MountedNamer } from '../../src/naming/name.ts';
import { answers, boundTo, FakeNamer, fixedAddr, showState } from '../support/fake-namer.ts';

const builtin = builtinNamer(createDns({ lookup: () => new Promise(() => {}) }));

const binding = (dtab = '', ...namers: MountedNamer[]): Binding => ({ dtab: parseDtab(dtab), namers, builtin });

const mounted = (prefix: string, namer: MountedNamer['namer']): MountedNamer => ({ prefix: parsePath(prefix), namer });

/** All states so far, ever growing while observed. */
function watch(binds: Binding, tree: string) {
  const states: Activity<NameTree<Bound>>[] = [];
  const observer = bindTree(binds, parseTree(tree)).subscribe(state => states.push(state));
  return { states, shown: () => states.map(showState), now: () => showState(states.at(-1) ?? pending), observer };
}

function bindNow(binds: Binding, tree: string): string {
  const { states, now, observer } = watch(binds, tree);
  observer.unsubscribe();
  assert.equal(states.length, 1, 'one state at once');
  return now();
}

/** Ports with the weight that binding noted on their set. */
async function weighted(state: Activity<NameTree<Bound>>): Promise<unknown[]> {
  assert.equal(state.state, 'ok');
  const leaves = state.state === 'ok' ? (evaluate(state.value, bound => showPath(bound.id)) ?? ['none']) : [];
  return Promise.all(
    leaves.map(async bound => {
      if (bound === 'none') return bound;
      const addr = await firstValueFrom((bound as Bound).addr);
      assert.equal(addr.state, 'bound');
      return addr.state === 'bound' && [addr.addresses[0].port, addr.meta['namer_nametree_weight']];
    }),
  );
}

suite('binding by rules and built-in namers', () => {
  const tooDeep = 'failed: Max recursion level: 100 reached in Namer lookup';
  const rows: [id: string, dtab: string, name: string, bound: string][] = [
    ['C2', '/foo=>/$/inet/8080', '/foo', '/$/inet/8080'],
    ['C3', '/foo=>/bar;/bar=>/$/inet/8080', '/foo', '/$/inet/8080'],
    ['C7', '/foo/bar=>/bar/foo; /bar/foo=>/foo/bar', '/foo/bar', tooDeep],
    ['C9', '', '/s/foo', '~'],
    ['C10', '', '(! | /test/1 | /test/2)', '!'],
    ['C11', '', '(~ | /$/fail | /test/1)', '!'],
    ['C12', '', '(/$/nil | /$/fail | /test/1)', '$'],
    ['C15', '', '/$/inet/1234/foobar', '/$/inet/1234 (/foobar)'],
    ['C16', '', '/$/inet/127.0.0.1/1234', '/$/inet/127.0.0.1/1234'],
    ['C18', '', '/$/fail', '!'],
    ['C18', '', '/$/fail/foo/bar', '!'],
    ['C18', '', '/$/nil', '$'],
    ['C18', '', '/$/nil/foo/bar', '$'],
    ['C19', '', '/foo/bar/bah/blah', '~'],
    ['C22', '/s#/*/bar => /t/bah; /t => /$/inet/1', '/s#/foo/bar/baz', '/$/inet/1 (/bah/baz)'],
    ['C24', '/svc=>/$/inet/h/80;/svc=>/$/nil', '/svc/a', '$'],
    ['C25', '/svc=>/$/inet/h/80;/svc=>/$/fail', '/svc/a', '!'],
    ['C26', '/svc=>/$/inet/h/80;/svc=>~', '/svc/a', '/$/inet/h/80 (/a)'],
    ['C27', '/svc=>0.9*/$/inet/h/80 & 0.1*/nope', '/svc/a', '/$/inet/h/80 (/a)'],
    ['C28', '/svc=>0.9*/$/inet/h/80 & 0.1*/$/nil', '/svc/a', '0.90*/$/inet/h/80 (/a) & 0.10*$'],
    ['C29', '/svc=>0.9*/$/inet/h/80 & 0.1*/$/fail', '/svc/a', '/$/inet/h/80 (/a)'],
    ['a rule of Neg alone is no rule', '/$/inet => ~', '/$/inet/80', '/$/inet/80'],
    ['rules may shadow built-in namers', '/$/inet => /$/fail', '/$/inet/80', '!'],
    ['the empty prefix rewrites all, again and again', '/ => /$/nil', '/x', tooDeep],
    [
      'utility namers lead back to the rules',
      '/svc=>/$/io.buoyant.http.anyMethod;/a=>/$/inet/1',
      '/svc/GET/a/b',
      '/$/inet/1 (/b)',
    ],
    ['an unknown alternative fails all', '', '/$/nope | /$/inet/1', 'failed: Unknown namer: nope'],
    ['an Alt holds no Alt afterwards', '', '~ | (~ | (/$/inet/1 | /$/inet/2))', '/$/inet/1'],
    [
      'weights inside of weights',
      '',
      '2*/$/inet/1 & 3*(/$/inet/2 & 4*/$/inet/3)',
      '2.00*/$/inet/1 & 3.00*(/$/inet/2 & 4.00*/$/inet/3)',
    ],
  ];
  for (const [id, dtab, name, bound] of rows)
    test(`${id}: ${name} by ${dtab || 'no rule'} → ${bound}`, () => assert.equal(bindNow(binding(dtab), name), bound));

  test('C4, C5: of two tables the one put behind wins', () => {
    const a = parseDtab('/foo=>/bar');
    const b = parseDtab('/foo=>/biz;/biz=>/$/inet/8080;/bar=>/$/inet/9090');
    assert.equal(bindNow({ ...binding(), dtab: concat(a, b) }, '/foo'), '/$/inet/8080');
    assert.equal(bindNow({ ...binding(), dtab: concat(b, a) }, '/foo'), '/$/inet/9090');
  });

  test('C6: every leaf in a Union carries the weight of the innermost branch', async () => {
    const dtab =
      '/foo => /bar; /foo => 3*/baz & 2*/booz & /T; /baz => 3*/$/inet/8080 & 2*/$/inet/9090; /booz => ~; /T => /$/inet/7070';
    const { states, observer } = watch(binding(dtab), '/foo');
    assert.deepEqual(await weighted(states[0]), [
      [8080, 3],
      [9090, 2],
      [7070, 1],
    ]);
    observer.unsubscribe();
  });

  test('C8: the limit of lookups can be set', () => {
    const binds = { ...binding('/s => /s/srv'), maxDepth: 2 };
    assert.equal(bindNow(binds, '/s/foo/bar'), 'failed: Max recursion level: 2 reached in Namer lookup');
  });

  test('C17: /$/inet without a port is an error that says what is expected', () =>
    assert.match(
      bindNow(binding(), '/$/inet'),
      /^failed: Unknown namer: \/\$\/inet \(expected \/\$\/inet\/<host>\/<port>/,
    ));

  test('a table that doubles a name at every step, or nests without end, is refused without harm', () => {
    assert.match(bindNow(binding('/a => /a & /a'), '/a'), /^failed: binding \/a takes more than 2000 lookups/);
    // A few hundred bytes each, that a request may have in its dtab.
    for (const text of [Array(200).fill('/a').join('&'), Array(3000).fill('/a').join('&')]) {
      const before = process.memoryUsage().heapUsed;
      assert.match(bindNow(binding(`/a => ${text}`), '/a'), /^failed: binding \/a takes more than 2000 lookups/);
      assert.ok(process.memoryUsage().heapUsed - before < 500_000_000);
    }
    const nested = (separator: string) => `/a => ${'('.repeat(200)}/a${` ${separator} /b)`.repeat(200)}`;
    assert.equal(bindNow(binding(nested('|')), '/a'), tooDeep);
    assert.equal(bindNow(binding(nested('&')), '/a'), '~');
  });

  test('thousands of alternatives that mean nothing need no deep stack', () => {
    const rules = `/a=>/$/inet/1${';/a=>/b'.repeat(1900)}`;
    assert.equal(bindNow(binding(rules), '/a'), '/$/inet/1');
  });
});

suite('binding by configured namers', () => {
  test('the last one configured is asked first; where it says Neg the next one, the built-in one at the end', () => {
    const [first, last] = [new FakeNamer(), new FakeNamer()];
    const binds = binding('', mounted('/$', first), mounted('/$/inet', last));
    const { now, observer } = watch(binds, '/$/inet/1');
    assert.equal(now(), 'pending');
    assert.equal(first.watches.size, 0);
    last.answer('/1', boundTo('/$/inet/1', '/last'));
    assert.equal(now(), '/$/inet/1 (/last)');
    last.answer('/1', answers.neg);
    assert.equal(now(), 'pending');
    first.answer('/inet/1', boundTo('/$/inet/1', '/first'));
    assert.equal(now(), '/$/inet/1 (/first)');
    first.answer('/inet/1', answers.neg);
    assert.equal(now(), '/$/inet/1');
    last.answer('/1', answers.failed);
    assert.equal(now(), 'failed: failed');
    observer.unsubscribe();
  });

  test('a namer that throws, errors or stays silent is failed, failed and pending', () => {
    const failing = (lookup: MountedNamer['namer']['lookup']) => binding('', mounted('/#/x', { lookup }));
    const thrower = failing(() => {
      throw new Error('thrown');
    });
    assert.equal(bindNow(thrower, '/#/x'), 'failed: thrown');
    assert.equal(
      bindNow(
        failing(() => throwError(() => new Error('erred'))),
        '/#/x',
      ),
      'failed: erred',
    );
    assert.equal(
      bindNow(
        failing(() => NEVER),
        '/#/x',
      ),
      'pending',
    );
  });

  test('C13: a name follows its namers from state to state', async () => {
    const namer = new FakeNamer();
    const { states, now, observer } = watch(binding('', mounted('/test', namer)), '/test/0 | /test/1 & /test/2');
    const inet = (port: number) => boundTo(`/$/inet/${port}`, '/', fixedAddr(port));
    namer.answer('/0', answers.empty);
    assert.equal(now(), '$');
    namer.answer('/0', inet(1));
    assert.equal(now(), '/$/inet/1');
    namer.answer('/1', answers.neg);
    namer.answer('/2', answers.neg);
    namer.answer('/0', answers.neg);
    assert.equal(now(), '~');
    namer.answer('/2', inet(2));
    assert.deepEqual(await weighted(states.at(-1) ?? pending), [[2, 1]]);
    namer.answer('/0', inet(3));
    assert.deepEqual(await weighted(states.at(-1) ?? pending), [[3, undefined]]);
    observer.unsubscribe();
  });

  suite('C14: a Union of two, by the states of its branches', () => {
    const named = { ...answers, one: boundTo('/$/inet/1'), two: boundTo('/$/inet/2') };
    const rows: [left: keyof typeof named, right: keyof typeof named, tree: string][] = [
      ['pending', 'pending', 'pending'],
      ['one', 'pending', '/$/inet/1'],
      ['failed', 'pending', 'failed: failed'],
      ['one', 'two', '/$/inet/1 & /$/inet/2'],
      ['one', 'neg', '/$/inet/1'],
      ['one', 'failed', '/$/inet/1'],
      ['one', 'fail', '/$/inet/1'],
      ['one', 'empty', '/$/inet/1 & $'],
      ['failed', 'failed', 'failed: failed'],
      ['neg', 'neg', '~'],
      ['empty', 'neg', '$'],
    ];
    for (const [left, right, tree] of rows)
      test(`${left} & ${right} → ${tree}`, () => {
        for (const [first, second] of [
          ['/0', '/1'],
          ['/1', '/0'],
        ]) {
          const namer = new FakeNamer();
          const { now, observer } = watch(binding('', mounted('/test', namer)), '/test/0 & /test/1');
          namer.answer(first, named[left]);
          namer.answer(second, named[right]);
          assert.equal(now().split(' & ').sort().join(' & '), tree.split(' & ').sort().join(' & '));
          observer.unsubscribe();
        }
      });
  });

  test('C20: a stored table that comes, goes and changes re-binds', () => {
    const inet = {
      lookup: ([host, port, ...rest]: readonly string[]) => of(boundTo(`/#inet/${host}/${port}`, `/${rest.join('/')}`)),
    };
    const stored = new Subject<Activity<ReturnType<typeof parseDtab>>>();
    const extra = parseDtab('/foo => /bar');
    const shown: string[] = [];
    const observer = stored
      .pipe(
        flatMapOk(dtab =>
          bindTree({ ...binding('', mounted('/#inet', inet)), dtab: concat(dtab, extra) }, ['foo', 'fah']),
        ),
      )
      .subscribe(state => shown.push(showState(state)));
    stored.next(pending);
    stored.next(ok([]));
    stored.next(ok(parseDtab('/bar => /#inet/127.1/8080')));
    assert.deepEqual(shown, ['pending', '~', '/#inet/127.1/8080 (/fah)']);
    observer.unsubscribe();
  });

  test('C21: a chain of rules leads to a namer, and a rule put behind is tried first', () => {
    const sets = new FakeNamer();
    const chain =
      '/zk#=>/$/com.twitter.serverset; /zk=>/zk#; /s##=>/zk/zk.local.twitter.com:2181; /s#=>/s##/prod; /s=>/s#';
    const builtin = { lookup: (path: Path) => sets.lookup(path.slice(1)) };
    const prod = watch({ ...binding(chain), builtin }, '/s/crawler');
    assert.deepEqual([...sets.watches.keys()], ['/zk.local.twitter.com:2181/prod/crawler']);
    prod.observer.unsubscribe();

    const staged = watch({ ...binding(`${chain}; /s# => /s##/staging`), builtin }, '/s/crawler');
    assert.deepEqual([...sets.watches.keys()], ['/zk.local.twitter.com:2181/staging/crawler']);
    sets.answer('/zk.local.twitter.com:2181/staging/crawler', answers.neg);
    sets.answer('/zk.local.twitter.com:2181/prod/crawler', boundTo('/prod'));
    assert.deepEqual(staged.shown(), ['pending', '/prod']);
    staged.observer.unsubscribe();
    assert.equal(sets.watches.size, 0);
  });
});

suite('what is watched', () => {
  test('nothing before somebody looks, nothing after the last one left', () => {
    const namer = new FakeNamer();
    const bound = bindTree(binding('/a => /t/1 & /t/2 | /t/3', mounted('/t', namer)), ['a']);
    assert.equal(namer.started, 0);
    const observers = [bound.subscribe(), bound.subscribe()];
    assert.deepEqual(
      [...namer.watches],
      [
        ['/1', 2],
        ['/2', 2],
      ],
    );
    observers[0].unsubscribe();
    assert.deepEqual(
      [...namer.watches],
      [
        ['/1', 1],
        ['/2', 1],
      ],
    );
    observers[1].unsubscribe();
    assert.equal(namer.watches.size, 0);
  });

  test('an alternative is watched while all before it are Neg, and let go when one comes to life', () => {
    const namer = new FakeNamer();
    const { shown, observer } = watch(binding('', mounted('/t', namer)), '/t/1 | /t/2 | /t/3');
    assert.deepEqual([...namer.watches.keys()], ['/1']);
    namer.answer('/1', answers.neg);
    namer.answer('/2', answers.neg);
    namer.answer('/3', boundTo('/three'));
    assert.deepEqual([...namer.watches.keys()], ['/1', '/2', '/3']);
    namer.answer('/1', boundTo('/one'));
    assert.deepEqual([...namer.watches.keys()], ['/1']);
    assert.deepEqual(shown(), ['pending', '/three', '/one']);
    observer.unsubscribe();
    assert.equal(namer.watches.size, 0);
  });

  test('a new table keeps the watches that the old one had', () => {
    const namer = new FakeNamer();
    const dtabs = new BehaviorSubject(ok(parseDtab('/a => /t/1')));
    const observer = dtabs
      .pipe(flatMapOk(dtab => bindTree({ ...binding('', mounted('/t', namer)), dtab }, ['a'])))
      .subscribe();
    let least = 1;
    const { delete: remove } = namer.watches;
    namer.watches.delete = function (path) {
      least = 0;
      return remove.call(this, path);
    };
    dtabs.next(ok(parseDtab('/a => /b; /b => /t/1')));
    assert.equal(least, 1, 'never without an observer');
    assert.equal(namer.started, 2);
    observer.unsubscribe();
  });

  test('equal states are not repeated: ids and residuals tell names apart, messages failures', () => {
    const namer = new FakeNamer();
    const { shown, observer } = watch(binding('', mounted('/t', namer)), '/t/1');
    namer.answer('/1', boundTo('/id', '/r'));
    namer.answer('/1', boundTo('/id', '/r', fixedAddr(1)));
    namer.answer('/1', boundTo('/id', '/other'));
    namer.answer('/1', answers.failed);
    namer.answer('/1', { state: 'failed', error: new Error('failed') });
    namer.answer('/1', answers.pending);
    assert.deepEqual(shown(), ['pending', '/id (/r)', '/id (/other)', 'failed: failed', 'pending']);
    observer.unsubscribe();
  });

  test('a change of several branches at once is seen as one', () => {
    const namer = new FakeNamer();
    const { states, observer } = watch(binding('/a => /t/1 & /t/1', mounted('/t', namer)), '/x | /a & /t/2');
    namer.answer('/2', boundTo('/two'));
    namer.answer('/1', answers.neg);
    const shown = states.map(state => showState(state) + (state.state === 'ok' && state.isPartial ? ' (partial)' : ''));
    assert.deepEqual(shown, ['pending', '/two (partial)', '/two']);
    observer.unsubscribe();
  });

  test('an observer may leave while it is told', async () => {
    const namer = new FakeNamer();
    namer.answer('/1', boundTo('/one'));
    const state = await firstValueFrom(bindTree(binding('', mounted('/t', namer)), ['t', '1']));
    assert.equal(showState(state), '/one');
    assert.equal(namer.watches.size, 0);
  });
});
