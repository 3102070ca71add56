/** Transformers behind an interpreter. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { type Observable, of, switchMap } from 'rxjs';
import type { NameTree } from '../../../src/dtab/name-tree.ts';
import { parseDtab, parsePath } from '../../../src/dtab/parse.ts';
import { showPath } from '../../../src/dtab/show.ts';
import { createInterpreter } from '../../../src/interpreters/assemble.ts';
import { interpreterKinds } from '../../../src/interpreters/kinds.ts';
import type { Activity } from '../../../src/live/activity.ts';
import { type Addr, pendingAddr } from '../../../src/naming/addr.ts';
import type { Delegation } from '../../../src/naming/delegation.ts';
import { interpreterConfig } from '../../../src/naming/kinds.ts';
import type { Bound } from '../../../src/naming/name.ts';
import { transformerKinds } from '../../../src/naming/transformers/kinds.ts';
import { fakeDns, knownHost, namingContext, observe } from '../../support/naming.ts';

const schema = interpreterConfig(interpreterKinds, transformerKinds);
const hosts = {
  db: knownHost('10.0.0.1', '10.0.0.2'),
  mixed: knownHost('10.0.0.1', '127.0.0.1', '::1'),
};

function transformed(...transformers: object[]) {
  const config = schema.parse({ kind: 'default', transformers });
  return createInterpreter(config, interpreterKinds, transformerKinds, {
    ...namingContext({ dns: fakeDns(hosts) }),
    namers: [],
  });
}

const addrOf = (activity: Activity<NameTree<Bound>>): Observable<Addr> =>
  activity.state === 'ok' && activity.value.type === 'leaf' ? activity.value.value.addr : of(pendingAddr);

/** The tree and the addresses of a path, as text. */
function bind(t: TestContext, transformers: object[], path: string, dtab = ''): string {
  const bound = transformed(...transformers).bind(parseDtab(dtab), parsePath(path));
  const tree = observe(t, bound).last!;
  const addr = observe(t, bound.pipe(switchMap(addrOf))).last!;
  if (tree.state !== 'ok' || tree.value.type !== 'leaf') return tree.state === 'ok' ? tree.value.type : tree.state;
  const addresses = addr.state === 'bound' ? addr.addresses.map(({ ip, port }) => `${ip}:${port}`).join() : addr.state;
  return `${showPath(tree.value.value.id)} ${addresses}`;
}

const rows: [what: string, transformers: object[], path: string, result: string][] = [
  ['none', [], '/$/inet/db/1', '/$/inet/db/1 10.0.0.1:1,10.0.0.2:1'],
  [
    'port',
    [{ kind: 'io.l5d.port', port: 4141 }],
    '/$/inet/db/1',
    '/%/io.l5d.port/4141/$/inet/db/1 10.0.0.1:4141,10.0.0.2:4141',
  ],
  [
    'specificHost',
    [{ kind: 'io.l5d.specificHost', host: '10.0.0.2' }],
    '/$/inet/db/1',
    '/%/io.l5d.specificHost/$/inet/db/1 10.0.0.2:1',
  ],
  [
    'specificHost in another spelling',
    [{ kind: 'io.l5d.specificHost', host: '0:0:0:0:0:0:0:1' }],
    '/$/inet/mixed/1',
    '/%/io.l5d.specificHost/$/inet/mixed/1 ::1:1',
  ],
  [
    'specificHost that is not there',
    [{ kind: 'io.l5d.specificHost', host: '10.0.0.9' }],
    '/$/inet/db/1',
    '/%/io.l5d.specificHost/$/inet/db/1 neg',
  ],
  [
    'localhost',
    [{ kind: 'io.l5d.specificHost', host: '127.0.0.1' }, { kind: 'io.l5d.localhost' }],
    '/$/inet/mixed/1',
    '/%/io.l5d.localhost/%/io.l5d.specificHost/$/inet/mixed/1 127.0.0.1:1',
  ],
  [
    'localhost elsewhere',
    [{ kind: 'io.l5d.specificHost', host: '10.0.0.1' }, { kind: 'io.l5d.localhost' }],
    '/$/inet/mixed/1',
    '/%/io.l5d.localhost/%/io.l5d.specificHost/$/inet/mixed/1 neg',
  ],
  [
    'const',
    [{ kind: 'io.l5d.const', path: '/$/inet/127.1/4140' }],
    '/$/inet/db/1',
    '/%/io.l5d.const/$/inet/127.1/4140/$/inet/127.1/4140 127.0.0.1:4140',
  ],
  [
    'const of what is not there',
    [{ kind: 'io.l5d.const', path: '/$/inet/127.1/4140' }],
    '/none',
    '/%/io.l5d.const/$/inet/127.1/4140/$/inet/127.1/4140 127.0.0.1:4140',
  ],
  [
    'const with a name of the dtab',
    [{ kind: 'io.l5d.const', path: '/svc/all' }],
    '/svc/x',
    '/%/io.l5d.const/svc/all/$/inet/1.2.3.4/9 1.2.3.4:9',
  ],
  [
    'replace',
    [{ kind: 'io.l5d.replace', path: '/$/inet/127.1/4140' }],
    '/$/inet/db/1',
    '/%/io.l5d.replace/$/inet/127.1/4140/$/inet/127.1/4140 127.0.0.1:4140',
  ],
  ['replace of what is not there', [{ kind: 'io.l5d.replace', path: '/$/inet/127.1/4140' }], '/none', 'neg'],
  [
    'a prefix of its own',
    [{ kind: 'io.l5d.port', port: 1, prefix: '/p' }],
    '/$/inet/1.2.3.4/2',
    '/%/p/1/$/inet/1.2.3.4/2 1.2.3.4:1',
  ],
];
for (const [what, transformers, path, result] of rows)
  test(`${what}: ${path} is ${result}`, t => {
    assert.equal(bind(t, transformers, path, '/svc=>/$/inet/x/1;/svc/all=>/$/inet/1.2.3.4/9'), result);
  });

