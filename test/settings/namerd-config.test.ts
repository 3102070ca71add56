/** Configurations of namerd, and the reports on bad ones. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { namerdKinds } from '../../src/settings/namerd/kinds.ts';
import { loadNamerd, withoutConfig } from '../../src/settings/namerd/load.ts';

const load = (text: string, file = 'namerd.yml') => loadNamerd({ file, text }, namerdKinds);
const problemsOf = (text: string): string => {
  try {
    load(text);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
};

const least = 'storage: {kind: io.l5d.inMemory}\ninterfaces: [{kind: io.l5d.httpController}]\n';

test('without a configuration everything is on this machine, and dtabs are in the working directory', () => {
  const { admin, storage, namers, interfaces } = loadNamerd(withoutConfig, namerdKinds);
  assert.deepEqual([admin.ip, admin.port], ['127.0.0.1', 9991]);
  assert.equal(storage.kind, 'io.l5d.sqlite');
  assert.equal(storage['path'], join(process.cwd(), 'namerd.sqlite'));
  assert.deepEqual(namers, []);
  assert.deepEqual(
    interfaces.map(({ kind, ip, port }) => [kind, ip, port]),
    [['io.l5d.httpController', '127.0.0.1', 4180]],
  );
});

test('paths start from the directory of the file', () => {
  const { storage } = load(least.replace('inMemory', 'sqlite, path: a/b.sqlite'), '/etc/namerd/namerd.yml');
  assert.equal(storage['path'], '/etc/namerd/a/b.sqlite');
});

test('keys of Linkerd 1.x that have no effect here are accepted', () => {
  const text = least.replace('inMemory}', 'inMemory, experimental: true}');
  assert.equal(problemsOf(`${text}usage: {enabled: false}\n`), '');
});

for (const [prefixes, expected] of [
  [['/a', '/a'], '/a & /a'],
  [['/a', '/a/b'], '/a & /a/b'],
  [['/a/b', '/a'], '/a/b & /a'],
  [['/io.l5d.rewrite/x', undefined], '/io.l5d.rewrite/x & /io.l5d.rewrite'],
  [['/a', '/ab'], undefined],
  [['/a/b', '/a/c'], undefined],
] as const)
  test(`namers at ${prefixes.join(' and ')} ${expected === undefined ? 'are fine' : 'overlap'}`, () => {
    const namers = prefixes.map(
      prefix => `- {kind: io.l5d.rewrite, pattern: '/{x}', name: '/{x}'${prefix ? `, prefix: ${prefix}` : ''}}\n`,
    );
    const problems = problemsOf(`${least}namers:\n${namers.join('')}`);
    if (expected === undefined) assert.equal(problems, '');
    else assert.ok(problems.includes(`Namers must not have overlapping prefixes: ${expected}\n`), problems);
  });

test('a prefix must not be empty', () => {
  const namer = "- {kind: io.l5d.rewrite, pattern: '/{x}', name: '/{x}', prefix: /}\n";
  assert.match(problemsOf(`${least}namers:\n${namer}`), /namers\[0\]\.prefix: must have at least one label/);
});

for (const [kind, advice] of [
  ['io.l5d.thrift', 'expected one of io.l5d.httpController'],
  ['io.l5d.httpControler', 'did you mean io.l5d.httpController?'],
])
  test(`an interface ${kind} is answered with what to write instead`, () => {
    const problems = problemsOf(least.replace('io.l5d.httpController', kind));
    assert.ok(problems.includes(advice), problems);
  });

test('telemetry is that of Linkerd 1.x: metrics at a path of their own, and what sends them elsewhere has no effect', () => {
  const { telemetry } = load(`${least}telemetry: [{kind: io.l5d.prometheus}, {kind: io.l5d.zipkin, host: a}]\n`);
  assert.deepEqual(telemetry, [
    { kind: 'io.l5d.prometheus', path: '/admin/metrics/prometheus', prefix: '' },
    { kind: 'io.l5d.zipkin', host: 'a' },
  ]);
});

test('invalid telemetry is reported with its place', () => {
  const of = (text: string) => problemsOf(`${least}telemetry:\n- {kind: io.l5d.prometheus}\n- {${text}}\n`);
  assert.match(of('kind: io.l5d.prometheus'), /namerd\.yml:5:\d+ +telemetry\[1\].*telemetry\[0\] has that path/);
  assert.match(of('kind: io.l5d.prometheus, path: /config.json'), /:5:\d+ .*expected a path below \/admin\/metrics/);
  assert.match(of('kind: io.l5d.prometheus, prefix: 1-'), /:5:\d+ .*expected the beginning of a metric name/);
  assert.match(of('kind: io.l5d.prometheu, path: /metrics'), /:5:\d+ .*did you mean io\.l5d\.prometheus/);
});

for (const kind of ['io.l5d.thriftNameInterpreter', 'io.l5d.mesh', 'io.l5d.destination'])
  test(`an interface of kind ${kind} is accepted with all of its keys, and a warning says that it is not served`, () => {
    const warnings: string[] = [];
    const text = `${least.replace('[', `[{kind: ${kind}, port: 4180, cache: {bindingCacheActive: 1000}}, `)}`;
    loadNamerd({ file: 'n.yml', text, warned: warning => void warnings.push(warning) }, namerdKinds);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0], /^n\.yml:2:21 +interfaces\[0\]\.kind: .* is not served: .*io\.l5d\.httpController/);
  });
