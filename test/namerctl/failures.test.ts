/**
 * Every way the original fails, with the message of namerctl: once, on standard error, with an exit code for its kind.
 * The original ends with 255 for all of them and repeats the message on standard output.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exitCodes } from '../../src/namerctl/exit-codes.ts';
import { startNamerd } from '../support/namerd.ts';
import { freePort } from '../support/ports.ts';
import { tempDir } from '../support/temp-dir.ts';
import { answering, namerctl, namerctlOf } from './setup.ts';

const isThat = 'Is that namerd? The base URL must lead to its HTTP API, mostly on port 4180.\n';
const failed = (code: number, stderr: string) => ({ code, stdout: '', stderr });

test('no base URL is no error: namerd is then looked for on this machine', async () => {
  const { code, stderr } = await namerctl(['list', '--timeout', '1ms']);
  assert.equal(code, 69);
  assert.match(stderr, /^namerctl: cannot reach http:\/\/127\.0\.0\.1:4180\/api\/1\/dtabs: /);
});

for (const [url, reason] of [
  ['127.0.0.1:14180', 'no scheme; did you mean http://127.0.0.1:14180?'],
  ['namerd', 'no scheme; did you mean http://namerd?'],
  ['http://', 'no host'],
  ['ftp://namerd', 'expected http or https'],
  ['', 'expected one like http://127.0.0.1:4180'],
] as const)
  test(`the base URL ${JSON.stringify(url)} is refused: ${reason}`, async () => {
    assert.deepEqual(
      await namerctl(['list', '--base-url', url]),
      failed(64, `namerctl: invalid base URL ${url || '""'} from --base-url: ${reason}\n`),
    );
  });

for (const [url, shown, reason] of [
  ['ftp://ann:pw@namerd', 'ftp://…@namerd', 'expected http or https'],
  ['ann:pw@namerd:4180', '…@namerd:4180', 'no scheme; did you mean http://…@namerd:4180?'],
  ['http://ann:%zz@namerd', 'http://…@namerd', 'a % in the user or password must be written %25'],
] as const)
  test(`the password in ${url} is not shown`, async () => {
    assert.deepEqual(
      await namerctl(['list', '--base-url', url]),
      failed(64, `namerctl: invalid base URL ${shown} from --base-url: ${reason}\n`),
    );
  });

test('a base URL of the environment is refused with the name of the variable', async () => {
  assert.deepEqual(
    await namerctl(['list'], { env: { NAMERCTL_BASE_URL: 'x y' } }),
    failed(64, 'namerctl: invalid base URL x y from NAMERCTL_BASE_URL: expected one like http://127.0.0.1:4180\n'),
  );
});

test('a namerd that is not there', async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  assert.deepEqual(
    await namerctlOf({ url })(['get', 'default']),
    failed(
      69,
      `namerctl: cannot reach ${url}/api/1/dtabs/default: connection refused\n` +
        'Is namerd running? Set its address with --base-url, NAMERCTL_BASE_URL or base-url in .namerctl.yaml.\n',
    ),
  );
});

test('a namerd that does not answer in time', async t => {
  const namerd = await startNamerd(t);
  namerd.setHanging(true);
  const { code, stderr } = await namerctlOf(namerd)(['list', '--timeout=50ms']);
  assert.equal(code, 69);
  assert.match(stderr, /: no answer within 50 ms\n/);
  const byEnvironment = await namerctlOf(namerd)(['list'], { env: { NAMERCTL_TIMEOUT: '0.04' } });
  assert.match(byEnvironment.stderr, /: no answer within 40 ms\n/);
});

test('a timeout that is none', async () => {
  assert.deepEqual(
    await namerctl(['list', '--timeout', 'soon']),
    failed(64, 'namerctl: --timeout soon: expected a time like 10s, 500ms or 2m\nTry: namerctl --help\n'),
  );
});

test('a namespace that is missing, for get, update with a version, and delete', async t => {
  const namerd = await startNamerd(t);
  for (const args of [
    ['get', 'x'],
    ['update', 'x', '-', '--version', 'AAAAAAAAAAE='],
    ['delete', 'x'],
  ])
    assert.deepEqual(
      await namerctlOf(namerd)(args, { input: '/a=>/b' }),
      failed(1, `namerctl: namespace x does not exist at ${namerd.url}; there are none\n`),
    );
});

test('a base URL that leads to something else is not a missing namespace', async t => {
  const server = await answering(t, () => ({ status: 404, body: '{"error":"try /metrics"}' }));
  for (const args of [['list'], ['get', 'x'], ['explain', '/a'], ['delete', 'x'], ['history', 'x']]) {
    const { code, stderr } = await namerctlOf(server)(args);
    assert.equal(code, 76, args.join(' '));
    assert.match(stderr, /sent an unexpected answer: status 404 and .*\nIs that namerd\?/);
  }
});

test('a namespace that exists already', async t => {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', '/a=>/b');
  assert.deepEqual(
    await namerctlOf(namerd)(['create', 'default', '-'], { input: '/a=>/c' }),
    failed(
      1,
      `namerctl: namespace default already exists at ${namerd.url}\nReplace it with: namerctl update default FILE\n`,
    ),
  );
});

test('other answers: what the server says is shown; 4xx, 5xx and nonsense differ in the exit code', async t => {
  for (const [status, body, code, said] of [
    [403, 'not yours\n', 77, 'does not allow this (403): not yours'],
    [401, '', 77, 'did not accept your credentials (401): it does not say why'],
    [
      404,
      '<!doctype html><title>No such\n page</title>',
      76,
      'sent an unexpected answer: status 404 and a page for browsers, "No such page"',
    ],
    [502, '<html><head><title>Bad Gateway</title></head>', 69, 'answered 502: a page for browsers, "Bad Gateway"'],
    [400, 'a\x1b[31mred\x07', 1, 'refused the request (400): a\\u001b[31mred\\u0007'],
    [400, '', 1, 'refused the request (400): it does not say why'],
    [500, 'the store is gone', 69, 'answered 500: the store is gone'],
    [204, '', 76, 'sent an unexpected answer: status 204'],
    [200, '', 76, 'sent an unexpected answer: nothing'],
    [200, ' <!DOCTYPE html>\n<p>hi', 76, 'sent an unexpected answer: status 200 and a page for browsers'],
    [200, '<x>', 76, 'sent an unexpected answer: Unexpected token \'<\', "<x>" is not valid JSON'],
    [200, '{}', 76, 'sent an unexpected answer: expected a list of dentries, found {}'],
    [200, '[{"prefix":"/a"}]', 76, 'dentry 0: expected {"prefix": …, "dst": …}, found {"prefix":"/a"}'],
  ] as const) {
    const server = await answering(t, () => ({ status, body }));
    const ran = await namerctlOf(server)(['get', 'default']);
    assert.equal(ran.code, code, ran.stderr);
    assert.equal(ran.stdout, '');
    assert.ok(ran.stderr.startsWith(`namerctl: ${server.url}/api/1/dtabs/default `), ran.stderr);
    assert.ok(ran.stderr.includes(`${said}\n`), ran.stderr);
  }
});

test('a page for browsers is not taken for a success', async t => {
  const server = await answering(t, () => ({
    status: 200,
    headers: { etag: 'A=' },
    body: '<html><title>Log in</title>',
  }));
  for (const args of [['create', 'x', '-'], ['update', 'x', '-'], ['delete', 'x'], ['restore', 'x', 'A='], ['list']]) {
    const ran = await namerctlOf(server)(args, { input: '/a=>/b' });
    assert.deepEqual([ran.code, ran.stdout], [76, '']);
    assert.match(
      ran.stderr,
      /sent an unexpected answer: status 200 and a page for browsers, "Log in"\nIs that namerd\?/,
    );
  }
});

test('a redirect is said and not followed', async t => {
  const server = await answering(t, () => ({ status: 301, headers: { location: 'https://elsewhere/' } }));
  assert.deepEqual(
    await namerctlOf(server)(['list']),
    failed(
      76,
      `namerctl: ${server.url}/api/1/dtabs sent an unexpected answer: status 301 to https://elsewhere/; redirects are not followed\n${isThat}`,
    ),
  );
});

test('a problem the server finds in a text is shown at its place in the file', async t => {
  const input = '# rules\n/svc => /a ;\n/srv => /b ;\n';
  const body = `no such thing expected but 's' found at '${input.replace('/srv', '/[s]rv')}'`;
  const server = await answering(t, () => ({ status: 400, body }));
  assert.deepEqual(
    await namerctlOf(server)(['update', 'x', '-'], { input }),
    failed(
      1,
      `namerctl: ${server.url}/api/1/dtabs/x refused the request (400): <stdin>:3:2: no such thing expected but 's' found\n` +
        '  /srv => /b ;\n   ^\n',
    ),
  );
});

for (const [args, message] of [
  [['list', 'x'], "too many arguments for 'list'. Expected 0 arguments but got 1"],
  [['get'], "missing required argument 'namespace'"],
  [['get', 'a', 'b'], "too many arguments for 'get'. Expected 1 argument but got 2"],
  [['create', 'a'], "missing required argument 'file'"],
  [['update', 'a'], "missing required argument 'file'"],
  [['delete'], "missing required argument 'namespace'"],
  [['dtab', 'delete', 'a', 'b'], "too many arguments for 'delete'. Expected 1 argument but got 2"],
] as const)
  test(`wrong number of arguments, ${args.join(' ')}`, async () => {
    const { code, stdout, stderr } = await namerctl(args);
    assert.equal(code, 64);
    assert.equal(stdout, '');
    assert.ok(stderr.startsWith(`namerctl: ${message}`), stderr);
    const command = args.filter(word => word.length > 1 && word !== 'x').join(' ');
    assert.ok(stderr.endsWith(`Try: namerctl ${command} --help\n`), stderr);
  });

for (const [args, message] of [
  [['delte'], "unknown command 'delte'\n(Did you mean delete?)\nTry: namerctl --help\n"],
  [['dtab', 'bogus'], "unknown command 'bogus'\nTry: namerctl dtab --help\n"],
  [['list', '--jsno'], "unknown option '--jsno'\n(Did you mean --json?)\nTry: namerctl list --help\n"],
  [['get', 'x', '--pretty=maybe'], '--pretty=maybe: expected true or false\nTry: namerctl --help\n'],
  [['get', ''], 'the namespace is empty\nTry: namerctl --help\n'],
  [['create', 'x', ''], 'the name of the dtab file is empty\nTry: namerctl --help\n'],
] as const)
  test(`wrong use, ${JSON.stringify(args)}`, async () => {
    assert.deepEqual(await namerctl(args), failed(64, `namerctl: ${message}`));
  });

test('a file that cannot be read', async t => {
  const { path: folder } = tempDir(t);
  assert.deepEqual(
    await namerctl(['create', 'x', 'none.dtab'], { folder }),
    failed(66, 'namerctl: cannot read none.dtab: no such file\n'),
  );
  assert.deepEqual(
    await namerctl(['update', 'x', '.'], { folder }),
    failed(66, 'namerctl: cannot read .: it is a directory\n'),
  );
  assert.deepEqual(
    await namerctl(['update', 'x', '-'], {
      stdin: (await import('node:stream')).Readable.from([Buffer.of(0x2f, 0xff)]),
    }),
    failed(66, 'namerctl: cannot read <stdin>: it is not UTF-8 text\n'),
  );
});

for (const [input, message] of [
  ['/svc => /a ;\n/b => /c*d ;\n', "2:9: ';' or end of input expected but '*' found\n  /b => /c*d ;\n          ^\n"],
  ['/svc => /a ;\n  /b >= /c', "2:6: '=' expected but '>' found\n    /b >= /c\n       ^\n"],
  ['[{"prefix": "/svc", "dst": "/a" ', '1:33: not JSON: Expected'],
  ['{"version": "x"}', '1:1: expected "dtab", a list, found nothing\n'],
  ['{"version": 3, "dtab": []}', '1:13: version: expected a string, found 3\n'],
  ['[\n  {"prefix": "/svc", "dts": "/a"}\n]', '2:3: expected "dst", a string, found nothing\n'],
  ['[null]', '1:2: expected "prefix", a string, found nothing\n'],
  [
    '[\n  {"prefix": "/svc",\n   "dst": "/a |"}\n]',
    "3:16: dst: a path, '(', '~', '!' or '$' expected but end of input found\n",
  ],
  [' \n', '1:1: nothing there; write [] to store a dtab without rules\n'],
] as const)
  test(`${JSON.stringify(input)} is refused with its place before anything is sent`, async t => {
    const namerd = await startNamerd(t);
    const { code, stdout, stderr } = await namerctlOf(namerd)(['update', 'x', '-'], { input });
    assert.equal(code, 66);
    assert.equal(stdout, '');
    assert.ok(stderr.includes(message), stderr);
    assert.ok(stderr.startsWith('namerctl: <stdin>:'), stderr);
    assert.ok(stderr.endsWith('\nNothing was sent.\n'), stderr);
    assert.deepEqual(namerd.requests(), []);
  });

test('two versions that differ are a mistake; so is asking for one that is not there', async () => {
  assert.deepEqual(
    await namerctl(['update', 'x', '-', '--version', 'A='], { input: '{"version":"B=","dtab":[]}' }),
    failed(64, 'namerctl: --version A=, but <stdin> is of version B=\nTry: namerctl --help\n'),
  );
  assert.deepEqual(
    await namerctl(['update', 'x', '-', '--version', ''], { input: '/a=>/b' }),
    failed(64, 'namerctl: --version is empty\nTry: namerctl --help\n'),
  );
  assert.deepEqual(
    await namerctl(['update', 'x', '-', '--if-unchanged'], { input: '/a=>/b' }),
    failed(64, 'namerctl: --if-unchanged: there is no version in <stdin>\nTry: namerctl --help\n'),
  );
});

test('the help names every exit code', async () => {
  const { code, stdout } = await namerctl(['--help']);
  assert.equal(code, 0);
  for (const row of Object.values(exitCodes)) assert.ok(stdout.includes(`${row.code}  ${row.text}`), row.text);
});

test('on a terminal, control characters from a server are shown, not obeyed; a pipe gets the bytes', async t => {
  const name = 'a\x1b]0;title\x07\r\u202e\x9bb\u200b';
  const dtab = [{ prefix: `/${name}`, dst: '/\x1b[2J' }];
  const server = await answering(t, ({ url }) => ({
    status: 200,
    headers: { etag: 'v' },
    body: JSON.stringify(url.endsWith('/dtabs') ? [name] : dtab),
  }));
  const run = namerctlOf(server);
  const list = await run(['list'], { isTty: true, hasColour: true });
  assert.equal(list.stdout, 'a\\u001b]0;title\\u0007\\u000d\\u202e\\u009bb\\u200b\n');
  for (const args of [
    ['get', 'x'],
    ['get', 'x', '--pretty=false'],
    ['get', 'x', '--json'],
    ['diff', 'x', '-'],
  ]) {
    const { stdout } = await run(args, { isTty: true, hasColour: true, input: '/a => /b' });
    assert.doesNotMatch(stdout.replaceAll(/\x1b\[\d+m/g, ''), /[^\n\x20-\x7e→]/, args.join(' '));
  }
  assert.equal((await run(['list'])).stdout, `${name}\n`);
});
