/** From text to a value or to the one report. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { z } from 'zod';
import type { Vocabulary } from '../../src/config/explain.ts';
import { count, ip, listenPort, millis, parsedText } from '../../src/config/fields.ts';
import { load } from '../../src/config/load.ts';
import type { Purpose } from '../../src/config/report.ts';
import { LinkerdTcpError } from '../../src/errors.ts';

const store = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('memory') }),
  z.strictObject({ kind: z.literal('etcd'), host: z.string().default('localhost'), port: listenPort().default(2379) }),
]);
const schema = z.strictObject({
  store: store.optional(),
  limits: z.strictObject({ waitMs: millis(1).default(10), max: count().default(3) }).prefault({}),
  mode: z.enum(['fast', 'safe']).default('safe'),
  ip: ip().optional(),
  name: z.string(),
  size: z.union([z.int(), z.string()]).optional(),
  target: z
    .union([z.strictObject({ host: z.string() }), z.strictObject({ path: z.string(), depth: z.int() })])
    .optional(),
  tags: z.record(z.string().max(3), z.int()).optional(),
  expression: parsedText('an expression', text => {
    const offset = text.indexOf('?');
    if (offset >= 0) throw Object.assign(new Error('? is not allowed'), { offset });
  }).optional(),
});

function reportOf(text: string, options: { purpose?: Purpose; vocabulary?: Vocabulary; file?: string } = {}): string[] {
  try {
    load({ program: 'prog', file: 'a.yml', text, schema, ...options });
  } catch (error) {
    assert.ok(error instanceof LinkerdTcpError, String(error));
    assert.equal(error.code, 'CONFIG_INVALID');
    return error.message.split('\n');
  }
  assert.fail('expected a report');
}

/** The single problem of `text`, without its file name. */
function problemOf(text: string, vocabulary?: Vocabulary): string {
  const lines = reportOf(text, { vocabulary, purpose: 'check' });
  assert.equal(lines.length, 2, lines.join('\n'));
  return lines[1].replace('  a.yml:', '');
}

test('a valid text gives the value with defaults filled in', () => {
  assert.deepEqual(load({ program: 'prog', file: 'a.yml', text: 'name: x\nstore: {kind: etcd}', schema }), {
    name: 'x',
    mode: 'safe',
    limits: { waitMs: 10, max: 3 },
    store: { kind: 'etcd', host: 'localhost', port: 2379 },
  });
});

test('the report lists every problem in the order of the file, aligned, and ends with what to do', () => {
  assert.deepEqual(reportOf('mode: quick\nname: 3\nlimits:\n  wiatMs: 3\n'), [
    'prog: 3 problems in a.yml',
    '  a.yml:1:7  mode: expected one of fast, safe, found "quick"',
    '  a.yml:2:7  name: expected a string, found 3',
    '  a.yml:4:3  limits.wiatMs: unknown key; did you mean waitMs?',
    'Nothing was started. Check with: prog --check a.yml',
  ]);
});

test('the last line fits the purpose and standard input', () => {
  assert.equal(reportOf('', { purpose: 'reload' }).at(-1), 'Nothing was changed. Check with: prog --check a.yml');
  assert.equal(reportOf('', { file: '<stdin>' }).at(-1), 'Nothing was started. Check with: prog --check -');
  assert.equal(reportOf('', { purpose: 'check' }).length, 2);
});

for (const [text, problem] of [
  ['', '1:1  expected a mapping, found nothing'],
  ['[]', '1:1  expected a mapping, found an empty list'],
  ['name:', '1:6  name: expected a string, found nothing'],
  ['mode: safe', '1:1  name: missing; expected a string'],
  ['naem: x', '1:1  naem: unknown key; did you mean name?'],
  [
    'name: x\n"a b": 1',
    '2:1  ["a b"]: unknown key; keys that may be added here: store, limits, mode, ip, size, target, tags, expression',
  ],
  ['name: x\nstore: {}', '2:8  store.kind: missing; expected one of memory, etcd'],
  ['name: x\nstore: {kind: etdc}', '2:15  store.kind: unknown kind "etdc"; did you mean etcd?'],
  ['name: x\nstore: {kind: zookeeper}', '2:15  store.kind: unknown kind "zookeeper"; expected one of memory, etcd'],
  ['name: x\nstore: {kind: [1]}', '2:15  store.kind: expected one of memory, etcd, found a list'],
  ['name: x\nstore: {kind: memory, hots: x}', '2:23  store.hots: unknown key; keys that may be added here: nothing'],
  ['name: x\nstore: {kind: etcd, hots: x}', '2:21  store.hots: unknown key; did you mean host?'],
  ['name: x\nstore: memory', '2:8  store: expected a mapping, found "memory"'],
  [
    'name: x\nstore: {kind: etcd, port: 65536}',
    '2:27  store.port: expected a port, a whole number from 0 to 65535 (0: any free port), found 65536',
  ],
  ['name: x\nlimits: {waitMs: 0}', '2:18  limits.waitMs: expected a whole number of milliseconds, at least 1, found 0'],
  [
    'name: x\nlimits: {waitMs: 1.5}',
    '2:18  limits.waitMs: expected a whole number of milliseconds, at least 1, found 1.5',
  ],
  ['name: x\nlimits: {max: "3"}', '2:15  limits.max: expected a whole number, found "3"'],
  [
    'name: x\nip: localhost',
    '2:5  ip: expected an IPv4 or IPv6 address, found "localhost"; names are not looked up here',
  ],
  ['name: x\nsize: true', '2:7  size: expected a number or a string, found true'],
  ['name: x\ntarget: {path: /, depth: x}', '2:26  target.depth: expected a number, found "x"'],
  ['name: x\ntags: {long: 1}', '2:8  tags.long: as a key: expected at most 3 characters, found "long"'],
  ['name: x\nexpression: |\n  a\n  b?', '4:4  expression: not an expression: ? is not allowed'],
  ['name: x\nname: y', '2:1  duplicate key name'],
  ['{"name": "x", "name": "y"}', '1:15  duplicate key name'],
] as const)
  test(`${JSON.stringify(text)} is answered with "${problem}"`, () => {
    assert.equal(problemOf(text), problem);
  });

