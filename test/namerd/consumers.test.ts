/**
 * The clients of Namerd 1.x that people still run, restated as what they send and what they insist on in an answer:
 * linkerd-tcp 0.1 (`resolve` only), namerctl (`dtabs` only), Linkerd's `io.l5d.namerd.http` (watches).
 */
import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { BehaviorSubject, of } from 'rxjs';
import { type Addr, boundAddr, failedAddr, negAddr } from '../../src/naming/addr.ts';
import { boundTo } from '../support/fake-namer.ts';
import { startRig } from './rig.ts';

const foo = '/#/io.l5d.namer/foo';
const asked = (path: string, more = '') => `?path=${encodeURIComponent(path)}${more}`;
const isText = (value: unknown) => typeof value === 'string';
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** As strict as linkerd-tcp 0.1 is. @returns the addresses it routes to; undefined for a name that is not bound */
function decodeAsLinkerdTcp(status: number, text: string) {
  assert.equal(status, 200);
  const document = JSON.parse(text);
  for (const field of ['type', 'addrs', 'meta']) assert.ok(Object.hasOwn(document, field), `${field} is missing`);
  const { type, addrs, meta } = document;
  assert.ok(isText(type) && Array.isArray(addrs) && isObject(meta));
  for (const [key, value] of Object.entries(meta)) assert.ok(isText(value), `meta.${key} is no string`);
  const endpoints = addrs.map(({ ip, port, meta: own }) => {
    assert.ok(isIP(ip) > 0, `${ip} is no number`);
    assert.ok(Number.isInteger(port) && port >= 0 && port <= 65535);
    assert.ok(isObject(own));
    for (const key of ['authority', 'nodeName']) assert.ok(own[key] === undefined || isText(own[key]));
    const weight = own.endpoint_addr_weight ?? 1;
    assert.ok(typeof weight === 'number');
    return { ip, port, weight };
  });
  return type === 'bound' ? endpoints : undefined;
}

const addressMeta = fc.record(
  {
    authority: fc.string(),
    nodeName: fc.string(),
    endpoint_addr_weight: fc.double({ min: 0, max: 100, noNaN: true }),
    other: fc.jsonValue(),
  },
  { requiredKeys: [] },
);
const address = fc.record({
  ip: fc.oneof(fc.ipV4(), fc.ipV6()),
  port: fc.integer({ min: 0, max: 65535 }),
  meta: addressMeta,
});
const anyAddr: fc.Arbitrary<Addr> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.array(address, { maxLength: 4 }), fc.dictionary(fc.string(), fc.jsonValue()))
      .map(([addresses, meta]) => boundAddr(addresses, meta)),
  },
  fc.constant(negAddr),
  fc.string().map(message => failedAddr(new Error(message))),
);

test('linkerd-tcp 0.1 can read every answer of resolve, flattened or not, and gets the endpoints there are', async t => {
  const rig = await startRig(t);
  const addr = new BehaviorSubject<Addr>(negAddr);
  rig.namer.answer('/foo', boundTo(foo, '/', addr));
  await rig.put('default', '/svc => /#/io.l5d.namer');
  await fc.assert(
    fc.asyncProperty(anyAddr, async now => {
      addr.next(now);
      for (const more of ['', '&flatten=weighted']) {
        const { status, text, headers } = await rig.ask('GET', `resolve/default${asked('/svc/foo', more)}`);
        assert.equal(headers['content-type'], 'application/json');
        const endpoints = decodeAsLinkerdTcp(status, text);
        if (more !== '') continue;
        const expected = now.state === 'bound' ? now.addresses.map(({ ip, port }) => ({ ip, port })) : undefined;
        assert.deepEqual(
          endpoints?.map(({ ip, port }) => ({ ip, port })),
          expected,
        );
      }
    }),
    { numRuns: 100 },
  );
});

