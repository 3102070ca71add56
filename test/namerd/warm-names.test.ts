/** Names that are kept while the dtab under them changes mean what names bound from nothing mean. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Dentry } from '../../src/dtab/dtab.ts';
import { leaf, type NameTree } from '../../src/dtab/name-tree.ts';
import { parsePath } from '../../src/dtab/parse.ts';
import type { Path } from '../../src/dtab/path.ts';
import { showDtab, showPath } from '../../src/dtab/show.ts';
import { type Activity, ok } from '../../src/live/activity.ts';
import { systemClock } from '../../src/live/clock.ts';
import { Namespaces } from '../../src/namerd/core/namespaces.ts';
import { bindTree } from '../../src/naming/bind.ts';
import { builtinNamer } from '../../src/naming/builtin/builtin.ts';
import type { Bound, Name } from '../../src/naming/name.ts';
import { answers, boundTo, FakeNamer, showState } from '../support/fake-namer.ts';
import { fakeDns, observe } from '../support/naming.ts';
import { TestStore } from './rig.ts';

const names = ['/a', '/a/x', '/b/x', '/b', '/#/n/a'].map(parsePath);

/** Where the rules lead from each first label: never back, since a table that doubles a name at each turn is no use here. */
const onward = { a: ['b', 'c', 'z'], b: ['c', 'z'], c: ['z'], z: [] } as const;
const concrete: fc.Arbitrary<Path> = fc.constantFrom(['#', 'n', 'a'], ['#', 'n', 'b'], ['$', 'inet', '127.1', '80']);
const more = fc.constantFrom([], ['x']);

function dentriesFrom(from: keyof typeof onward): fc.Arbitrary<Dentry> {
  const target: fc.Arbitrary<Path> =
    onward[from].length === 0
      ? fc.constant(['$', 'inet', '127.1', '81'])
      : fc.oneof(
          concrete,
          fc.tuple(fc.constantFrom(...onward[from]), more).map(([to, rest]) => [to, ...rest]),
        );
  const dst: fc.Arbitrary<NameTree<Path>> = fc.oneof(
    { weight: 4, arbitrary: target.map((path): NameTree<Path> => leaf(path)) },
    fc.constantFrom<NameTree<Path>>({ type: 'neg' }, { type: 'fail' }, { type: 'empty' }),
    fc.tuple(target, target).map((paths): NameTree<Path> => ({ type: 'alt', trees: paths.map(path => leaf(path)) })),
    fc.tuple(target, target).map(
      (paths): NameTree<Path> => ({
        type: 'union',
        branches: paths.map((path, i) => ({ weight: i + 1, tree: leaf(path) })),
      }),
    ),
  );
  const rest = fc.constantFrom<(string | null)[]>([], ['x'], [null]);
  return fc.record({ prefix: rest.map(labels => [from, ...labels]), dst }, { noNullPrototype: true });
}

const dentry = fc.oneof(...(['a', 'b', 'c', 'z'] as const).map(dentriesFrom));

type Answer = Activity<NameTree<Name>>;

/** Answers of a namer: nothing yet, that it fails, a name, or a path that goes through the dtab again. */
const answer: fc.Arbitrary<Answer> = fc.oneof(
  fc.constantFrom<Answer>(answers.pending, answers.neg, answers.failed, answers.empty),
  fc.constantFrom('/#/n/a', '/#/n/b').map(id => boundTo(id)),
  more.map(rest => ok(leaf<Name>({ type: 'path', path: ['z', ...rest] }))),
);
const position = fc.nat({ max: 6 });
const step = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(position, dentry).map(([at, rule]) => ({ type: 'insert', at, rule }) as const) },
  { weight: 2, arbitrary: fc.tuple(position, dentry).map(([at, rule]) => ({ type: 'replace', at, rule }) as const) },
  { weight: 2, arbitrary: position.map(at => ({ type: 'remove', at }) as const) },
  fc.array(dentry, { maxLength: 4 }).map(rules => ({ type: 'write', rules }) as const),
  fc.constant({ type: 'reverse' } as const),
  fc.constant({ type: 'delete' } as const),
  fc.constant({ type: 'outage' } as const),
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constantFrom('a', 'b'), answer).map(([at, said]) => ({ type: 'say', at, said }) as const),
  },
);

test('property: through any writes and any answers of namers, warm names are bound as if from nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), dentry, async (steps, own) => {
      const releases: (() => void)[] = [];
      const scope = { after: (release: () => unknown) => void releases.push(release as () => void) };
      const store = new TestStore();
      const namer = new FakeNamer();
      const naming = { namers: [{ prefix: ['#', 'n'], namer }], builtin: builtinNamer(fakeDns()) };
      const namespaces = new Namespaces({ store, ...naming, clock: systemClock });
      const cases = names.flatMap(path => [
        { path, extra: [] as Dentry[] },
        { path, extra: [own] },
      ]);
      const warm = cases.map(({ path, extra }) => observe(scope, namespaces.bind('tea', extra, path)));
      let rules: Dentry[] = [];
      for (const each of steps) {
        if (each.type === 'insert') rules = rules.toSpliced(each.at, 0, each.rule);
        else if (each.type === 'replace') rules = rules.toSpliced(each.at, 1, each.rule);
        else if (each.type === 'remove') rules = rules.toSpliced(each.at, 1);
        else if (each.type === 'write') rules = [...each.rules];
        else if (each.type === 'reverse') rules = rules.toReversed();
        else if (each.type === 'delete') rules = [];
        if (each.type === 'delete') await store.delete('tea').catch(() => {});
        else if (each.type === 'say') namer.answer(`/${each.at}`, each.said);
        else if (each.type === 'outage') {
          store.state.next({ state: 'failed', error: new Error('away') });
          store.state.next(undefined);
        } else await store.put('tea', rules);
        for (const [i, { path, extra }] of cases.entries()) {
          const dtab = [...rules, ...extra];
          const anew = observe(scope, bindTree({ dtab, ...naming }, path));
          const late = observe(scope, namespaces.bind('tea', extra, path));
          const expected = shown(anew.last);
          const what = `${showPath(path)} by ${showDtab(dtab)} after ${each.type}`;
          assert.equal(shown(warm[i].last), expected, what);
          assert.equal(shown(late.last), expected, `asked anew: ${what}`);
          anew.stop();
          late.stop();
        }
      }
      for (const release of releases) release();
      namespaces.close();
      assert.deepEqual([namer.watches.size, store.observers], [0, 0], 'nothing is left behind');
    }),
    { numRuns: 150 },
  );
});

const shown = (state: Activity<NameTree<Bound>> | undefined) => (state === undefined ? 'nothing' : showState(state));
