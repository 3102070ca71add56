/** Where values stand in a configuration text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigDocument } from '../../src/config/document.ts';

const yaml = `admin: {port: 1}
routers:
- label: a
  dtab: |
    /svc => /a ;

    /x => ?
- &b
  label: 'b'
- *b
`;

test('a value and its key are located by the path from the root', () => {
  const document = new ConfigDocument(yaml);
  assert.deepEqual(document.valuePosition(['routers', 0, 'label']), { line: 3, column: 10 });
  assert.deepEqual(document.keyPosition(['routers', 0, 'label']), { line: 3, column: 3 });
  assert.deepEqual(document.keyPosition(['admin', 'port']), { line: 1, column: 9 });
});

test('a missing value is located at the nearest enclosing value', () => {
  const document = new ConfigDocument(yaml);
  assert.deepEqual(document.valuePosition(['routers', 0, 'servers', 3]), { line: 3, column: 3 });
  assert.deepEqual(document.keyPosition(['admin', 'ip']), { line: 1, column: 8 });
});

test('a character inside a literal block is located exactly, blank lines included', () => {
  const document = new ConfigDocument(yaml);
  const text = (document.value as { routers: { dtab: string }[] }).routers[0].dtab;
  assert.deepEqual(document.insidePosition(['routers', 0, 'dtab'], text.indexOf('?')), { line: 7, column: 11 });
});

test('a character inside a quoted or plain string is located, unless the string is written with escapes', () => {
  const document = new ConfigDocument('a: "/x y"\nb: /x y\nc: "/\\x41 y"\n');
  assert.deepEqual(document.insidePosition(['a'], 3), { line: 1, column: 8 });
  assert.deepEqual(document.insidePosition(['b'], 3), { line: 2, column: 7 });
  assert.deepEqual(document.insidePosition(['c'], 3), { line: 3, column: 4 });
});

test('a value used again through an alias is located where it is written', () => {
  const document = new ConfigDocument(yaml);
  assert.deepEqual(document.valuePosition(['routers', 2, 'label']), { line: 9, column: 10 });
});

test('JSON indented by tabs is read, with positions', () => {
  const document = new ConfigDocument('{\n\t"a": {\n\t\t"b": [1, 2]\n\t}\n}');
  assert.deepEqual(document.value, { a: { b: [1, 2] } });
  assert.deepEqual(document.valuePosition(['a', 'b', 1]), { line: 3, column: 12 });
});

test('a flow mapping that is not JSON is read', () => {
  assert.deepEqual(new ConfigDocument('{a: {b: c}, d: [e]}').value, { a: { b: 'c' }, d: ['e'] });
});

test('a duplicate key is a problem, and the value is still there to be checked', () => {
  const document = new ConfigDocument('a: 1\nb: 2\na: 3\n');
  assert.deepEqual(document.syntaxProblems, [{ at: { line: 3, column: 1 }, message: 'duplicate key a' }]);
  assert.deepEqual(document.value, { a: 3, b: 2 });
});

for (const [text, line, column, message] of [
  ['a: *b\n', 1, 4, '*b refers to nothing: no &b stands before it'],
  ['? [a]\n: 1\n', 1, 3, 'expected a string as key'],
  ['a: !thing 3\n', 1, 4, 'unresolved tag: !thing'],
  ['['.repeat(100_000), 1, undefined, 'nested too deeply'],
] as const)
  test(`${text.slice(0, 20).trim()} is answered with "${message}"`, () => {
    const { syntaxProblems, value } = new ConfigDocument(text);
    assert.equal(value, undefined);
    assert.equal(syntaxProblems.length, 1);
    assert.equal(syntaxProblems[0].message, message);
    assert.equal(syntaxProblems[0].at.line, line);
    if (column !== undefined) assert.equal(syntaxProblems[0].at.column, column);
  });

test('aliases that multiply into a huge value are refused', () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 10; i++)
    lines.push(
      `a${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    );
  const { syntaxProblems, value } = new ConfigDocument(lines.join('\n'));
  assert.equal(value, undefined);
  assert.match(syntaxProblems[0].message, /its aliases \(\*name\) multiply/);
});
