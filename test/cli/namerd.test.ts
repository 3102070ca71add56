/** namerd as a process: its command line, what it starts, how it ends. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { get, request } from 'node:https';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { createAuthority, type Issued } from '../support/certificates.ts';
import { projectRoot } from '../support/linkerd-tcp.ts';
import { memoryConfig, namerdLauncher, startOwnNamerd } from '../support/namerd-own.ts';
import { runProgram } from '../support/process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { within } from '../support/waiting.ts';

function run(args: readonly string[], input = '') {
  const { status, stdout, stderr } = spawnSync(namerdLauncher, args, { input, encoding: 'utf8' });
  return { status, stdout, stderr };
}

const asDtab = { 'content-type': 'application/dtab' };

test('--version and --help say what it is', () => {
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'));
  assert.deepEqual(run(['-V']), { status: 0, stdout: `namerd ${version}\n`, stderr: '' });
  const { stdout } = run(['--help']);
  for (const part of ['--check', '--json-schema', 'Examples:', '78  ', '127.0.0.1:4180'])
    assert.ok(stdout.includes(part), part);
});

test('--check says that a good file is valid, and reports every problem of a bad one with its place', () => {
  assert.deepEqual(run(['--check', '-'], memoryConfig()), {
    status: 0,
    stdout: 'namerd: <stdin> is valid\n',
    stderr: '',
  });
  const bad = `storge: {kind: io.l5d.inMemory}
namers:
- {kind: io.l5d.rewrite, prefix: /a, pattern: '/{x}', name: '/{x}'}
- {kind: io.l5d.rewrite, prefix: /a/b, pattern: '/{x}', name: '/{x}'}
interfaces:
- {kind: io.l5d.meshes, port: 4321}
routers: []
`;
  const { status, stderr } = run(['--check', '-'], bad);
  assert.equal(status, 78);
  for (const line of [
    /namerd: 4 problems in <stdin>/,
    /<stdin>:1:1 +storge: unknown key; did you mean storage\?/,
    /<stdin>:4:\d+ +namers\[1\]\.prefix: Namers must not have overlapping prefixes: \/a & \/a\/b/,
    /<stdin>:6:\d+ +interfaces\[0\]\.kind: unknown kind "io\.l5d\.meshes"; did you mean io\.l5d\.mesh\?/,
    /<stdin>:7:1 +routers: unknown key; this belongs in a configuration of linkerd-tcp/,
  ])
    assert.match(stderr, line);
});

test('storage and at least one interface are needed', () => {
  const { stderr } = run(['--check', '-'], '{}');
  assert.match(stderr, /interfaces: missing; expected a list/);
  assert.match(stderr, /storage: missing/);
  const none = run(['--check', '-'], 'storage: {kind: io.l5d.inMemory}\ninterfaces: []\n');
  assert.match(none.stderr, /interfaces: expected one or more interfaces/);
});

test('two interfaces on one address are one too many', () => {
  const both =
    'storage: {kind: io.l5d.inMemory}\ninterfaces: [{kind: io.l5d.httpController}, {kind: io.l5d.httpController}]\n';
  assert.match(
    run(['--check', '-'], both).stderr,
    /127\.0\.0\.1:4180 is taken by interfaces\[0\] \(its default port\)/,
  );
  const admin = 'storage: {kind: io.l5d.inMemory}\ninterfaces: [{kind: io.l5d.httpController, port: 9991}]\n';
  assert.match(run(['--check', '-'], admin).stderr, /127\.0\.0\.1:9991 is taken by admin \(its default port\)/);
});

test('--json-schema prints a schema that knows the keys and their defaults', () => {
  const schema = JSON.parse(run(['--json-schema']).stdout);
  assert.deepEqual(schema.required, ['storage', 'interfaces']);
  assert.equal(schema.properties.admin.properties.port.default, 9991);
});

test('it serves the API and the admin API, and SIGTERM ends it with 0, watches included', async t => {
  const namerd = await startOwnNamerd(t);
  const dtab = `${namerd.url}/api/1/dtabs/default`;
  assert.equal((await fetch(dtab, { method: 'POST', headers: asDtab, body: '/svc=>/$/inet/127.1' })).status, 204);
  const watch = await fetch(`${namerd.url}/api/1/resolve/default?path=/svc/80&watch=1`);
  const reader = watch.body!.getReader();
  assert.match(Buffer.from((await reader.read()).value!).toString(), /"port":80/);
  for (const [path, expected] of [
    ['/admin/ping', /^pong$/],
    ['/live', /^pong$/],
    ['/ready', /"ready":true/],
    ['/config.json', /"kind":"io.l5d.inMemory"/],
    ['/metrics', /^l5d:namerd:watches 1$/m],
    ['/metrics', /^l5d:namerd:requests\{endpoint="dtabs",status="204"\} 1$/m],
    ['/dtab/delegator.json?path=/svc/80&namespace=default', /"type":"delegate","path":"\/svc\/80".*"port":80/],
    ['/', /POST \/admin\/shutdown/],
  ] as const)
    assert.match(await (await fetch(namerd.adminUrl + path)).text(), expected, path);
  const posted = await fetch(`${namerd.adminUrl}/dtab/delegator.json`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ dtab: '/a=>/b', path: '/a' }),
  });
  assert.match(await posted.text(), /"type":"neg","path":"\/b"/);
  namerd.program.signal('SIGTERM');
  assert.equal((await reader.read()).done, true);
  assert.deepEqual(await namerd.program.exited, { code: 0, signal: null });
});

test('POST /admin/shutdown ends it with 0; other methods and pages of other sites do not', async t => {
  const { adminUrl, program } = await startOwnNamerd(t);
  assert.equal((await fetch(`${adminUrl}/admin/shutdown`)).status, 405);
  const foreign = { method: 'POST', headers: { origin: 'http://evil.example' } };
  assert.equal((await fetch(`${adminUrl}/admin/shutdown`, foreign)).status, 403);
  assert.equal((await fetch(`${adminUrl}/admin/shutdown`, { method: 'POST' })).status, 200);
  assert.deepEqual(await program.exited, { code: 0, signal: null });
});

test('SIGHUP checks the file and changes nothing', async t => {
  const { program, folder } = await startOwnNamerd(t);
  program.signal('SIGHUP');
  await program.printed(/namerd\.yml has not changed/);
  folder.write('namerd.yml', memoryConfig(0, 'namers: [{kind: io.l5d.fs, rootDir: .}]\n'));
  program.signal('SIGHUP');
  await program.printed(/namerd\.yml has changed and is valid; restart namerd to apply it/);
  folder.write('namerd.yml', 'x: 1');
  program.signal('SIGHUP');
  await program.printed(/Nothing was changed\. Check with: namerd --check/);
  assert.equal(program.exit, undefined);
});

test('an address that is taken ends with 69 and says what to change', async t => {
  const { apiPort, folder } = await startOwnNamerd(t);
  const file = folder.write('second.yml', memoryConfig(apiPort));
  const { code, output } = await runProgram(t, namerdLauncher, [file]);
  assert.equal(code, 69, output);
  assert.match(output, new RegExp(`namerd: cannot listen on 127\\.0\\.0\\.1:${apiPort}: .*interfaces\\[0\\]\\.port`));
});

test('an address that others can reach is warned of', async t => {
  const { program } = await startOwnNamerd(t, {
    config: memoryConfig()
      .replace('port: 0}\n', 'port: 0, ip: 0.0.0.0}\n')
      .replace('Controller, port: 0', 'Controller, ip: 0.0.0.0, port: 0'),
  });
  await program.printed(
    /warn the API on 0\.0\.0\.0:\d+ has no authentication: anyone who can reach it can change routing/,
  );
  await program.printed(
    /warn the admin API on 0\.0\.0\.0:\d+ has no authentication: anyone who can reach it can stop namerd/,
  );
});

test('dtabs outlive the process in io.l5d.sqlite, with their history', async t => {
  const config = memoryConfig().replace('io.l5d.inMemory', 'io.l5d.sqlite, path: state/dtabs.sqlite');
  const folder = tempDir(t);
  folder.write('state/keep', '');
  const first = await startOwnNamerd(t, { config, folder });
  for (const body of ['/a=>/1', '/a=>/2']) {
    const put = await fetch(`${first.url}/api/1/dtabs/tea`, { method: 'PUT', headers: asDtab, body });
    assert.equal(put.status, 204);
  }
  await first.program.stop();
  const { url } = await startOwnNamerd(t, { config, folder });
  assert.ok(existsSync(join(folder.path, 'state/dtabs.sqlite')), 'relative to the config');
  const stored = await fetch(`${url}/api/1/dtabs/tea`, { headers: { accept: 'text/plain' } });
  assert.equal(await stored.text(), '/a=>/2\n');
  const history = await fetch(`${url}/api/1/dtabs/tea/history`);
  const { versions } = (await history.json()) as { versions: { number: number }[] };
  assert.deepEqual(
    versions.map(({ number }) => number),
    [2, 1],
  );
  const restored = await fetch(`${url}/api/1/dtabs/tea/restore?version=1`, { method: 'POST' });
  assert.equal(restored.status, 204);
  const now = await fetch(`${url}/api/1/dtabs/tea`, { headers: { accept: 'text/plain' } });
  assert.equal(await now.text(), '/a=>/1\n');
});

test('storage that cannot be opened ends the start with 78 and says why', async t => {
  const folder = tempDir(t);
  const config = memoryConfig().replace('io.l5d.inMemory', 'io.l5d.sqlite, path: dtabs.sqlite');
  folder.write('dtabs.sqlite', 'this is no database, and long enough to be looked at'.repeat(40));
  const file = folder.write('namerd.yml', config);
  const { code, output } = await runProgram(t, namerdLauncher, [file]);
  assert.equal(code, 78, output);
  assert.match(output, /^namerd: io\.l5d\.sqlite \(.*dtabs\.sqlite\): cannot /m);
});

test('an interface with tls speaks https, and may ask for certificates of clients', async t => {
  const ca = createAuthority(t);
  const server = ca.issue({ names: ['namerd.test'] });
  const client = ca.issue({ subject: '/CN=operator', client: true });
  const tls = `tls: {certPath: '${server.certFile}', keyPath: '${server.keyFile}', caCertPath: '${ca.file}', requireClientAuth: true}`;
  const { url } = await startOwnNamerd(t, { config: memoryConfig().replace(/port: 0\}\n$/, `port: 0, ${tls}}\n`) });
  const ask = (credentials: { cert?: string; key?: string }): Promise<number | undefined> => {
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
    get(
      `${url}/api/1/dtabs`,
      { ca: ca.certificate, servername: 'namerd.test', agent: false, ...credentials },
      answer => {
        answer.resume();
        resolve(answer.statusCode);
      },
    ).on('error', reject);
    return promise;
  };
  assert.match(url, /^https:/);
  assert.equal(await ask({ cert: client.chain, key: client.key }), 200);
  await assert.rejects(ask({}));
});

test('a write with a client certificate is logged and kept in the history under the name of the certificate', async t => {
  const ca = createAuthority(t);
  const server = ca.issue({ names: ['namerd.test'] });
  const client = ca.issue({ subject: '/CN=operator', client: true });
  const tls = `tls: {certPath: '${server.certFile}', keyPath: '${server.keyFile}', caCertPath: '${ca.file}', requireClientAuth: true}`;
  const config = memoryConfig()
    .replace('io.l5d.inMemory', 'io.l5d.sqlite, path: dtabs.sqlite')
    .replace(/port: 0\}\n$/, `port: 0, ${tls}}\n`);
  const { url, program } = await startOwnNamerd(t, { config });
  const credentials = {
    ca: ca.certificate,
    servername: 'namerd.test',
    agent: false,
    cert: client.chain,
    key: client.key,
  };
  const ask = async (method: string, path: string, body?: string) => {
    const sent = request(`${url}/api/1/dtabs/${path}`, { ...credentials, method, headers: asDtab });
    sent.end(body);
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    return readText(answer);
  };
  await ask('PUT', 'tea', '/a=>/b');
  await program.printed(/info PUT \/api\/1\/dtabs\/tea by certificate operator from 127\.0\.0\.1/);
  const { versions } = JSON.parse(await ask('GET', 'tea/history')) as { versions: { by: string }[] };
  assert.equal(versions[0].by, 'operator');
});

test('SIGHUP reads certificates again: the next connection meets the new one, and a broken one changes nothing', async t => {
  const ca = createAuthority(t);
  const [first, second] = ['first.test', 'second.test'].map(name => ca.issue({ names: [name] })) as [Issued, Issued];
  const folder = tempDir(t);
  const install = ({ chain, key }: Pick<Issued, 'chain' | 'key'>) => {
    folder.write('cert.pem', chain);
    folder.write('key.pem', key);
  };
  install(first);
  const tls = 'port: 0, tls: {certPath: cert.pem, keyPath: key.pem}}\n';
  const config = memoryConfig().replace(/port: 0\}\n$/, tls);
  const { program, apiPort } = await startOwnNamerd(t, { folder, config });
  const served = async (): Promise<string> => {
    const socket = connect({
      port: apiPort,
      host: '127.0.0.1',
      ca: ca.certificate,
      checkServerIdentity: () => undefined,
    });
    await within(once(socket, 'secureConnect'), 'the handshake');
    const names = String(socket.getPeerX509Certificate()?.subjectAltName);
    socket.destroy();
    return names;
  };
  assert.match(await served(), /first\.test/);
  install(second);
  program.signal('SIGHUP');
  await program.printed(/certificates reloaded/);
  assert.match(await served(), /second\.test/);
  install({ chain: 'nonsense', key: first.key });
  program.signal('SIGHUP');
  await program.printed(/interfaces\[0\]\.tls: these files cannot be used together/);
  assert.match(await served(), /second\.test/);
});

test('certificates of clients can only be asked for by an authority', () => {
  const tls = 'tls: {certPath: a.pem, keyPath: a.key, requireClientAuth: true}';
  const { stderr } = run(['--check', '-'], memoryConfig().replace(/port: 0\}\n$/, `port: 0, ${tls}}\n`));
  assert.match(stderr, /interfaces\[0\]\.tls\.requireClientAuth: needs caCertPath/);
});
