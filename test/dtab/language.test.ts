/** The dtab language as Finagle's and Linkerd's own tests describe it: one row, one subtest. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { alt, empty, fail, leaf, type NameTree, neg, union } from '../../src/dtab/name-tree.ts';
import { DtabSyntaxError, parseDentry, parseDtab, parsePath, parsePrefix, parseTree } from '../../src/dtab/parse.ts';
import type { Path } from '../../src/dtab/path.ts';
import { showDentry, showDtab, showPath, showPrefix, showTree } from '../../src/dtab/show.ts';

const p = (...labels: string[]): NameTree<Path> => leaf(labels);
const even = (...trees: NameTree<Path>[]) => union(...trees.map(tree => ({ weight: 1, tree })));

suite('what the parser reads', () => {
  const rows: [id: string, read: (text: string) => unknown, text: string, value: unknown][] = [
    ['A1', parsePath, '/', []],
    ['A2', parsePath, '  /foo/bar  ', ['foo', 'bar']],
    ['A3', parsePath, '/\\x66\\x6f\\x6F', ['foo']],
    ['A9', parseTree, '! | ~ | $', alt(fail, neg, empty)],
    ['A10', parseTree, '/foo/bar', p('foo', 'bar')],
    ['A11', parseTree, '  /foo & /bar  ', even(p('foo'), p('bar'))],
    ['A12', parseTree, '  /foo | /bar  ', alt(p('foo'), p('bar'))],
    ['A13', parseTree, '/foo & /bar | /bar & /baz', alt<Path>(even(p('foo'), p('bar')), even(p('bar'), p('baz')))],
    [
      'A14',
      parseTree,
      '1 * /foo & 2 * /bar | .5 * /bar & .5 * /baz',
      alt<Path>(
        union({ weight: 1, tree: p('foo') }, { weight: 2, tree: p('bar') }),
        union({ weight: 0.5, tree: p('bar') }, { weight: 0.5, tree: p('baz') }),
      ),
    ],
    ['A15', parseTree, '/foo & /bar | /baz | $', alt<Path>(even(p('foo'), p('bar')), p('baz'), empty)],
    ['A17', parseDentry, '/=>!', { prefix: [], dst: fail }],
    ['A17 spaced', parseDentry, '/ => !', { prefix: [], dst: fail }],
    ['A18', parseDentry, '/foo/*/bar => !', { prefix: ['foo', null, 'bar'], dst: fail }],
    ['A19', parseDentry, '/foo/bar/baz => !', { prefix: ['foo', 'bar', 'baz'], dst: fail }],
    ['A21', parseDtab, '', []],
    ['A22', parseDtab, '  /=>!  ', [{ prefix: [], dst: fail }]],
    ['A22 ended', parseDtab, '/=>!;', [{ prefix: [], dst: fail }]],
    [
      'A23',
      parseDtab,
      '/=>!;/foo=>/bar',
      [
        { prefix: [], dst: fail },
        { prefix: ['foo'], dst: p('bar') },
      ],
    ],
    [
      'A24',
      parseDtab,
      '/b => /c;\n/a => /b;\n',
      [
        { prefix: ['b'], dst: p('c') },
        { prefix: ['a'], dst: p('b') },
      ],
    ],
    [
      'A25',
      parseDtab,
      '# first\n  # second\n/#foo => /biz  # c \n | ( /bliz & # c \n /bluth ) # c \n ; #c \n #/ignore=>/me;',
      [{ prefix: ['#foo'], dst: alt<Path>(p('biz'), even(p('bliz'), p('bluth'))) }],
    ],
    ['a prefix alone', parsePrefix, ' /a/*/b ', ['a', null, 'b']],
    ['a comment after a path', parsePath, '/a #c', ['a']],
    ['a hash inside a label', parsePath, '/a#c', ['a#c']],
    ['a hash at the start of a label', parsePath, '/#foo', ['#foo']],
    ['a utility path, not Empty', parseTree, '/$/inet', p('$', 'inet')],
    [
      'numbers that end or start with a dot',
      parseTree,
      '5.*/a & .5*/b',
      union({ weight: 5, tree: p('a') }, { weight: 0.5, tree: p('b') }),
    ],
    ['bytes above 127', parsePath, '/\\xc3\\xa9', ['\xc3\xa9']],
    ['no flattening', parseTree, '/a | (/b | /c)', alt<Path>(p('a'), alt(p('b'), p('c')))],
    ['the white space of Java', parsePath, '\x1c\u3000\u2028/a\x1f\x0b', ['a']],
  ];
  for (const [id, read, text, value] of rows) test(`${id}: ${text}`, () => assert.deepEqual(read(text), value));

  test('A25 shows on one line, without comments and needless parentheses', () =>
    assert.equal(showDtab(parseDtab('/#foo => /biz # c\n| ( /bliz & /bluth );')), '/#foo=>/biz | /bliz & /bluth'));
});

