/** The configuration of linkerd-tcp as a whole: keys, defaults, checks across keys, old formats, examples. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { LinkerdTcpError } from '../../src/errors.ts';
import { onNegativeOf } from '../../src/settings/linkerd-tcp/config.ts';
import { kinds } from '../../src/settings/linkerd-tcp/kinds.ts';
import { loadLinkerdTcp } from '../../src/settings/linkerd-tcp/load.ts';

const load = (text: string, file = '/etc/edge.yml') => loadLinkerdTcp({ file, text, purpose: 'check' }, kinds);

function errorOf(text: string): LinkerdTcpError {
  try {
    load(text, 'edge.yml');
  } catch (error) {
    assert.ok(error instanceof LinkerdTcpError, String(error));
    return error;
  }
  assert.fail('expected an error');
}

/** The lines of the report, without its first one. */
const problemsOf = (text: string): string[] => errorOf(text).message.split('\n').slice(1);

/** One problem of a server `keys` (flow style) of an otherwise sound file. */
const router = (rest: string) => `routers:\n- {label: a, servers: [{port: 1, dstName: /svc/a}], ${rest}}\n`;
const server = (keys: string) => `routers:\n- label: a\n  servers: [{port: 1, dstName: /a, ${keys}}]\n`;

test('ten mistakes are answered by ten located messages', () => {
  const text = `admin: {port: 9989, ip: 127.0.0.1, grace: 5}
routers:
- label: edge
  dtab: |
    /svc  => /srv ;
    /srv -> /#/io.l5d.fs ;
  servers:
  - {port: 7474, dstNmae: /svc/a}
  - {port: 7474, dstName: svc/b}
  - {port: 9989, dstName: /svc/c, maxConcurrency: 0}
  client:
    loadBalancer: {kind: aperture}
    connectTimeoutMs: 3s
- label: edge
  servers: []
  interpreter: {kind: io.l5d.namerd.htpp}
telemetry: []
`;
  assert.deepEqual(problemsOf(text), [
    '  edge.yml:1:36   admin.grace: unknown key; write graceSecs, in seconds',
    "  edge.yml:6:10   routers[0].dtab: not a dtab: '=' expected but '-' found",
    '  edge.yml:8:18   routers[0].servers[0].dstNmae: unknown key; did you mean dstName?',
    '  edge.yml:9:12   routers[0].servers[1].port: 127.0.0.1:7474 is taken by routers[0].servers[0] (8:5)',
    "  edge.yml:9:27   routers[0].servers[1].dstName: not a path like /svc/users: '/' expected but 's' found",
    '  edge.yml:10:12  routers[0].servers[2].port: 127.0.0.1:9989 is taken by admin.port (1:15)',
    '  edge.yml:10:51  routers[0].servers[2].maxConcurrency: expected a whole number from 1 to 10000000 (with 0 nothing would ever be accepted), found 0',
    '  edge.yml:12:26  routers[0].client.loadBalancer.kind: aperture: not supported; use p2c',
    '  edge.yml:13:23  routers[0].client.connectTimeoutMs: expected a whole number of milliseconds, at least 1, found "3s"',
    '  edge.yml:14:10  routers[1].label: the label edge is taken by routers[0].label (3:10)',
    '  edge.yml:16:23  routers[1].interpreter.kind: unknown kind "io.l5d.namerd.htpp"; did you mean io.l5d.namerd.http?',
    '  edge.yml:17:1   telemetry: unknown key; not supported; metrics are always served at /metrics of the admin address',
  ]);
});

test('a file with nothing but routers gets every default', () => {
  const { admin, bufferSizeBytes, driver, namers, accessLog, routers } = load(server(''));
  assert.deepEqual(admin, { port: 9989, ip: '127.0.0.1', allowedHosts: [], metricsIntervalSecs: 60, graceSecs: 10 });
  assert.deepEqual(
    { bufferSizeBytes, driver, namers, accessLog },
    {
      bufferSizeBytes: 16_384,
      driver: 'auto',
      namers: [],
      accessLog: undefined,
    },
  );
  assert.equal(routers[0].interpreter.kind, 'default');
  assert.deepEqual(routers[0].servers[0], {
    port: 1,
    ip: '127.0.0.1',
    dstName: '/a',
    connectTimeoutMs: 10_000,
    connectionLifetimeMs: undefined,
    connectionLifetimeJitterPercent: 10,
    idleTimeoutMs: 3_600_000,
    finTimeoutMs: 300_000,
    maxConcurrency: 100_000,
    backlog: 1024,
    reusePort: false,
    keepAlive: { enabled: true, idleSecs: 60 },
  });
});

