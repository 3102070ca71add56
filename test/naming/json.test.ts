import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { firstValueFrom, NEVER, of } from 'rxjs';
import { leaf } from '../../src/dtab/name-tree.ts';
import type { Addr, Address } from '../../src/naming/addr.ts';
import type { Delegation } from '../../src/naming/delegation.ts';
import { decodeAddr, encodeAddr } from '../../src/naming/json/addr.ts';
import { decodeBoundTree, encodeBoundTree } from '../../src/naming/json/bound-tree.ts';
import { decodeDelegation, encodeDelegation } from '../../src/naming/json/delegation.ts';
import type { Bound } from '../../src/naming/name.ts';
import * as any from '../support/dtab-arbitraries.ts';

const unwatched = () => NEVER;
const pendingAddr = (): Addr => ({ state: 'pending' });
const wire = (json: unknown): unknown => JSON.parse(JSON.stringify(json));

const meta = fc.dictionary(fc.string(), fc.jsonValue());
const address: fc.Arbitrary<Address> = fc.record({
  ip: fc.oneof(fc.ipV4(), fc.ipV6()),
  port: fc.integer({ min: 0, max: 65535 }),
  meta,
});
const addr: fc.Arbitrary<Addr> = fc.oneof(
  fc.constantFrom<Addr>({ state: 'pending' }, { state: 'neg' }),
  fc.string().map((message): Addr => ({ state: 'failed', error: new Error(message) })),
  fc.record({ state: fc.constant('bound' as const), addresses: fc.array(address, { maxLength: 4 }), meta }),
);
const bound: fc.Arbitrary<Bound> = fc.record({ id: any.path, residual: any.path, addr: fc.constant(NEVER) });

const node = { path: any.path, dentry: any.dentry };
const delegation = fc.letrec<{ node: Delegation }>(tie => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ type: fc.constantFrom('neg' as const, 'empty' as const), ...node }, { requiredKeys: ['type', 'path'] }),
    fc.record({ type: fc.constant('fail' as const), path: fc.constantFrom([], ['$', 'fail', 'x']) }),
    fc.record({ type: fc.constant('exception' as const), ...node, message: fc.string() }),
    fc.record({ type: fc.constant('leaf' as const), ...node, bound }),
    fc.record({ type: fc.constant('delegate' as const), ...node, delegate: tie('node') }),
    fc.record({ type: fc.constant('alt' as const), ...node, alt: fc.array(tie('node'), { maxLength: 3 }) }),
    fc.record({
      type: fc.constant('union' as const),
      ...node,
      union: fc.array(fc.record({ weight: any.weight, tree: tie('node') }), { maxLength: 3 }),
    }),
    fc.record({
      type: fc.constant('transformation' as const),
      path: any.path,
      name: fc.string(),
      bound,
      tree: tie('node'),
    }),
  ),
})).node;

/** Prototypes aside, which `assert.deepEqual` compares and JSON does not know; the addresses of leaves left out. */
const plain = (value: unknown): unknown =>
  wire(JSON.parse(JSON.stringify(value, (key, inner) => (key === 'addr' ? undefined : inner))));

test('addresses come through JSON as they were', () => {
  fc.assert(
    fc.property(addr, value => {
      const json = JSON.stringify(encodeAddr(value));
      assert.equal(JSON.stringify(encodeAddr(decodeAddr(JSON.parse(json)))), json);
    }),
  );
});

test('bound trees come through JSON as they were', () => {
  fc.assert(
    fc.property(any.tree(bound), tree =>
      assert.deepEqual(plain(decodeBoundTree(wire(encodeBoundTree(tree, pendingAddr)), unwatched)), plain(tree)),
    ),
  );
});

test('delegation trees come through JSON as they were', () => {
  fc.assert(
    fc.property(delegation, tree =>
      assert.deepEqual(plain(decodeDelegation(wire(encodeDelegation(tree, pendingAddr)))), plain(tree)),
    ),
  );
});

test('any JSON is decoded or refused with a reason', () => {
  const fragments = fc.constantFrom<unknown>(
    'leaf',
    'alt',
    'union',
    'bound',
    'neg',
    'delegate',
    '/a',
    '~',
    1,
    -1,
    null,
    [],
    {},
  );
  const keys = fc.constantFrom(
    'type',
    'alt',
    'union',
    'bound',
    'addr',
    'addrs',
    'id',
    'path',
    'weight',
    'tree',
    'meta',
    'ip',
    'port',
    'dentry',
    'delegate',
  );
  const nearly = fc.letrec<{ json: unknown }>(tie => ({
    json: fc.oneof(
      { maxDepth: 5 },
      fragments,
      fc.array(tie('json'), { maxLength: 3 }),
      fc.dictionary(keys, tie('json')),
    ),
  })).json;
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), nearly), json => {
      for (const decode of [decodeAddr, (any: unknown) => decodeBoundTree(any, unwatched), decodeDelegation])
        try {
          decode(json);
        } catch (error) {
          assert.match(String(error), /^Error: (\$|the tree is nested)/);
        }
    }),
    { numRuns: 1000 },
  );
});

