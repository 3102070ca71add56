/** linkerd-tcp as a process: the quickstart, signals, reloads, and the exit codes of a run. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { projectRoot, startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { startOwnNamerd } from '../support/namerd-own.ts';
import { freePort } from '../support/ports.ts';
import { type Program, runProgram } from '../support/process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

const examples = join(projectRoot, 'examples');

/** The dtab file of the quickstart, edited to lead to `group`. */
const route = (group: string): string =>
  readFileSync(join(examples, 'quickstart/routes.dtab'), 'utf8').replace(/^(\/svc.*)blue/m, `$1${group}`);

async function groupBehind(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end('GET group\r\nQUIT\r\n');
  return /\r\n(\w+)\r\n/.exec(await text(socket))?.[1] ?? '';
}

test('the quickstart starts backends, says what to try, and an edit of the dtab file moves new connections', async t => {
  const [blue, green] = [await freePort(), await freePort()];
  const example = readFileSync(join(examples, 'quickstart.yml'), 'utf8');
  const proxy = await startLinkerdTcp(t, {
    config: example.replace(/port: \d+/g, 'port: 0'),
    files: {
      'quickstart/routes.dtab': route('blue'),
      'quickstart/disco/blue': `127.0.0.1 ${blue}\n`,
      'quickstart/disco/green': `127.0.0.1 ${green}\n`,
    },
    args: ['--quickstart'],
  });
  await proxy.program.printed(/Ctrl-C to stop/);
  assert.match(proxy.program.output, /Send 10% to green +npm run route -- blue=90 green=10/);
  assert.equal(await groupBehind(proxy.port), 'blue');
  proxy.folder.write('quickstart/routes.dtab', route('green'));
  const edited = performance.now();
  await until(async () => (await groupBehind(proxy.port)) === 'green', 'new connections to reach green');
  assert.ok(performance.now() - edited < 5000);
  proxy.program.signal('SIGTERM');
  assert.deepEqual(await proxy.program.exited, { code: 0, signal: null });
  await assert.rejects(groupBehind(blue), { code: 'ECONNREFUSED' });
});

test('SIGHUP with a bad file shows the report and changes nothing; with a good one it reloads', async t => {
  const config = 'admin: {port: 0}\nrouters: [{label: a, servers: [{port: 0, dstName: /svc/a}]}]\n';
  const proxy = await startLinkerdTcp(t, { config });
  proxy.folder.write('linkerd.yml', `${config}telemetri: 1\n`);
  proxy.program.signal('SIGHUP');
  await proxy.program.printed(/linkerd\.yml:\d+:1 +telemetri: unknown key/);
  await proxy.program.printed(/^Nothing was changed\. Check with: linkerd-tcp --check \S+linkerd\.yml$/m);
  proxy.folder.write('linkerd.yml', config);
  proxy.program.signal('SIGHUP');
  await proxy.program.printed(/linkerd\.yml reloaded/);
  assert.equal(proxy.program.exit, undefined);
});

test('an address that is taken ends with 69 and names it', async t => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const file = tempDir(t).write(
    'edge.yml',
    `admin: {port: 0}\nrouters: [{label: a, servers: [{port: ${port}, dstName: /svc/a}]}]\n`,
  );
  const { code, output } = await runProgram(t, join(projectRoot, 'bin/linkerd-tcp'), [file]);
  assert.equal(code, 69, output);
  assert.match(output, new RegExp(`linkerd-tcp: cannot listen on 127\\.0\\.0\\.1:${port}: .+`));
  assert.doesNotMatch(output, /\n\s+at /);
});

test('SIGUSR1 reopens the access log and opens no debugger; signals that would end a process are ignored', async t => {
  const config = `admin: {port: 0}\naccessLog: {file: access.log}
routers: [{label: a, servers: [{port: 0, dstName: /svc/a}]}]\n`;
  const { program, folder } = await startLinkerdTcp(t, { config });
  const file = join(folder.path, 'access.log');
  renameSync(file, `${file}.1`);
  program.signal('SIGUSR1');
  await program.printed(/access log reopened/);
  assert.equal(existsSync(file), true);
  await survivesStraySignals(program);
});

test('namerd opens no debugger on SIGUSR1 and ignores signals that would end a process', async t => {
  const { program } = await startOwnNamerd(t);
  program.signal('SIGUSR1');
  await program.printed(/no log file to reopen/);
  await survivesStraySignals(program);
});

async function survivesStraySignals(program: Program): Promise<void> {
  for (const signal of ['SIGUSR2', 'SIGALRM', 'SIGVTALRM', 'SIGIO', 'SIGPWR'] as const) {
    program.signal(signal);
    await program.printed(new RegExp(`${signal} ignored; send SIGHUP to reload`));
  }
  program.signal('SIGQUIT');
  assert.deepEqual(await program.exited, { code: 0, signal: null });
  assert.doesNotMatch(program.output, /debugger/i);
}

test('a start that fails for the admin port has accepted no connection', async t => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.after(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const config = `admin: {port: ${port}}\nrouters: [{label: a, servers: [{port: 0, dstName: /svc/a}]}]\n`;
  const file = tempDir(t).write('edge.yml', config);
  const { code, output } = await runProgram(t, join(projectRoot, 'bin/linkerd-tcp'), [file]);
  assert.equal(code, 69, output);
  assert.match(output, /change admin\.port/);
  assert.doesNotMatch(output, /routing on/);
});
