/** What --check foresees of routes: warnings for what cannot work, an error for what would take the proxy down. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kinds } from '../../src/settings/linkerd-tcp/kinds.ts';
import { loadLinkerdTcp } from '../../src/settings/linkerd-tcp/load.ts';
import { tempDir } from '../support/temp-dir.ts';

function warningsOf(text: string, file = 'edge.yml'): string[] {
  const warnings: string[] = [];
  loadLinkerdTcp({ file, text, purpose: 'check', warned: warning => warnings.push(warning) }, kinds);
  return warnings.map(warning => warning.replace(/^\S+?:(\d+:\d+) +/, '$1 '));
}

const edge = (dtab: string, server = 'port: 7001, dstName: /svc/a') => `namers: [{kind: io.l5d.fs, rootDir: /tmp}]
routers:
- label: a
  dtab: ${dtab}
  servers: [{${server}}]
`;

test('a configuration whose names are covered has no warnings', () => {
  for (const config of [
    edge('/svc => /#/io.l5d.fs'),
    edge('/svc => /$/inet/10.0.0.1 | /$/inet/80', 'port: 7001, dstName: /svc/80'),
    edge('""', 'port: 7001, dstName: /#/io.l5d.fs/a'),
    edge('/svc => /#/io.l5d.fs', 'port: 7001, dstName: "/svc/{sni}", sni: {route: true}'),
    'routers: [{label: a, interpreter: {kind: io.l5d.namerd.http, dst: /$/inet/h/4180}, servers: [{port: 1, dstName: /svc/a}]}]',
  ])
    assert.deepEqual(warningsOf(config), [], config);
});

test('--check warns of no routers, a name without a rule, an undeclared namer, a loop and a port out of range', () => {
  for (const [config, ...expected] of [
    ['routers: []', '1:10 routers: no routers: nothing is proxied'],
    [
      edge('/srv => /#/io.l5d.fs'),
      '5:35 routers[0].servers[0].dstName: no rule of the dtab covers /svc/a: connections to it are refused',
    ],
    [
      edge('/svc => /#/io.l5d.consul'),
      '4:9 routers[0].dtab: /#/io.l5d.consul: no namer has that prefix; there are /#/io.l5d.fs',
    ],
    [edge('/svc => /svc'), '4:9 routers[0].dtab: leads back to itself: /svc=>/svc'],
    [
      edge('/svc/a => /$/inet/10.0.0.1/99999'),
      '4:9 routers[0].dtab: /$/inet/10.0.0.1/99999: ports are from 1 to 65535',
    ],
  ] as const)
    assert.deepEqual(warningsOf(config), expected);
});

test('the dtab file of io.l5d.fs is judged together with the dtab of the router', t => {
  const folder = tempDir(t);
  folder.write('routes.dtab', '/cluster => /#/io.l5d.consul ;');
  const config = (dtab: string) => `namers: []
routers:
- label: a
  dtab: ${dtab}
  interpreter: {kind: io.l5d.fs, dtabFile: routes.dtab}
  servers: [{port: 1, dstName: /svc/a}]
`;
  const file = `${folder.path}/edge.yml`;
  assert.deepEqual(warningsOf(config('/svc => /cluster'), file), [
    '5:44 routers[0].interpreter.dtabFile: /#/io.l5d.consul: no namer has that prefix; there are none',
  ]);
});

test('a name that leads back to a listener of the same proxy is refused', () => {
  for (const [dtab, server] of [
    ['/svc/a => /$/inet/127.0.0.1/7001', 'port: 7001, dstName: /svc/a'],
    ['/svc/a => /b | /c; /c => /$/inet/localhost/7001', 'port: 7001, dstName: /svc/a'],
    ['/svc/a => 9 * /x & 1 * /$/inet/127.0.0.9/7001', 'port: 7001, ip: 0.0.0.0, dstName: /svc/a'],
    ['/svc/a => /$/inet/::1/7001', 'port: 7001, ip: "::", dstName: /svc/a'],
  ] as const)
    assert.throws(
      () => warningsOf(edge(dtab, server)),
      /routers\[0\]\.servers\[0\]\.dstName: \/\$\/inet\/\S+\/7001 is where routers\[0\]\.servers\[0\] \(5:13\) listens/,
      dtab,
    );
});

test('the same port of another machine, or another port of this one, is no way back', () => {
  for (const address of ['192.0.2.1/7001', '127.0.0.1/7002', 'example.com/7001', '127.0.0.2/7001'])
    assert.deepEqual(warningsOf(edge(`/svc/a => /$/inet/${address}`)), []);
  assert.deepEqual(
    warningsOf(edge('/svc/a => /$/inet/192.0.2.1/7001', 'port: 7001, ip: 0.0.0.0, dstName: /svc/a')),
    [],
  );
});

test('an access log that cannot be written is refused with its place, before anything starts', t => {
  const folder = tempDir(t);
  folder.write('file', '');
  const problem = (file: string) => {
    const text = `${edge('/svc => /#/io.l5d.fs')}accessLog: {file: ${file}}\n`;
    try {
      warningsOf(text, `${folder.path}/edge.yml`);
    } catch (error) {
      return /accessLog\.file: (.*)/.exec((error as Error).message)?.[1]?.replaceAll(folder.path, '');
    }
    return undefined;
  };
  assert.equal(
    problem('missing/access.log'),
    'cannot write /missing/access.log: the directory /missing does not exist',
  );
  assert.equal(problem('.'), 'cannot write : it is a directory');
  assert.equal(problem('file/access.log'), 'cannot write /file/access.log: a part of its path is not a directory');
  assert.equal(problem('access.log'), undefined);
  assert.equal(problem('"-"'), undefined);
});
