/** Warnings about a dtab before it is stored. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Dtab, Prefix } from '../../src/dtab/dtab.ts';
import type { NameTree } from '../../src/dtab/name-tree.ts';
import { parseDtab, parsePath } from '../../src/dtab/parse.ts';
import type { Path } from '../../src/dtab/path.ts';
import { showDtab } from '../../src/dtab/show.ts';
import { dtabReport, dtabWarnings } from '../../src/namerd/core/dtab-warnings.ts';
import { atOnce } from '../../src/namerd/core/sliced.ts';

const namers = [parsePath('/#/io.l5d.fs')];
const warnings = (text: string) =>
  dtabWarnings(parseDtab(text), namers).map(({ kind, dentry, message }) => `${dentry} ${kind}: ${message}`);

for (const [title, dtab, expected] of [
  ['a dtab that is in order', '/svc=>/host;/host=>/#/io.l5d.fs;/host/x=>/$/inet/127.1/80 | /svc/y', []],
  [
    'a rule behind which the same names always fail',
    '/svc/a=>/b;/svc=>!',
    ['0 shadowed: never applies: /svc=>! comes later and takes every name it could'],
  ],
  [
    'a wildcard that takes all',
    '/svc/a/b=>/c;/svc/*=>/x | $',
    ['0 shadowed: never applies: /svc/*=>/x | $ comes later and takes every name it could'],
  ],
  ['a later rule that may say nothing', '/svc/a=>/b;/svc=>/c', []],
  ['a later rule for fewer names', '/svc=>/b;/svc/a=>!', []],
  ['a rule that leads to itself', '/a=>/a/b', ['0 loop: leads back to itself: /a=>/a/b']],
  ['a round of rules', '/a=>/b;/b=>/c/d;/c=>/a', ['0 loop: leads back to itself: /a=>/b → /b=>/c/d → /c=>/a']],
  ['a way into a round', '/in=>/a;/a=>/b;/b=>/a', ['1 loop: leads back to itself: /a=>/b → /b=>/a']],
  [
    'two rounds',
    '/a=>/b;/c=>/c;/b=>/a',
    ['0 loop: leads back to itself: /a=>/b → /b=>/a', '1 loop: leads back to itself: /c=>/c'],
  ],
  ['rules that use their names up', '/a/*=>/a', []],
  [
    'a namer that is not there',
    '/svc=>/#/io.l5d.consul/dc',
    ['0 unknown-namer: /#/io.l5d.consul/dc: no namer has that prefix; there are /#/io.l5d.fs'],
  ],
  ['a namer that a rule stands for', '/svc=>/#/io.l5d.consul/dc;/#/io.l5d.consul=>/#/io.l5d.fs', []],
  [
    'a built-in namer that is not there',
    '/svc=>/$/io.buoyant.nothing',
    ['0 unknown-namer: /$/io.buoyant.nothing: no such namer is built in'],
  ],
  ['built-in namers', '/svc=>/$/inet | /$/io.buoyant.hostportPfx/web | /$/nil | /$', []],
] as const)
  test(`${title}: ${expected.length === 0 ? 'nothing to say' : expected[0].split(':', 1)}`, () => {
    assert.deepEqual(warnings(dtab), expected);
  });

/** Few labels, so that rules meet. */
const label = fc.constantFrom('a', 'b', 'c');
const target = fc.oneof(fc.array(label, { maxLength: 3 }), fc.constantFrom(['#', 'n'], ['$', 'nope'], ['$', 'nil']));
const dst: fc.Arbitrary<NameTree<Path>> = fc.oneof(
  { weight: 6, arbitrary: target.map((value): NameTree<Path> => ({ type: 'leaf', value })) },
  fc.constantFrom<NameTree<Path>>({ type: 'neg' }, { type: 'empty' }, { type: 'fail' }),
  fc
    .array(target, { minLength: 2, maxLength: 3 })
    .map((values): NameTree<Path> => ({ type: 'alt', trees: values.map(value => ({ type: 'leaf', value })) })),
);
const anyDtab: fc.Arbitrary<Dtab> = fc.array(
  fc.record({ prefix: fc.array(fc.option(label), { maxLength: 3 }), dst }, { noNullPrototype: true }),
  { maxLength: 8 },
);

const covers = (wide: Prefix, narrow: Prefix) =>
  wide.length <= narrow.length && wide.every((each, i) => each === null || each === narrow[i]);
const isFinal = (tree: NameTree<Path>): boolean =>
  tree.type === 'alt'
    ? tree.trees.some(isFinal)
    : tree.type === 'leaf'
      ? tree.value.join() === '$,nil'
      : tree.type === 'empty' || tree.type === 'fail';
