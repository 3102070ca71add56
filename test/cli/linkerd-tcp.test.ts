/** The command line of linkerd-tcp: what it prints where, and its exit codes. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempDir } from '../support/temp-dir.ts';

const root = join(import.meta.dirname, '../..');
const valid = 'routers:\n- label: a\n  dtab: /svc => /$/inet/10.0.0.1\n  servers: [{port: 0, dstName: /svc/80}]\n';

function run(args: readonly string[], input = '', env: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(join(root, 'bin/linkerd-tcp'), args, {
    input,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { status, stdout, stderr };
}

test('--version prints name and version', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const option of ['--version', '-V'])
    assert.deepEqual(run([option]), { status: 0, stdout: `linkerd-tcp ${version}\n`, stderr: '' });
});

test('--help explains options, examples and every exit code', () => {
  const { status, stdout, stderr } = run(['--help']);
  assert.equal(status, 0);
  assert.equal(stderr, '');
  for (const part of ['--check', '--quickstart', '--json-schema', 'Examples:', ' 0  ', '64  ', '69  ', '70  ', '78  '])
    assert.ok(stdout.includes(part), part);
});

for (const [args, message] of [
  [[], "missing argument 'config'"],
  [['--chekc', 'a.yml'], "unknown option '--chekc'\n(Did you mean --check?)"],
  [['a.yml', 'b.yml'], 'too many arguments. Expected 1 argument but got 2.'],
  [['--json-schema', '--check'], "option '--json-schema' cannot be used with option '--check'"],
] as const)
  test(`wrong use, ${JSON.stringify(args)}, ends with 64`, () => {
    assert.deepEqual(run(args), {
      status: 64,
      stdout: '',
      stderr: `linkerd-tcp: ${message}\nTry: linkerd-tcp --help\n`,
    });
  });

test('--check says that a good file is valid', t => {
  const file = tempDir(t).write('edge.yml', valid);
  assert.deepEqual(run(['--check', file]), { status: 0, stdout: `linkerd-tcp: ${file} is valid\n`, stderr: '' });
});

test('--check prints warnings and succeeds; with --strict they fail it', () => {
  const config = `namers: [{kind: io.l5d.fs, rootDir: .}]\n${valid.replace('/$/inet/10.0.0.1', '/#/io.l5d.consul')}`;
  const warning =
    '  <stdin>:4:9  routers[0].dtab: /#/io.l5d.consul: no namer has that prefix; there are /#/io.l5d.fs\n';
  const stdout = 'linkerd-tcp: <stdin> is valid, with 1 warning\n';
  assert.deepEqual(run(['--check', '-'], config), { status: 0, stdout, stderr: warning });
  assert.deepEqual(run(['--strict', '-'], config), { status: 78, stdout, stderr: warning });
});

test('--check --live finds an address that is in use, and names the key that changes it', async t => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const config = valid.replace('port: 0', `port: ${port}`).replace(/^/, 'admin: {port: 0}\n');
  assert.equal(run(['--check', '-'], config).status, 0);
  const { status, stderr } = run(['--check', '--live', '-'], config);
  assert.equal(status, 69);
  assert.match(
    stderr,
    new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}: EADDRINUSE.*routers\\[0\\]\\.servers\\[0\\]\\.port`),
  );
});

test('a log format or level that does not exist is refused, by a start and by --check', () => {
  for (const [args, env, expected] of [
    [['-'], { LINKERD_TCP_LOG: 'xml' }, 'LINKERD_TCP_LOG is xml; expected one of: text, json'],
    [
      ['--check', '-'],
      { LINKERD_TCP_LOG_LEVEL: 'debug' },
      'LINKERD_TCP_LOG_LEVEL is debug; expected one of: info, warn, error',
    ],
  ] as const)
    assert.deepEqual(run(args, valid, env), {
      status: 78,
      stdout: '',
      stderr: `linkerd-tcp: environment variable ${expected}\n`,
    });
});

test('--check reads JSON', t => {
  const json = '{\n\t"routers": [\n\t\t{"label": "a", "servers": [{"port": 0, "dstName": "/svc/a"}]}\n\t]\n}\n';
  assert.equal(run(['--check', tempDir(t).write('edge.json', json)]).status, 0);
});

test('--check - reads standard input', () => {
  assert.deepEqual(run(['--check', '-'], valid), { status: 0, stdout: 'linkerd-tcp: <stdin> is valid\n', stderr: '' });
  assert.deepEqual(run(['--check', '-'], 'router: []'), {
    status: 78,
    stdout: '',
    stderr: 'linkerd-tcp: 1 problem in <stdin>\n  <stdin>:1:1  router: unknown key; did you mean routers?\n',
  });
});

test('starting with a bad file ends with 78 and the whole report', t => {
  const file = tempDir(t).write('edge.yml', 'routers:\n- label: 3\n  dtap: ""\n');
  assert.deepEqual(run([file]), {
    status: 78,
    stdout: '',
    stderr: `linkerd-tcp: 3 problems in ${file}
  ${file}:2:3   routers[0].servers: missing; expected a list
  ${file}:2:10  routers[0].label: expected a name for this router, shown in metrics, found 3
  ${file}:3:3   routers[0].dtap: unknown key; did you mean dtab?
Nothing was started. Check with: linkerd-tcp --check ${file}
`,
  });
});

test('a file that cannot be read ends with 78 and says why', t => {
  const { path } = tempDir(t);
  assert.deepEqual(run([join(path, 'none.yml')]), {
    status: 78,
    stdout: '',
    stderr: `linkerd-tcp: cannot read ${path}/none.yml: no such file\n`,
  });
  assert.equal(run(['--check', path]).stderr, `linkerd-tcp: cannot read ${path}: it is a directory\n`);
});

test('a file of 0.0.x is answered on standard error, and its translation goes to standard output', () => {
  const old = `proxies:
- label: x
  servers: [{kind: io.l5d.tcp, addr: "127.0.0.1:0"}]
  namerd: {url: "http://127.0.0.1:4180", path: /svc/a}
`;
  const { status, stdout, stderr } = run(['--check', '-'], old);
  assert.equal(status, 78);
  assert.match(stderr, /is written for linkerd-tcp 0\.0\.x/);
  assert.equal(run(['--check', '-'], stdout).status, 0);
});

test('--json-schema prints a schema that knows the keys and their defaults', () => {
  const { status, stdout } = run(['--json-schema']);
  assert.equal(status, 0);
  const schema = JSON.parse(stdout);
  assert.equal(schema.properties.bufferSizeBytes.default, 16_384);
  assert.equal(schema.additionalProperties, false);
  assert.deepEqual(schema.required, ['routers']);
});