test('every key of linkerd-tcp 0.1 is accepted, durations beyond 409 s included', () => {
  const config = load(`
bufferSizeBytes: 16384
admin: {ip: 127.0.0.1, port: 9989, metricsIntervalSecs: 0, graceSecs: 10}
routers:
- label: edge
  interpreter: {kind: io.l5d.namerd.http, baseUrl: "http://127.0.0.1:4180", namespace: default, periodSecs: 20}
  servers:
  - {port: 7474, ip: 127.0.0.1, dstName: /svc/a, connectTimeoutMs: 600000, connectionLifetimeSecs: 2592000, maxConcurrency: 1000}
  client:
    kind: io.l5d.static
    configs:
    - {prefix: /svc, connectTimeoutMs: 400, maxWaiters: 100, minConnections: 2, failFast: {maxConsecutiveFailures: 3, failurePenaltySecs: 30}}
`);
  assert.equal(config.routers[0].servers[0].connectionLifetimeMs, 2_592_000_000);
});

test('the limits of Linkerd’s serverSession mean the same as ours, and both together are a problem', () => {
  const [first] = load(server('serverSession: {idleTimeMs: 5000, lifeTimeMs: 7000}')).routers[0].servers;
  assert.equal(first.idleTimeoutMs, 5000);
  assert.equal(first.connectionLifetimeMs, 7000);
  assert.deepEqual(problemsOf(server('idleTimeoutMs: 1, serverSession: {idleTimeMs: 5000}')), [
    '  edge.yml:3:70  routers[0].servers[0].serverSession.idleTimeMs: the same as idleTimeoutMs, which is given, too; keep one of them',
  ]);
});

for (const [a, b, clash] of [
  ['127.0.0.1', '127.0.0.1', true],
  ['127.0.0.1', '0.0.0.0', true],
  ['127.0.0.1', '127.0.0.2', false],
  ['"::"', '127.0.0.1', true],
  ['"::1"', '"0:0:0:0:0:0:0:1"', true],
  ['"::1"', '0.0.0.0', false],
] as const)
  test(`the same port on ${a} and ${b} ${clash ? 'clashes' : 'is fine'}`, () => {
    const text = `routers:\n- label: a\n  servers: [{port: 1, ip: ${a}, dstName: /a}, {port: 1, ip: ${b}, dstName: /a}]\n`;
    if (clash) assert.match(problemsOf(text)[0], /is taken by routers\[0\]\.servers\[0\]/);
    else load(text);
  });

test('port 0 never clashes, the default port of admin does', () => {
  load('routers:\n- label: a\n  servers: [{port: 0, dstName: /a}, {port: 0, dstName: /b}]\n');
  assert.match(
    problemsOf('routers:\n- label: a\n  servers: [{port: 9989, dstName: /a}]\n')[0],
    /127\.0\.0\.1:9989 is taken by admin \(its default port\)/,
  );
});

test('two namers cannot have the same prefix, written or by default', () => {
  const text = 'namers:\n- {kind: io.l5d.fs, rootDir: /}\n- {kind: io.l5d.fs, rootDir: /}\nrouters: []\n';
  assert.match(problemsOf(text)[0], /namers\[1\]: the prefix \/io\.l5d\.fs is taken by namers\[0\] \(2:3\)/);
});

test('limits that contradict each other are a problem', () => {
  assert.match(
    problemsOf(router('client: {failFast: {failurePenaltySecs: 10, maxPenaltySecs: 5}}'))[0],
    /maxPenaltySecs: expected at least failurePenaltySecs, which is 10, found 5/,
  );
  assert.match(
    problemsOf(router('client: {retryBackoffMs: {min: 10, max: 5}}'))[0],
    /retryBackoffMs\.max: expected at least min, which is 10, found 5/,
  );
});

test('a prefix needs io.l5d.static', () => {
  assert.match(problemsOf(router('client: {prefix: /a}'))[0], /prefixes need kind: io\.l5d\.static/);
});

test('a name that turns negative keeps its backends with namerd and fails otherwise, unless configured', () => {
  const namerd = 'interpreter: {kind: io.l5d.namerd.http, baseUrl: "http://[::1]:4180", namespace: a, periodSecs: 1}';
  const of = (keys: string) => onNegativeOf(load(router(keys)).routers[0]);
  assert.deepEqual(
    [of(namerd), of('dtab: ""'), of(`${namerd}, onNegative: fail`), of('onNegative: keep')],
    ['keep', 'fail', 'fail', 'keep'],
  );
});