suite('what the parser refuses, and how it says so', () => {
  const rows: [id: string, read: (text: string) => unknown, text: string, message: string][] = [
    ['A4', parsePath, '', "'/' expected but end of input found at '[]'"],
    ['A5', parsePath, '/foo/bar/', "a label character expected but end of input found at '/foo/bar/[]'"],
    ['A6', parsePath, '/{}', "end of input expected but '{' found at '/[{]}'"],
    ['A7', parsePath, '/\\?', "'x' expected but '?' found at '/\\[?]'"],
    ['A7', parsePath, '/\\x?', "a hexadecimal digit expected but '?' found at '/\\x[?]'"],
    ['A7', parsePath, '/\\x0?', "a hexadecimal digit expected but '?' found at '/\\x0[?]'"],
    ['A8', parsePath, '/foo^bar', "end of input expected but '^' found at '/foo[^]bar'"],
    ['A16', parseTree, '', "a path, '(', '~', '!' or '$' expected but end of input found at '[]'"],
    ['A16', parseTree, '#', "a path, '(', '~', '!' or '$' expected but end of input found at '#[]'"],
    ['A16', parseTree, '/foo &', "a path, '(', '~', '!' or '$' expected but end of input found at '/foo &[]'"],
    ['A16', parseTree, '/foo & 0.1.2 * /bar', "a digit expected but '.' found at '/foo & 0.1[.]2 * /bar'"],
    ['A16', parseTree, '/foo & . * /bar', "a finite weight expected but '.' found at '/foo & [.] * /bar'"],
    ['A20', parseDentry, '/foo/*bar/baz => !', "'=' expected but 'b' found at '/foo/*[b]ar/baz => !'"],
    ['A20', parseDentry, '/&!', "'=' expected but '&' found at '/[&]!'"],
    ['A31', parseTree, '-1*/a', "a path, '(', '~', '!' or '$' expected but '-' found at '[-]1*/a'"],
    ['A31', parseTree, '1e3*/a', "'*' expected but 'e' found at '1[e]3*/a'"],
    ['A31', parseTree, '/a/*/b', "a label character expected but '*' found at '/a/[*]/b'"],
    ['A32', parseDtab, '/a=>/b;;', "'/' expected but ';' found at '/a=>/b;[;]'"],
    ['A32', parseDtab, ';', "'/' expected but ';' found at '[;]'"],
    ['A32', parseDtab, '/a = > /b', "'>' expected but ' ' found at '/a =[ ]> /b'"],
    ['A32', parseDtab, '/foo/ => /bar', "a label character expected but ' ' found at '/foo/[ ]=> /bar'"],
    ['A32', parseDtab, '/a=>/b /c=>/d', "';' or end of input expected but '/' found at '/a=>/b [/]c=>/d'"],
    ['a relative path', parsePath, 'invalid-param', "'/' expected but 'i' found at '[i]nvalid-param'"],
    ['a doubled slash', parsePath, '/a//b', "a label character expected but '/' found at '/a/[/]b'"],
    ['a no-break space', parsePath, '\u00a0/a', "'/' expected but '\u00a0' found at '[\u00a0]/a'"],
    ['a character of two UTF-16 units', parsePath, '/😀', "end of input expected but '😀' found at '/[😀]'"],
    ['a parenthesis left open', parseTree, '(/a', "')' expected but end of input found at '(/a[]'"],
    [
      'an infinite weight',
      parseTree,
      `${'9'.repeat(309)}*/a`,
      `a finite weight expected but '9' found at '[9]${'9'.repeat(308)}*/a'`,
    ],
  ];
  for (const [id, read, text, message] of rows)
    test(`${id}: ${text}`, () => assert.throws(() => read(text), { name: 'DtabSyntaxError', message }));

  test('parentheses without end are refused before the stack is', () => {
    for (const text of ['('.repeat(1_000_000), `${'('.repeat(201)}/a${')'.repeat(201)}`])
      assert.throws(() => parseTree(text), /^DtabSyntaxError: at most 200 nested parentheses expected/);
    assert.equal(showTree(parseTree(`${'('.repeat(200)}/a${')'.repeat(200)}`)), '/a');
  });

  test('a message quotes a long text only around the error', () => {
    const text = `${'/a => /b ;'.repeat(10_000)} /c = /d ; ${'/e => /f ;'.repeat(10_000)}`;
    assert.throws(
      () => parseDtab(text),
      ({ message }: Error) => message.length < 600 && message.includes('/c =[ ]/d'),
    );
  });

  test('an error knows its offset, line and column', () => {
    const error = (() => {
      try {
        return parseDtab('/a=>/b;\n/c=>/d;\n  /e=>^');
      } catch (thrown) {
        return thrown;
      }
    })();
    assert.ok(error instanceof DtabSyntaxError);
    assert.deepEqual([error.offset, error.line, error.column], [22, 3, 7]);
  });
});

