/** Keys under a former name. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { z } from 'zod';
import { renameKeys, withFormerKeys } from '../../src/config/former-keys.ts';
import { pathText } from '../../src/config/problem.ts';
import { kinds } from '../../src/settings/linkerd-tcp/kinds.ts';
import { loadLinkerdTcp } from '../../src/settings/linkerd-tcp/load.ts';

const inner = withFormerKeys(z.strictObject({ max: z.number().optional() }), { most: 'max' });
const schema = z.strictObject({ list: z.array(inner).optional(), one: inner.optional() });

function renamed(value: unknown): [unknown, string[]] {
  const warnings: string[] = [];
  const made = renameKeys(schema, value, ({ path, message }) => warnings.push(`${pathText(path)}: ${message}`));
  return [made, warnings];
}

test('a key under its former name gets the present one, with a warning where it stands', () => {
  assert.deepEqual(renamed({ list: [{ most: 1 }, { max: 2 }], one: { most: 3 } }), [
    { list: [{ max: 1 }, { max: 2 }], one: { max: 3 } },
    ['list[0].most: renamed; use max', 'one.most: renamed; use max'],
  ]);
});

test('a key under both names, and values that do not fit, stay as they are', () => {
  for (const value of [{ one: { most: 1, max: 2 } }, { one: 7 }, null, [], { list: 'x' }])
    assert.deepEqual(renamed(value), [value, []]);
});

test('a configuration with mostHelloBytes is accepted, and the warning names its place', () => {
  const warnings: string[] = [];
  const text =
    'routers: [{label: a, servers: [{port: 0, dstName: "/svc/{sni}", sni: {route: true, mostHelloBytes: 1024}}], dtab: "/svc => /$/inet/a/1"}]';
  const config = loadLinkerdTcp({ file: '<stdin>', text, warned: line => warnings.push(line) }, kinds);
  assert.equal(config.routers[0].servers[0].sni?.maxClientHelloBytes, 1024);
  assert.ok(
    warnings.some(line =>
      /1:\d+ +routers\[0\]\.servers\[0\]\.sni\.mostHelloBytes: .*renamed; use maxClient/.test(line),
    ),
    warnings.join('\n'),
  );
});