test('linkerd-tcp 0.1 polls: names that are not there are no errors of the protocol, and it sends nothing but path', async t => {
  const rig = await startRig(t);
  await rig.put('default', '/svc => /$/inet/127.1/80; /two => 1*/$/inet/127.1/1 & 1*/$/inet/127.1/2; /end => !');
  const poll = async (path: string) => {
    const { status, text } = await rig.ask('GET', `resolve/default${asked(path)}`, { 'user-agent': 'linkerd-tcp' });
    return decodeAsLinkerdTcp(status, text);
  };
  assert.deepEqual(await poll('/svc'), [{ ip: '127.0.0.1', port: 80, weight: 1 }]);
  assert.equal((await poll('/two'))?.length, 1, 'one branch of a union');
  for (const path of ['/none', '/end']) assert.equal(await poll(path), undefined, path);
});

test('namerctl: list, create, get with its version, update with and without it, delete, and what is not there', async t => {
  const rig = await startRig(t);
  const json = { accept: 'application/json' };
  const get = () => rig.ask('GET', 'dtabs/tea', json);
  assert.equal((await get()).status, 404);
  const created = await rig.ask('POST', 'dtabs/tea', { 'content-type': 'application/dtab' }, '/a => /b;\n');
  assert.ok([200, 201, 204].includes(created.status));
  assert.deepEqual((await rig.ask('GET', 'dtabs')).json, ['tea']);
  const first = await get();
  assert.deepEqual([first.status, first.json], [200, [{ prefix: '/a', dst: '/b' }]]);
  const asJson = { 'content-type': 'application/json' };
  const list = JSON.stringify([{ prefix: '/a', dst: '/c' }]);
  const known = { ...asJson, 'if-match': first.headers.etag! };
  assert.equal((await rig.ask('PUT', 'dtabs/tea', known, list)).status, 204);
  assert.equal((await rig.ask('PUT', 'dtabs/tea', known, list)).status, 412);
  assert.equal((await rig.ask('PUT', 'dtabs/tea', asJson, '[]')).status, 204);
  assert.deepEqual((await get()).json, []);
  assert.equal((await rig.ask('DELETE', 'dtabs/tea')).status, 204);
  assert.equal((await rig.ask('DELETE', 'dtabs/tea')).status, 404);
});

test("Linkerd: bind with its own dtab, the addresses of each leaf's id, a dtab and an explanation, all at one time", async t => {
  const rig = await startRig(t);
  const addr = new BehaviorSubject<Addr>(boundAddr([{ ip: '127.0.0.1', port: 1, meta: {} }]));
  rig.namer.answer('/foo', boundTo(foo, '/', addr));
  rig.namer.answer('/bar', boundTo('/#/io.l5d.namer/bar', '/', of(negAddr)));
  await rig.put('default', '/svc => /#/io.l5d.namer');
  const own = encodeURIComponent('/svc/foo=>1.00*/#/io.l5d.namer/foo & 1.00*/#/io.l5d.namer/bar');
  const bind = await rig.watch(`bind/default${asked('/svc/foo', `&watch=1&dtab=${own}`)}`);
  const tree = (await bind.json()) as { union: { tree: { bound: { id: string } } }[] };
  const ids = tree.union.map(each => each.tree.bound.id);
  assert.deepEqual(ids, [foo, '/#/io.l5d.namer/bar']);
  const [ofFoo, ofBar] = await Promise.all(ids.map(each => rig.watch(`addr/default${asked(each, '&watch=1')}`)));
  assert.deepEqual(await ofFoo.json(), { type: 'bound', addrs: [{ ip: '127.0.0.1', port: 1, meta: {} }], meta: {} });
  assert.deepEqual(await ofBar.json(), { type: 'neg' });
  const rules = await rig.watch('dtabs/default?watch=1');
  assert.deepEqual(await rules.json(), [{ prefix: '/svc', dst: '/#/io.l5d.namer' }]);
  assert.equal((await rig.ask('GET', `delegate/default${asked('/svc/foo', `&dtab=${own}`)}`)).status, 200);
  addr.next(negAddr);
  assert.deepEqual(await ofFoo.json(), { type: 'neg' });
});
