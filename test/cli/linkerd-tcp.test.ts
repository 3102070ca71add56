/** The command line of linkerd-tcp: what it prints where, and its exit codes. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempDir } from '../support/temp-dir.ts';

const root = join(import.meta.dirname, '../..');
const valid = 'routers:\n- label: a\n  servers: [{port: 0, dstName: /svc/a}]\n';

function run(args: readonly string[], input = '') {
  const { status, stdout, stderr } = spawnSync(join(root, 'bin/linkerd-tcp'), args, { input, encoding: 'utf8' });
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
  assert.equal(run(['--check', path]).stderr, `linkerd-tcp: cannot read ${path}: it is a folder\n`);
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