test('words the program knows from elsewhere are explained', () => {
  const vocabulary: Vocabulary = {
    key: (parent, key) => (parent.length === 0 && key === 'verbose' ? 'set LOG_LEVEL instead' : undefined),
    kind: (_, kind) => (kind === 'zookeeper' ? 'comes with the next version' : undefined),
  };
  assert.equal(problemOf('name: x\nverbose: true', vocabulary), '2:1  verbose: unknown key; set LOG_LEVEL instead');
  assert.equal(
    problemOf('name: x\nstore: {kind: zookeeper}', vocabulary),
    '2:15  store.kind: zookeeper: comes with the next version',
  );
});

test('checks across keys report together with the schema', () => {
  assert.throws(
    () =>
      load({
        program: 'prog',
        file: 'a.yml',
        text: 'mode: 3\nname: x',
        schema,
        purpose: 'check',
        check: (_, complain) => complain({ path: ['name'], message: 'x is reserved' }),
      }),
    {
      message:
        'prog: 2 problems in a.yml\n  a.yml:1:7  mode: expected one of fast, safe, found 3\n  a.yml:2:7  name: x is reserved',
    },
  );
});

test('of very many problems the first hundred are shown', () => {
  const lines = reportOf(Array.from({ length: 150 }, (_, i) => `key${i}: 1`).join('\n'));
  assert.equal(lines[0], 'prog: 151 problems in a.yml');
  assert.equal(lines.at(-2), '  ... and 51 more');
});

const neverSurprises = (text: string) => {
  try {
    load({ program: 'prog', file: 'a.yml', text, schema });
  } catch (error) {
    assert.ok(error instanceof LinkerdTcpError, `${String(error)} for ${JSON.stringify(text)}`);
    assert.equal(error.code, 'CONFIG_INVALID');
    assert.doesNotMatch(error.message, /undefined|\bat file:|NaN/);
  }
};

test('whatever the text, the outcome is a value or a report', () => {
  const pieces = fc.constantFrom(
    ...'{}[],:-?&*!|>%@`"\'#\n\t ~',
    'name',
    'store',
    'kind',
    'etcd',
    '__proto__',
    '<<',
    '1',
    'x: ',
  );
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 60 }), neverSurprises));
  fc.assert(fc.property(fc.array(pieces, { maxLength: 40 }), parts => neverSurprises(parts.join(''))));
});

test('whatever the value, the outcome is a value or a report', () => {
  const keys = fc.constantFrom(
    'name',
    'store',
    'kind',
    'limits',
    'tags',
    'target',
    'size',
    '__proto__',
    'constructor',
    'x',
  );
  const { value } = fc.letrec(tie => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom('memory', 'etcd', 'x', '', 0, -1, 1e300, true, null),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(keys, tie('value'), { maxKeys: 4 }),
    ),
  }));
  fc.assert(fc.property(value, any => neverSurprises(JSON.stringify(any))));
});

test('many unknown keys are reported in a time that grows with the file, and only the first of them are listed', () => {
  const text = `name: x\n${Array.from({ length: 20_000 }, (_, i) => `key${i}: 1\n`).join('')}`;
  const lines = reportOf(text);
  assert.equal(lines[0], 'prog: 20000 problems in a.yml');
  assert.ok(lines.length < 110);
  assert.match(lines.join('\n'), /and 19900 more/);
});

test('a configuration of several documents is answered in words for operators', () => {
  assert.match(problemOf('name: x\n---\nname: y\n'), /a second document starts here: a configuration is one document/);
});

test('a value that breaks two rules in the same way is one problem', () => {
  assert.match(problemOf('name: x\nlimits: {max: 1e23}'), /limits\.max: .*found 1e\+23/);
});

test('one mistake of syntax is one problem, however much it confuses the rest of the file', () => {
  assert.match(
    problemOf('limits: {max: $'.concat('{PORT}}\n')),
    /1:\d+ +unexpected characters after a value: put a value with special characters in quotes/,
  );
  assert.match(problemOf('name: ["x]\n'), /missing ": a list, a mapping or a text is not closed/);
  assert.match(problemOf('name: [x\n'), /missing \]: a list, a mapping or a text is not closed/);
});

test('YAML merge keys are refused in words that say so', () => {
  assert.match(
    problemOf('name: x\nlimits: {<<: {max: 1}}'),
    /<<.*merge keys are not supported; write the keys themselves/,
  );
});
