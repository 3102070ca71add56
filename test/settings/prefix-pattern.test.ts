/** Prefixes of `io.l5d.static` entries. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { labelOf } from '../../src/dtab/path.ts';
import { parsePrefixPattern } from '../../src/settings/linkerd-tcp/prefix-pattern.ts';

const match = (pattern: string, path: string) =>
  parsePrefixPattern(pattern).match(path.split('/').filter(Boolean).map(labelOf));

for (const [pattern, path, captured] of [
  ['/', '/', {}],
  ['/', '/svc/x', {}],
  ['/svc', '/svc', {}],
  ['/svc', '/svc/x', {}],
  // Reversed operands of 0.1.1: these two matched or crashed, and the ones above did not match.
  ['/svc/google/foo', '/svc/google', undefined],
  ['/svc/googlex', '/svc/google', undefined],
  ['/svc', '/svcx', undefined],
  ['/svc', '/', undefined],
  ['/svc/*', '/svc/x/y', {}],
  ['/svc/*', '/svc', undefined],
  ['/*/b', '/a/b', {}],
  ['/svc/{name}', '/svc/users', { name: 'users' }],
  ['/svc/{name}/x', '/svc/users/y', undefined],
  ['/svc/{name}.{zone}', '/svc/a.b.c', { name: 'a.b', zone: 'c' }],
  ['/svc/{name}.test', '/svc/usersxtest', undefined],
  ['/svc/v{n}-{rest}', '/svc/v2-', { n: '2', rest: '' }],
  ['/svc/grün', '/svc/grün', {}],
] as const)
  test(`${pattern} on ${path} ${captured === undefined ? 'does not match' : `captures ${JSON.stringify(captured)}`}`, () => {
    assert.deepEqual(match(pattern, path), captured);
  });

for (const [pattern, offset] of [
  ['', 0],
  ['svc', 0],
  ['/svc/', 5],
  ['/svc//a', 5],
  ['/svc/a*', 6],
  ['/svc/{a', 5],
  ['/svc/{}', 5],
  ['/svc/{a}}', 5],
] as const)
  test(`${JSON.stringify(pattern)} is not a pattern, and the place is said`, () => {
    assert.throws(() => parsePrefixPattern(pattern), { offset });
  });

test('a literal path is a prefix of itself and of everything below', () => {
  const label = fc.string({ unit: fc.constantFrom('a', 'B', '0', '.', '-', '$', '#'), minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(label, { minLength: 1 }), fc.array(label), (prefix, below) => {
      const pattern = parsePrefixPattern(`/${prefix.join('/')}`);
      assert.deepEqual(pattern.match([...prefix, ...below]), {});
      assert.equal(pattern.match(prefix.slice(0, -1)), undefined);
    }),
  );
});
