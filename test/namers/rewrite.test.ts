/** Namer `io.l5d.rewrite`. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { firstValueFrom } from 'rxjs';
import { parsePath } from '../../src/dtab/parse.ts';
import { showPath } from '../../src/dtab/show.ts';
import { PathPattern, PathTemplate } from '../../src/namers/path-pattern.ts';
import { rewriteNamer } from '../../src/namers/rewrite.ts';
import { label } from '../support/dtab-arbitraries.ts';
import { namingContext } from '../support/naming.ts';

const matches: [pattern: string, path: string, captures: Record<string, string> | undefined][] = [
  ['/foo/{A}', '/foo/bar/bas', { A: 'bar' }],
  ['/foo/bar/{A}:http', '/foo/bar/bas:http', { A: 'bas' }],
  ['/foo/{A}/*/{B}', '/foo/boo/bar/bas', { A: 'boo', B: 'bas' }],
  ['/foo/bar/{A}.com/{B}', '/foo/bar/foo.com/80', { A: 'foo', B: '80' }],
  ['/foo/bar/{A}.{B}.{C}/{D}', '/foo/bar/www.foo.com/80', { A: 'www', B: 'foo', C: 'com', D: '80' }],
  ['/foo/bar/{A}-{B}', '/foo/bar/foo-bar-baz', { A: 'foo-bar', B: 'baz' }],
  ['/foo/{A_B_C}', '/foo/bar', { A_B_C: 'bar' }],
  ['/foo/{A}', '/foo', undefined],
  ['/foo/{A}', '/bar/foo', undefined],
  ['/a.b', '/axb', undefined],
  ['/{A}.com', '/xcom', undefined],
  ['/a(b)+$', '/a', undefined],
  ['/{A}{B}', '/xy', { A: 'xy', B: '' }],
  ['/x{A}', '/axb', { A: 'b' }],
  ['/\\x2f{A}', '/\\x2fb', { A: 'b' }],
  ['/', '/anything', {}],
];
for (const [pattern, path, captures] of matches)
  test(`pattern ${pattern} ${captures ? `takes ${JSON.stringify(captures)} from` : 'does not match'} ${path}`, () => {
    const found = new PathPattern(pattern).match(parsePath(path));
    assert.deepEqual(found && Object.fromEntries(found), captures);
  });

const rewrites: [pattern: string, name: string, path: string, result: string][] = [
  ['/one/two', '/success', '/one/two/three', '/success'],
  ['/one/*/three', '/success', '/one/two/three', '/success'],
  ['/one/*/four', '/success', '/one/two/three', '~'],
  ['/{foo}/*/three', '/success/{foo}', '/one/two/three', '/success/one'],
  ['/{a}.{b}', '/{b}/x-{a}', '/www.com', '/com/x-www'],
  ['/x{a}', '/{a}', '/x', '~'],
];
for (const [pattern, name, path, result] of rewrites)
  test(`${pattern} → ${name} makes ${result} of ${path}`, async () => {
    const namer = rewriteNamer.create({ pattern, name }, { ...namingContext(), prefix: ['#', 'r'] });
    const found = await firstValueFrom(namer.lookup(parsePath(path)));
    assert.equal(found.state, 'ok');
    const tree = found.state === 'ok' ? found.value : assert.fail();
    const shown = tree.type === 'leaf' && tree.value.type === 'path' ? showPath(tree.value.path) : '~';
    assert.equal(shown, result);
  });

test('a pattern matches as the greedy regular expression that it stands for, whatever the bytes', () => {
  const piece = fc.constantFrom('a', 'b', 'ab', '.', '-');
  fc.assert(
    fc.property(
      fc.array(fc.option(piece), { minLength: 1, maxLength: 6 }),
      fc.string({ unit: fc.constantFrom('a', 'b', '.', '-'), minLength: 1, maxLength: 12 }),
      (pieces, text) => {
        fc.pre(pieces.includes(null));
        let count = 0;
        const pattern = pieces.map(one => one ?? `{v${count++}}`).join('');
        const regex = pieces.map(one => one?.replace(/[.-]/g, '\\$&') ?? '(.*)').join('');
        const expected = new RegExp(regex, 's').exec(text)?.slice(1);
        const found = new PathPattern(`/${pattern}`).match([text]);
        assert.deepEqual(found && Array.from({ length: count }, (_, i) => found.get(`v${i}`)), expected);
      },
    ),
  );
});

test('what a pattern of one capture takes, its template gives back', () => {
  const template = new PathTemplate('/pre-{x}/{x}');
  fc.assert(
    fc.property(label, x => {
      const captures = new PathPattern('/a/{x}').match(['a', x, 'more']);
      assert.deepEqual(captures && template.fill(captures), [`pre-${x}`, x]);
    }),
  );
});

test('a pattern of many captures is matched in no time against a long label that almost matches', () => {
  const pattern = new PathPattern(`/${Array.from({ length: 60 }, (_, i) => `{v${i}}a`).join('')}b`);
  const startedAt = performance.now();
  assert.equal(pattern.match(['a'.repeat(50_000)]), undefined);
  assert.ok(performance.now() - startedAt < 1000);
});

const problems: [config: object, path: string, message: RegExp][] = [
  [{ pattern: 'a', name: '/b' }, 'pattern', /must start with \//],
  [{ pattern: '/a//b', name: '/b' }, 'pattern', /empty segment/],
  [{ pattern: '/{a b}', name: '/b' }, 'pattern', /brace/],
  [{ pattern: '/{a}/{a}', name: '/b' }, 'pattern', /captures \{a\} twice/],
  [{ pattern: '/{a}', name: '/{b}' }, 'name', /uses \{b\}/],
];
for (const [config, path, message] of problems)
  test(`the config ${JSON.stringify(config)} is refused because of its ${path}`, () => {
    const { error } = rewriteNamer.config.safeParse(config);
    assert.deepEqual(
      error?.issues.map(issue => issue.path),
      [[path]],
    );
    assert.match(error!.issues[0].message, message);
  });
