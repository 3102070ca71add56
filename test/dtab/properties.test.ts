import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat, lookup, matching, rewrite, sameDtab, simplified, stripPrefix } from '../../src/dtab/dtab.ts';
import { evaluate, simplify } from '../../src/dtab/evaluate.ts';
import { leaf } from '../../src/dtab/name-tree.ts';
import { DtabSyntaxError, parseDentry, parseDtab, parsePath, parsePrefix, parseTree } from '../../src/dtab/parse.ts';
import { showDentry, showDtab, showPath, showPrefix, showTree } from '../../src/dtab/show.ts';
import * as any from '../support/dtab-arbitraries.ts';

test('A27: whatever is shown reads back as it was', () => {
  fc.assert(fc.property(any.path, value => assert.deepEqual(parsePath(showPath(value)), value)));
  fc.assert(fc.property(any.tree(any.path), value => assert.deepEqual(parseTree(showTree(value)), value)));
  fc.assert(fc.property(any.dtab, value => assert.deepEqual(parseDtab(showDtab(value)), value)));
  fc.assert(
    fc.property(any.dentry, value => {
      assert.deepEqual(parseDentry(showDentry(value)), value);
      assert.deepEqual(parsePrefix(showPrefix(value.prefix)), value.prefix);
    }),
  );
});

test('the rules of a path are the same ones, in the same order, in a table that is asked often', () => {
  const few = fc.constantFrom('a', 'b');
  const prefix = fc.array(fc.option(few), { maxLength: 3 });
  const table = fc.array(prefix, { minLength: 60, maxLength: 80 });
  fc.assert(
    fc.property(table, fc.array(few, { maxLength: 4 }), (prefixes, path) => {
      const dtab = prefixes.map((each, i) => ({ prefix: each, dst: leaf([`${i}`]) }));
      const first = matching(dtab, path);
      for (let i = 0; i < 30; i++) assert.deepEqual(matching(dtab, path), first);
    }),
  );
});

test('any text is read or refused with a DtabSyntaxError inside the text', () => {
  for (const parse of [parsePath, parsePrefix, parseTree, parseDentry, parseDtab])
    fc.assert(
      fc.property(any.roughText, text => {
        try {
          parse(text);
        } catch (error) {
          assert.ok(error instanceof DtabSyntaxError, String(error));
          assert.ok(error.offset >= 0 && error.offset <= text.length && error.line >= 1 && error.column >= 1);
        }
      }),
      { numRuns: 500 },
    );
});

test('simplifying twice is simplifying once, and changes nothing that a tree stands for', () => {
  fc.assert(
    fc.property(any.tree(any.path), tree => {
      const simple = simplify(tree);
      assert.deepEqual(simplify(simple), simple);
      assert.deepEqual(evaluate(simple, showPath), evaluate(tree, showPath));
    }),
  );
});

test('a rule added later is tried before all others', () => {
  fc.assert(
    fc.property(any.dtab, any.path, any.tree(any.path), (dtab, path, dst) => {
      const others = matching(dtab, path).map(rule => rewrite(rule, path));
      const expected = others.length === 0 ? dst : { type: 'alt', trees: [dst, ...others] };
      assert.deepEqual(lookup(concat(dtab, [{ prefix: path, dst }]), path), expected);
    }),
  );
});

test('a table is what was put in front and what is left without it', () => {
  fc.assert(
    fc.property(any.dtab, any.dtab, (a, b) => {
      assert.deepEqual(stripPrefix(concat(a, b), a), b);
      assert.ok(sameDtab(simplified(simplified(a)), simplified(a)));
    }),
  );
});