test('a leaf is written with its addresses as they are now', () => {
  const bound: Bound = { id: ['#', 'io.l5d.namer', 'foo'], residual: [], addr: NEVER };
  const now: Addr = { state: 'bound', addresses: [{ ip: '127.0.0.1', port: 1, meta: {} }], meta: {} };
  assert.equal(
    JSON.stringify(encodeBoundTree(leaf(bound), () => now)),
    '{"type":"leaf","bound":{"addr":{"type":"bound","addrs":[{"ip":"127.0.0.1","port":1,"meta":{}}],"meta":{}},"id":"/#/io.l5d.namer/foo","path":"/"}}',
  );
});

test('metadata keeps its types and nesting', () => {
  const text =
    '{"type":"bound","addrs":[{"ip":"127.0.0.1","port":1,"meta":{"node_meta":{"foo_node":"bar_node"},"endpoint_addr_weight":0.5}}],"meta":{"ssl":true}}';
  assert.equal(JSON.stringify(encodeAddr(decodeAddr(JSON.parse(text)))), text);
});

test('what a decoder does not know it ignores, and a host that never resolved is left out', () => {
  const addr = decodeAddr({
    type: 'bound',
    later: 1,
    addrs: [
      { ip: 'host.example', port: 1, meta: {} },
      { ip: '::1', port: 2, extra: [] },
    ],
  });
  assert.deepEqual(addr, { state: 'bound', addresses: [{ ip: '::1', port: 2, meta: {} }], meta: {} });
  assert.deepEqual(decodeAddr({ type: 'neg', addrs: [], meta: {} }), { state: 'neg' });
});

test('a decoded leaf asks for its addresses by id, and hears what the document says of them', () => {
  const asked: unknown[] = [];
  const tree = decodeBoundTree({ type: 'leaf', bound: { id: '/#/x', addr: { type: 'neg' } } }, (id, snapshot) => {
    asked.push([id, snapshot]);
    return of(snapshot);
  });
  assert.deepEqual(asked, [[['#', 'x'], { state: 'neg' }]]);
  assert.ok(tree.type === 'leaf' && tree.value.residual.length === 0);
});

test('the leaves of a decoded explanation have the addresses of the document', async () => {
  const json = {
    type: 'leaf',
    path: '/a',
    bound: { addr: { type: 'bound', addrs: [], meta: {} }, id: '/a', path: '/' },
  };
  const node = decodeDelegation(json);
  assert.ok(node.type === 'leaf');
  assert.deepEqual(await firstValueFrom(node.bound.addr), { state: 'bound', addresses: [], meta: {} });
});

suite('what decoders refuse, and how they say so', () => {
  const rows: [decode: (json: unknown) => unknown, json: unknown, message: string][] = [
    [decodeAddr, null, '$: expected an object, found null'],
    [decodeAddr, { type: 'odd' }, '$.type: expected bound, neg, failed or pending, found "odd"'],
    [decodeAddr, { type: 'bound' }, '$.addrs: expected a list, found nothing'],
    [decodeAddr, { type: 'bound', addrs: [{ ip: '::1', port: '1' }] }, '$.addrs[0].port: expected a port, found "1"'],
    [decodeAddr, { type: 'bound', addrs: [], meta: 'x' }, '$.meta: expected an object, found "x"'],
    [
      json => decodeBoundTree(json, unwatched),
      { type: 'alt', alt: [{ type: 'leaf', bound: { id: 'x' } }] },
      "$.alt[0].bound.id: '/' expected but 'x' found at '[x]'",
    ],
    [
      json => decodeBoundTree(json, unwatched),
      { type: 'union', union: [{ weight: -1, tree: { type: 'neg' } }] },
      '$.union[0].weight: expected a number that is not negative, found -1',
    ],
    [
      decodeDelegation,
      { type: 'neg', path: '/a', dentry: { prefix: '/a', dst: '' } },
      "$.dentry.dst: a path, '(', '~', '!' or '$' expected but end of input found at '[]'",
    ],
  ];
  for (const [decode, json, message] of rows)
    test(message, () => assert.throws(() => decode(json), { name: 'Error', message }));

  test('trees nested without end', () => {
    let tree: object = { type: 'neg', path: '/' };
    for (let i = 0; i < 100_000; i++) tree = { type: 'alt', path: '/', alt: [tree] };
    for (const decode of [(json: unknown) => decodeBoundTree(json, unwatched), decodeDelegation])
      assert.throws(() => decode(tree), { message: 'the tree is nested more than 1000 deep' });
  });
});
