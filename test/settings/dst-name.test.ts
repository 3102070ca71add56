/** `dstName` with a variable: what it leads to, and what is wrong with it where. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseDstName } from '../../src/settings/linkerd-tcp/dst-name.ts';

const problemOf = (text: string): { message: string; offset: number } => {
  try {
    parseDstName(text);
  } catch (error) {
    const { message, offset } = error as Error & { offset: number };
    return { message, offset };
  }
  assert.fail(`${text} is taken`);
};

test('a name without a variable is one path', () => {
  const { variable, dstFor } = parseDstName('/svc/web');
  assert.equal(variable, null);
  assert.deepEqual(dstFor('a.test'), ['svc', 'web']);
});

for (const [text, path] of [
  ['/svc/{sni}', ['svc', 'a.test']],
  ['/{sni}', ['a.test']],
  ['/svc/{sni}.tls', ['svc', 'a.test.tls']],
  ['/svc/tls-{sni}/443', ['svc', 'tls-a.test', '443']],
] as const)
  test(`${text} is ${path.join(' ')} for a.test`, () => {
    const { variable, dstFor } = parseDstName(text);
    assert.equal(variable, 'sni');
    assert.deepEqual(dstFor('a.test'), path);
  });

test('a name of a certificate stays one label, whatever bytes it has', () => {
  const { variable, dstFor } = parseDstName('/svc/{clientSan}/x-{no}'.replace('{no}', '-0---------'));
  assert.equal(variable, 'clientSan');
  assert.deepEqual(dstFor('spiffe://a/ü$&'), ['svc', 'spiffe://a/Ã¼$&', 'x--0---------']);
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
    message: '{host} is not known here; the variables are {sni}, {clientCn}, {clientSan}',
    offset: 5,
  });
  assert.deepEqual(problemOf('/svc/{sni}/{port}'), {
    message: '{port} is not known here; the variables are {sni}, {clientCn}, {clientSan}',
    offset: 11,
  });
  assert.deepEqual(problemOf('/svc/{sni}/{sni}'), {
    message: 'more than one variable; a name can have one',
    offset: 11,
  });
  assert.equal(
    problemOf('/svc/{sni').message,
    '{sni is not known here; the variables are {sni}, {clientCn}, {clientSan}',
  );
  assert.equal(problemOf('/svc/sni}').offset, 8);
});

test('what is wrong with the path is told at its place, before and after the variable', () => {
  assert.equal(problemOf('svc/{sni}').offset, 0);
  assert.equal(problemOf('/svc/{sni}!').offset, 10);
  assert.equal(problemOf('/svc/\\x2{sni}').offset, 8);
});
