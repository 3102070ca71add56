import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { concat, lookup, simplified, stripPrefix } from '../../src/dtab/dtab.ts';
import { evaluate, simplify } from '../../src/dtab/evaluate.ts';
import { parseDtab, parsePath, parseTree } from '../../src/dtab/parse.ts';
import { showDtab, showPath, showTree } from '../../src/dtab/show.ts';

suite('what a tree stands for, before and after it is simplified', () => {
  const rows: [tree: string, leaves: string[] | undefined][] = [
    ['~', undefined],
    ['/ok', ['/ok']],
    ['/ok & /ok1', ['/ok', '/ok1']],
    ['/ok & ~ & /blah & $', ['/ok', '/blah']],
    ['$ & $ & $', []],
    ['~ & ~ & (~ | ~)', undefined],
    ['~ | /foo | /bar', ['/foo']],
    ['~ | $ | /blah', []],
    ['~ | (~ | $) | /blah', []],
    ['(~|$|/foo) & (/bar|/blah) & ~ & /FOO', ['/bar', '/FOO']],
    ['! | /ok', undefined],
    ['/ok & !', ['/ok']],
    ['! & ! & !', undefined],
    ['~ | /ok | !', ['/ok']],
    ['/ok & /ok', ['/ok']],
  ];
  for (const [text, leaves] of rows)
    test(`${text} → ${leaves === undefined ? 'none' : `{${leaves}}`}`, () => {
      const tree = parseTree(text);
      assert.deepEqual(evaluate(tree, showPath)?.map(showPath), leaves);
      assert.deepEqual(evaluate(simplify(tree), showPath)?.map(showPath), leaves);
    });
});

suite('simplified forms', () => {
  const rows: [tree: string, simple: string][] = [
    ['2 * ! & /b', '/b'],
    ['0.5*(/a | ~) & $', '0.50*/a & $'],
    ['! | ~ | $', '!'],
    ['~ | /ok | !', '/ok | !'],
    ['~ | ~', '~'],
    ['~ & !', '~'],
    ['/a | (~ | ! | /b) | /c', '/a | !'],
    ['/a | (/b | ! | /c) | /d', '/a | (/b | !) | /d'],
    ['0.2*/a & 0.3*~ & 0.5*/b', '0.20*/a & 0.50*/b'],
  ];
  for (const [text, simple] of rows)
    test(`${text} → ${simple}`, () => assert.equal(showTree(simplify(parseTree(text))), simple));
});

suite('one step of rewriting', () => {
  const rows: [id: string, dtab: string, path: string, tree: string][] = [
    ['C1', '/a/*/c => /d', '/a/b/c/e/f', '/d/e/f'],
    ['C22', '/s#/*/bar => /t/bah', '/s#/boo/bar/baz', '/t/bah/baz'],
    ['C23', '/svc=>/a;/svc/users=>/b;/svc=>/c | /d', '/svc/users/1', '(/c/users/1 | /d/users/1) | /b/1 | /a/users/1'],
    ['whole labels only', '/s => /t', '/s#/x', '~'],
    ['case matters', '/s => /t', '/S/x', '~'],
    ['the empty prefix matches all', '/ => /t', '/$/x', '/t/$/x'],
    ['longer than the path', '/a/b => /t', '/a', '~'],
    ['weights stay', '/a => 0.25*/b & 0.75*/c', '/a/x', '0.25*/b/x & 0.75*/c/x'],
  ];
  for (const [id, dtab, path, tree] of rows)
    test(`${id}: ${path} by ${dtab}`, () => assert.equal(showTree(lookup(parseDtab(dtab), parsePath(path))), tree));
});

test('tables are put together with the later one winning', () => {
  const [a, b] = [parseDtab('/foo=>/bar'), parseDtab('/foo=>/biz')];
  assert.equal(showTree(lookup(concat(a, b), ['foo'])), '/biz | /bar');
  assert.equal(showTree(lookup(concat(b, a), ['foo'])), '/bar | /biz');
});

test('a simplified table has no rule that comes down to nothing', () =>
  assert.equal(showDtab(simplified(parseDtab('/a=>~;/b=>/c|~;/d=>~&~;/e=>!;/f=>$'))), '/b=>/c;/e=>!;/f=>$'));

test('only an exact start of a table is stripped', () => {
  const table = parseDtab('/a=>/b;/c=>/d;/e=>/f');
  assert.equal(showDtab(stripPrefix(table, parseDtab('/a=>/b;/c=>/d'))), '/e=>/f');
  assert.equal(showDtab(stripPrefix(table, parseDtab('/c=>/d'))), showDtab(table));
  assert.equal(showDtab(stripPrefix(table, [...table, ...table])), showDtab(table));
});