suite('how values print', () => {
  const rows: [id: string, shown: string, text: string][] = [
    ['A26', showDtab(parseDtab('/a/*/c => /d')), '/a/*/c=>/d'],
    ['A28', showTree(parseTree('0.7 * /a & 0.3 * /b')), '0.70*/a & 0.30*/b'],
    ['A29', showTree(parseTree('0.7*/a')), '/a'],
    ['A29', showTree(parseTree('((/a))')), '/a'],
    ['A30', showTree(parseTree('/a & (/b & /c)')), '/a & (/b & /c)'],
    ['A30', showTree(parseTree('/a | (/b | /c)')), '/a | (/b | /c)'],
    ['A30', showTree(parseTree('(/a | /b) & /c')), '(/a | /b) & /c'],
    ['a Union in an Alt', showTree(parseTree('(/a & /b) | /c')), '/a & /b | /c'],
    ['small shares keep their digits', showTree(parseTree('0.001*/a & 0.999*/b')), '0.001*/a & 0.999*/b'],
    ['no rounding', showTree(parseTree('1.005*/a & 2.675*/b')), '1.005*/a & 2.675*/b'],
    ['weight one is left out', showTree(parseTree('1.0*/a & 2*/b')), '/a & 2.00*/b'],
    [
      'never an exponent',
      showTree(parseTree(`.0000001*/a & 1${'0'.repeat(21)}*/b`)),
      `0.0000001*/a & 1${'0'.repeat(21)}.00*/b`,
    ],
    ['no weight at all', showTree(parseTree('0*/a & 0.0*/b')), '0.00*/a & 0.00*/b'],
    ['the empty path', showPath([]), '/'],
    ['a label with a space', showPath(['foo bar']), '/\\x66\\x6f\\x6f\\x20\\x62\\x61\\x72'],
    ['only the label that needs it', showPath(['a', '/', 'b']), '/a/\\x2f/b'],
    ['a wildcard', showPrefix(['a', null]), '/a/*'],
    ['a star that is no wildcard', showPrefix(['*']), '/\\x2a'],
    ['no entry', showDentry({ prefix: ['/'], dst: neg }), '/\\x2f=>~'],
    ['an Alt of one', showTree(alt(p('a'))), '/a'],
    ['a Union of one', showTree(union({ weight: 3, tree: p('a') })), '/a'],
    ['an Alt of none', showTree(alt()), '~'],
    [
      'a Union of one around an Alt',
      showTree(alt<Path>(union({ weight: 2, tree: alt(p('a'), p('b')) }), p('c'))),
      '(/a | /b) | /c',
    ],
    ['several rules', showDtab(parseDtab(' /a => /b ;\n/c => ! ;')), '/a=>/b;/c=>!'],
  ];
  for (const [id, shown, text] of rows) test(`${id}: ${text}`, () => assert.equal(shown, text));
});