test('transformers apply in the order of the config', t => {
  const port = (number: number) => ({ kind: 'io.l5d.port', port: number });
  assert.equal(
    bind(t, [port(1), port(2)], '/$/inet/1.1.1.1/9'),
    '/%/io.l5d.port/2/%/io.l5d.port/1/$/inet/1.1.1.1/9 1.1.1.1:2',
  );
});

test('a change of addresses behind a transformer does not change the tree', t => {
  const host = knownHost('10.0.0.1');
  const interpreter = createInterpreter(
    schema.parse({ kind: 'default', transformers: [{ kind: 'io.l5d.port', port: 7 }] }),
    interpreterKinds,
    transformerKinds,
    { ...namingContext({ dns: fakeDns({ host }) }), namers: [] },
  );
  const bound = interpreter.bind([], parsePath('/$/inet/host/1'));
  const trees = observe(t, bound);
  const addrs = observe(t, bound.pipe(switchMap(addrOf)));
  const before = trees.values.length;
  host.next({ state: 'bound', ips: ['10.0.0.2'] });
  assert.equal(trees.values.length, before);
  assert.deepEqual(addrs.last?.state === 'bound' && addrs.last.addresses.map(({ ip }) => ip), ['10.0.0.2']);
});

const types = (node: Delegation): string =>
  node.type === 'delegate'
    ? `delegate ${types(node.delegate)}`
    : node.type === 'transformation'
      ? `${node.name} of ${showPath(node.bound.id)} gives ${types(node.tree)}`
      : node.type === 'leaf'
        ? showPath(node.bound.id)
        : node.type;

test('delegation shows what was transformed into what', async () => {
  const explain = async (transformer: object, path: string) =>
    types(await transformed(transformer).delegate([], parsePath(path)));
  assert.equal(
    await explain({ kind: 'io.l5d.port', port: 7 }, '/$/inet/db/1'),
    '/%/io.l5d.port/7 of /$/inet/db/1 gives /%/io.l5d.port/7/$/inet/db/1',
  );
  assert.equal(
    await explain({ kind: 'io.l5d.replace', path: '/$/inet/db/2' }, '/$/inet/db/1'),
    '/%/io.l5d.replace/$/inet/db/2 of /$/inet/db/1 gives /%/io.l5d.replace/$/inet/db/2/$/inet/db/2',
  );
  assert.equal(
    await explain({ kind: 'io.l5d.const', path: '/$/inet/db/2' }, '/none'),
    'delegate /%/io.l5d.const/$/inet/db/2/$/inet/db/2',
  );
});

test('configs that make no sense are refused', () => {
  for (const transformer of [
    { kind: 'io.l5d.port' },
    { kind: 'io.l5d.port', port: 0 },
    { kind: 'io.l5d.specificHost', host: 'name' },
    { kind: 'io.l5d.const', path: 'x' },
    { kind: 'io.l5d.localhost', extra: 1 },
    { kind: 'none' },
  ])
    assert.equal(schema.safeParse({ kind: 'default', transformers: [transformer] }).success, false);
});
