/** The file format of namer `io.l5d.fs`. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { HostsSyntaxError, parseHosts } from '../../src/namers/hosts-file.ts';

test('lines are a host, a port and perhaps a weight', () => {
  assert.deepEqual(
    parseHosts('127.0.0.1 8080\n127.0.0.1 8081 * 0.23\r\n\tdb.example\t 5432 # main\n\n# none\n::1 80\n127.1 1'),
    [
      { host: '127.0.0.1', port: 8080 },
      { host: '127.0.0.1', port: 8081, weight: 0.23 },
      { host: 'db.example', port: 5432 },
      { host: '::1', port: 80 },
      { host: '127.1', port: 1 },
    ],
  );
});

test('a file without lines has no addresses', () => {
  assert.deepEqual(parseHosts(''), []);
  assert.deepEqual(parseHosts(' \n# only a comment\n'), []);
});

const bad: [line: string, message: RegExp][] = [
  ['127.0.0.1', /port is missing/],
  ['127.0.0.1 0', /0 is not a port/],
  ['127.0.0.1 65536', /65536 is not a port/],
  ['127.0.0.1 http', /http is not a port/],
  ['127.0.0.1:80', /neither a host name nor an address|port is missing/],
  ['[::1] 80', /neither a host name nor an address/],
  ['a/b 80', /neither a host name nor an address/],
  ['h 80 0.5', /expected: host port/],
  ['h 80 *0.5', /expected: host port/],
  ['h 80 *', /expected: host port/],
  ['h 80 * x', /x is not a weight/],
  ['h 80 * -1', /-1 is not a weight/],
  ['h 80 * 0.5 more', /expected: host port/],
];
for (const [line, message] of bad)
  test(`"${line}" is malformed, and its line is told`, () => {
    assert.throws(
      () => parseHosts(`ok 1\n\n${line}\nok 2`),
      (error: HostsSyntaxError) => error.line === 3 && message.test(error.message),
    );
  });

const hostLine = fc.record(
  {
    host: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()),
    port: fc.integer({ min: 1, max: 65_535 }),
    weight: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map(Math.abs),
  },
  { requiredKeys: ['host', 'port'], noNullPrototype: true },
);

test('what is written in the format is read back, with any blanks and comments between', () => {
  const blank = fc.constantFrom(' ', '\t', '   ');
  fc.assert(
    fc.property(fc.array(fc.tuple(hostLine, blank, fc.constantFrom('', ' # c', '\n\n#x')), { maxLength: 8 }), lines => {
      const text = lines.map(
        ([{ host, port, weight }, space, end]) =>
          [host, port, ...(weight === undefined ? [] : ['*', weight])].join(space) + end,
      );
      assert.deepEqual(
        parseHosts(text.join('\n')),
        lines.map(([line]) => line),
      );
    }),
  );
});

test('any text is either read or refused with the number of one of its lines', () => {
  const rough = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('a', '1', ' ', '\n', '*', '#', '.', ':') }),
  );
  fc.assert(
    fc.property(rough, text => {
      try {
        for (const { port, weight = 1 } of parseHosts(text)) assert.ok(port >= 1 && port <= 65_535 && weight >= 0);
      } catch (error) {
        assert.ok(error instanceof HostsSyntaxError);
        assert.ok(error.line >= 1 && error.line <= text.split(/\r\n|\n|\r/).length);
      }
    }),
  );
});
