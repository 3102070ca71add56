/** A write disturbs the names that its rules are on the way of, and no others; whatever is written, names mean what the dtab says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { leaf, neg } from '../../src/dtab/name-tree.ts';
import { parseDtab, parsePath } from '../../src/dtab/parse.ts';
import { showDentry } from '../../src/dtab/show.ts';
import { ok } from '../../src/live/activity.ts';
import { Namespaces } from '../../src/namerd/core/namespaces.ts';
import { changedRules } from '../../src/namerd/core/stored-rules.ts';
import { bindTree } from '../../src/naming/bind.ts';
import { builtinNamer } from '../../src/naming/builtin/builtin.ts';
import { boundTo, FakeNamer, showState } from '../support/fake-namer.ts';
import { fakeDns, observe } from '../support/naming.ts';
import { TestStore } from './rig.ts';

function setUp() {
  const store = new TestStore();
  const namer = new FakeNamer();
  const naming = { namers: [{ prefix: parsePath('/#/n'), namer }], builtin: builtinNamer(fakeDns()) };
  const namespaces = new Namespaces({ store, clock: { after: () => () => {} }, ...naming });
  return { store, namer, naming, namespaces };
}

test('the rules that a write changes are those between what both tables begin and end with', () => {
  const changed = (before: string, after: string) =>
    changedRules(parseDtab(before), parseDtab(after)).map(showDentry).join(';');
  assert.equal(changed('/a=>/b;/c=>/d;/e=>/f', '/a=>/b;/c=>/d;/e=>/f'), '');
  assert.equal(changed('/a=>/b;/c=>/d;/e=>/f', '/a=>/b;/c=>/x;/e=>/f'), '/c=>/d;/c=>/x');
  assert.equal(changed('', '/a=>/b'), '/a=>/b');
  assert.equal(changed('/a=>/b;/a=>/b', '/a=>/b'), '/a=>/b', 'a repetition is a rule too');
  assert.equal(changed('/a=>/b;/c=>/d', '/c=>/d;/a=>/b'), '/a=>/b;/c=>/d;/c=>/d;/a=>/b', 'the order counts');
});

test('a write of a rule that is not on the way of a name binds nothing anew and tells nothing', async t => {
  const { store, namer, namespaces } = setUp();
  namer.answer('/web', boundTo('/#/n/web'));
  await store.put('default', parseDtab('/svc=>/srv;/srv=>/#/n'));
  const seen = observe(t, namespaces.bind('default', [], parsePath('/svc/web')));
  for (const more of ['/other=>/x', '/svc/api=>/x', '/srv/web/v2=>/x'])
    await store.put('default', parseDtab(`/svc=>/srv;/srv=>/#/n;${more}`));
  assert.equal(namer.started, 1);
  assert.deepEqual(seen.values.map(showState), ['/#/n/web']);
  await store.put('default', parseDtab('/svc=>/srv;/srv=>/#/n;/srv/web=>/#/n/other'));
  assert.equal(namer.started, 2);
});

test('a path that comes on the way later is looked up in the dtab of later', async t => {
  const { store, namer, namespaces } = setUp();
  namer.answer('/web', ok(neg));
  namer.answer('/late', boundTo('/#/n/late'));
  await store.put('default', parseDtab('/svc=>/#/n'));
  const seen = observe(t, namespaces.bind('default', [], parsePath('/svc/web')));
  await store.put('default', parseDtab('/svc=>/#/n;/late=>/#/n/late'));
  assert.equal(namer.started, 1, 'not on the way yet');
  namer.answer('/web', ok(leaf({ type: 'path', path: parsePath('/late') })));
  assert.equal(showState(seen.last!), '/#/n/late');
});

test('property: after any writes and any answers of a namer a name means what it means to who asks only now', async t => {
  const label = fc.constantFrom('a', 'b', 'c');
  const path = fc.array(label, { minLength: 1, maxLength: 3 }).map(labels => `/${labels.join('/')}`);
  const dst = fc.oneof(
    path,
    path.map(each => `/#/n${each}`),
    fc.tuple(path, path).map(([a, b]) => `/#/n${a} | ${b}`),
    fc.tuple(path, path).map(([a, b]) => `/#/n${a} & /#/n${b}`),
    fc.constantFrom('~', '!'),
  );
  const rule = fc.tuple(path, dst).map(([prefix, to]) => `${prefix}=>${to}`);
  const step = fc.oneof(
    fc.array(rule, { maxLength: 4 }).map(rules => ({ type: 'write', rules }) as const),
    rule.map(added => ({ type: 'add', added }) as const),
    fc.tuple(path, fc.option(path)).map(([name, to]) => ({ type: 'answer', name, to }) as const),
  );
  const asked = ['/a', '/a/b', '/b/c'].map(parsePath);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 10 }), async steps => {
      const { store, namer, naming, namespaces } = setUp();
      const seen = asked.map(each => observe(t, namespaces.bind('default', [], each)));
      let rules: readonly string[] = [];
      for (const each of steps) {
        if (each.type === 'answer') {
          const to =
            each.to === null ? boundTo(`/#/n${each.name}`) : ok(leaf({ type: 'path', path: parsePath(each.to) }));
          namer.answer(each.name, to as ReturnType<typeof boundTo>);
        } else {
          rules = each.type === 'write' ? each.rules : [...rules, each.added];
          await store.put('default', parseDtab(rules.join(';')));
        }
        const dtab = parseDtab(rules.join(';'));
        for (const [i, name] of asked.entries()) {
          const fresh = observe(t, bindTree({ dtab, ...naming }, name));
          assert.equal(showState(seen[i].last!), showState(fresh.last!));
          fresh.stop();
        }
      }
      for (const each of seen) each.stop();
      namespaces.close();
      assert.equal(namer.watches.size, 0);
      assert.equal(store.observers, 0);
    }),
    { numRuns: 200 },
  );
});