test('relative paths start from the folder of the file, or from the working directory for standard input', () => {
  const text = `accessLog: {file: access.log}
namers: [{kind: io.l5d.fs, rootDir: settings}]
routers: [{label: a, servers: [], interpreter: {kind: io.l5d.fs, dtabFile: ../a.dtab}}]
`;
  const folder = join(import.meta.dirname, '..');
  const config = load(text, join(folder, 'edge.yml'));
  assert.equal(config.accessLog?.file, join(folder, 'access.log'));
  assert.equal(config.namers[0].rootDir, import.meta.dirname);
  assert.equal(config.routers[0].interpreter.dtabFile, join(folder, '../a.dtab'));
  assert.equal(load('accessLog: {file: a.log}\nrouters: []', '<stdin>').accessLog?.file, resolve('a.log'));
  assert.equal(load('accessLog: {file: "-"}\nrouters: []').accessLog?.file, '-');
});

test('a file of linkerd-tcp 0.0.x is answered with the mapping of its keys and its translation', () => {
  const old = `admin: {addr: "0.0.0.0:9990", metricsIntervalSecs: 10}
bufferSize: 8192
proxies:
- label: x
  servers:
  - {kind: io.l5d.tcp, addr: "127.0.0.1:7474"}
  - {kind: io.l5d.tcp, addr: "[::1]:7475"}
  namerd: {url: "http://127.0.0.1:4180/", path: /svc/default, intervalSecs: 5}
  maxWaiters: 8
`;
  const { message, details, code } = errorOf(old);
  assert.equal(code, 'CONFIG_INVALID');
  const lines = message.split('\n');
  assert.equal(lines[0], 'linkerd-tcp: edge.yml is written for linkerd-tcp 0.0.x; its keys have other names since 0.1');
  assert.ok(lines.includes('  edge.yml:2:1   bufferSize: now bufferSizeBytes'));
  assert.ok(lines.includes('  edge.yml:8:43  proxies[0].namerd.path: now dstName of each server'));
  const translated = load(String(details.translation));
  assert.equal(translated.bufferSizeBytes, 8192);
  assert.equal(translated.admin.ip, '0.0.0.0');
  assert.deepEqual(
    translated.routers[0].servers.map(({ ip, port, dstName }) => [ip, port, dstName]),
    [
      ['127.0.0.1', 7474, '/svc/default'],
      ['::1', 7475, '/svc/default'],
    ],
  );
  const { kind, baseUrl, namespace, periodSecs } = translated.routers[0].interpreter;
  assert.deepEqual(
    [kind, baseUrl, namespace, periodSecs],
    ['io.l5d.namerd.http', 'http://127.0.0.1:4180', 'default', 5],
  );
});

test('TLS keys of 0.0.1 and 0.0.2 are translated, too', () => {
  const { details } = errorOf(`proxies:
- servers: [{kind: io.l5d.tls, addr: "1.2.3.4:1", default_identity: {certPaths: [a], privateKeyPath: b}}]
  namerd: {addr: "1.2.3.4:4180", path: /a}
  client: {tls: {name: x, trustCertPaths: [c]}}
`);
  assert.equal(
    details.translation,
    `routers:
  - label: proxy0
    interpreter:
      kind: io.l5d.namerd.http
      baseUrl: http://1.2.3.4:4180
      namespace: default
      periodSecs: 60
    servers:
      - ip: 1.2.3.4
        port: 1
        dstName: /a
        tls:
          defaultIdentity:
            certs:
              - a
            privateKey: b
    client:
      kind: io.l5d.global
      tls:
        dnsName: x
        trustCerts:
          - c
`,
  );
});

for (const text of [
  'proxies:',
  'proxies: 3',
  'proxies: [1, []]',
  'proxies: [{servers: [3], namerd: [], client: 1}]',
  'bufferSize: x',
])
  test(`a broken file of 0.0.x, ${text}, is answered as one`, () => {
    assert.match(errorOf(text).message, /is written for linkerd-tcp 0\.0\.x/);
  });

const examples = join(import.meta.dirname, '../../examples');
for (const file of readdirSync(examples).filter(name => name.endsWith('.yml') && !name.startsWith('namerd-')))
  test(`examples/${file} is valid`, () => {
    load(readFileSync(join(examples, file), 'utf8'), join(examples, file));
  });