const leaves = (tree: NameTree<Path>): readonly Path[] =>
  tree.type === 'leaf' ? [tree.value] : tree.type === 'alt' ? tree.trees.flatMap(leaves) : [];

test('property: what is said is what looking at each pair of rules finds', () => {
  fc.assert(
    fc.property(anyDtab, dtab => {
      const said = dtabWarnings(dtab, []);
      const of = (kind: string) => said.filter(each => each.kind === kind).map(({ dentry }) => dentry);
      const rules = [...dtab.keys()];
      assert.deepEqual(
        of('shadowed'),
        rules.filter(i => dtab.some((by, j) => j > i && covers(by.prefix, dtab[i].prefix) && isFinal(by.dst))),
      );
      const applies = (path: Path) =>
        dtab.some(({ prefix }) => prefix.every((each, i) => each === null || i >= path.length || each === path[i]));
      const isMissing = (path: Path) => path[0] === '#' || path.join() === '$,nope';
      assert.deepEqual(
        of('unknown-namer'),
        rules.flatMap(i => leaves(dtab[i].dst).flatMap(path => (isMissing(path) && !applies(path) ? [i] : []))),
      );
      const next = rules.map(i => rules.filter(j => leaves(dtab[i].dst).some(path => covers(dtab[j].prefix, path))));
      const reach = (from: number): ReadonlySet<number> => {
        const seen = new Set(next[from]);
        for (const at of seen) for (const to of next[at]) seen.add(to);
        return seen;
      };
      const looping = rules.filter(i => reach(i).has(i));
      for (const i of of('loop')) assert.ok(looping.includes(i), `rule ${i} of ${showDtab(dtab)}`);
      assert.equal(of('loop').length > 0, looping.length > 0, showDtab(dtab));
    }),
    { numRuns: 2000 },
  );
});

// It was a minute, in which namerd did nothing else.
for (const [what, rule] of [
  ['that have nothing to do with each other', (i: number) => `/svc/s${i}=>/host/h${i}`],
  ['of which each leads to the next', (i: number) => `/s${i}=>/s${i + 1}`],
  ['that are all the same', () => '/a=>/b'],
  ['that all lead to all', () => '/a=>/a'],
] as const)
  test(`50 000 rules ${what} are looked through in a moment`, () => {
    const dtab = parseDtab(Array.from({ length: 50_000 }, (_, i) => rule(i)).join(';'));
    const startedAt = performance.now();
    dtabWarnings(dtab, []);
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs < 5000, `${tookMs} ms`);
  });

test('a report has at most 100 warnings, however many there are, and counts the rest', () => {
  const dtab = parseDtab(Array.from({ length: 300 }, (_, i) => `/a${i}=>/#/none | /#/none;`).join(''));
  const { warnings: first, omitted } = atOnce(dtabReport(dtab, namers));
  assert.deepEqual([first.length, omitted], [100, 500]);
});

test('a warning shows a long rule in part: 20 000 rules shadowed by one of 60 kB make a small report', () => {
  const dtab = parseDtab(`${'/b=>/c;'.repeat(20_000)}/=>${'/a|'.repeat(20_000)}$`);
  const report = atOnce(dtabReport(dtab, namers));
  assert.ok(JSON.stringify(report).length < 50_000);
  assert.equal(report.omitted, 20_000 - 99, 'one more for the rule that leads back to itself');
});

test('wildcards that make the analysis quadratic end it, and the report says that it is partial', () => {
  const prefixes = Array.from({ length: 2 ** 10 }, (_, i) =>
    Array.from({ length: 10 }, (_, bit) => (i & (1 << bit) ? '*' : 'a')).join('/'),
  );
  const dtab = parseDtab(prefixes.map(prefix => `/${prefix}=>/${Array(10).fill('a').join('/')};`).join(''));
  let steps = 0;
  const work = dtabReport(dtab, namers, { maxWarnings: 100, maxVisits: 10_000 });
  let step = work.next();
  for (; !step.done; step = work.next()) steps++;
  assert.equal(step.value.isPartial, true);
  assert.ok(steps < 20_000, `${steps} steps`);
});

test('a loop of many rules is shown in part', () => {
  const length = 50_000;
  const dtab = parseDtab(Array.from({ length }, (_, i) => `/r${i}=>/r${(i + 1) % length};`).join(''));
  const [{ message }] = dtabWarnings(dtab, namers);
  assert.match(message, /^leads back to itself: \/r0=>\/r1 → .* → … \(49990 more\)$/);
});
