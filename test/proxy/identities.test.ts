/** Which certificate a client is shown, by the name it asks for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { identityFor } from '../../src/proxy/identities.ts';
import type { ServerTlsSpec } from '../../src/proxy/messages.ts';

const spec = (own: Partial<ServerTlsSpec>): ServerTlsSpec => ({
  ...{ exact: {}, wildcard: {}, fallback: null, cells: {} as ServerTlsSpec['cells'] },
  ...own,
});

const web = spec({
  exact: { 'a.test': 1, 'b.a.test': 2 },
  wildcard: { '.a.test': 3, '.c.a.test': 4 },
  fallback: 5,
});

for (const [name, identity] of [
  ['a.test', 1],
  ['b.a.test', 2],
  ['x.a.test', 3],
  ['c.a.test', 3],
  ['x.c.a.test', 4],
  ['y.x.a.test', 5],
  ['other.test', 5],
  ['test', 5],
  ['', 5],
] as const) {
  test(`a client that asks for ${name || 'nobody'} is shown identity ${identity}`, () => {
    assert.equal(identityFor(web, name), identity);
  });
}

test('without a default, a client that names no server or an unknown one is refused', () => {
  const strict = { ...web, fallback: null };
  for (const name of ['', 'test', 'other.test', 'y.x.a.test']) assert.equal(identityFor(strict, name), null);
  assert.equal(identityFor(strict, 'x.a.test'), 3);
});

test('an identity of id 0 is one too', () => {
  assert.equal(identityFor(spec({ exact: { 'a.test': 0 } }), 'a.test'), 0);
  assert.equal(identityFor(spec({ wildcard: { '.test': 0 } }), 'a.test'), 0);
  assert.equal(identityFor(spec({ fallback: 0 }), 'a.test'), 0);
});

test('names that objects know by themselves are no names of identities', () => {
  for (const name of ['constructor', 'toString', '__proto__', 'hasownproperty', 'x.constructor'])
    assert.equal(identityFor(web, name), 5);
});

test('an identity is never that of a name with other labels', () => {
  const label = fc.stringMatching(/^[a-z0-9]{1,3}$/);
  const name = fc.array(label, { minLength: 1, maxLength: 4 }).map(labels => labels.join('.'));
  fc.assert(
    fc.property(name, name, (asked, known) => {
      const both = spec({ exact: { [known]: 1 }, wildcard: { [`.${known}`]: 2 } });
      const [, ...above] = asked.split('.');
      const expected = asked === known ? 1 : above.join('.') === known ? 2 : null;
      assert.equal(identityFor(both, asked), expected);
    }),
  );
});
