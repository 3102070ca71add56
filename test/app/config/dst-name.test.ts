/** `dstName` with a variable: what it leads to, and what is wrong with it where. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseDstName } from '../../../src/app/config/dst-name.ts';

const problemOf = (text: string): { message: string; offset: number } => {
  try {
    parseDstName(text);
  } catch (error) {
    const { message, offset } = error as Error & { offset: number };
    return { message, offset };
  }
  assert.fail(`${text} is taken`);
};

test('a name without {sni} is one path', () => {
  const { bySni, dstFor } = parseDstName('/svc/web');
  assert.equal(bySni, false);
  assert.deepEqual(dstFor('a.test'), ['svc', 'web']);
});

for (const [text, path] of [
  ['/svc/{sni}', ['svc', 'a.test']],
  ['/{sni}', ['a.test']],
  ['/svc/{sni}.tls', ['svc', 'a.test.tls']],
  ['/svc/tls-{sni}/443', ['svc', 'tls-a.test', '443']],
] as const)
  test(`${text} is ${path.join(' ')} for a.test`, () => {
    const { bySni, dstFor } = parseDstName(text);
    assert.equal(bySni, true);
    assert.deepEqual(dstFor('a.test'), path);
  });

test('every server name makes a path, whatever stands around the variable', () => {
  const around = fc.string({ unit: fc.constantFrom(...'/ax2\\.#$%-_ '.split('')), maxLength: 6 });
  const name = fc.string({ unit: fc.constantFrom(...'abcxz019._-'.split('')), minLength: 1, maxLength: 255 });
  fc.assert(
    fc.property(around, around, name, (before, after, serverName) => {
      let dstName: ReturnType<typeof parseDstName>;
      try {
        dstName = parseDstName(`/${before}{sni}${after}`);
      } catch {
        return;
      }
      dstName.dstFor(serverName);
    }),
  );
});

test('another variable, one too many, or a loose brace is told with its place', () => {
  assert.deepEqual(problemOf('/svc/{host}'), {
    message: '{host} is not known here; the only variable is {sni}',
    offset: 5,
  });
  assert.deepEqual(problemOf('/svc/{sni}/{port}'), {
    message: '{port} is not known here; the only variable is {sni}',
    offset: 11,
  });
  assert.deepEqual(problemOf('/svc/{sni}/{sni}'), { message: '{sni} stands in it more than once', offset: 11 });
  assert.equal(problemOf('/svc/{sni').message, '{sni is not known here; the only variable is {sni}');
  assert.equal(problemOf('/svc/sni}').offset, 8);
});

test('what is wrong with the path is told at its place, before and after the variable', () => {
  assert.equal(problemOf('svc/{sni}').offset, 0);
  assert.equal(problemOf('/svc/{sni}!').offset, 10);
  assert.equal(problemOf('/svc/\\x2{sni}').offset, 8);
});
