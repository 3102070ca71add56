/** Reloads at the wrong moment or of the wrong thing: during the start, during a stop, of what a socket was opened with. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { type LinkerdTcp, projectRoot, startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { connectPeer, type ListeningPeer, listeningPeer } from '../support/peer.ts';
import { freePort } from '../support/ports.ts';
import { startProgram } from '../support/process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until, within } from '../support/waiting.ts';

const config = (servers: readonly string[], top = 'admin: {port: 0}'): string =>
  [top, 'routers:', '- label: edge', '  servers:', ...servers.map(server => `  - {${server}}`), ''].join('\n');

const to = (backend: ListeningPeer): string => `dstName: /$/inet/127.0.0.1/${backend.port}`;

async function session(t: TestContext, port: number, backend: ListeningPeer) {
  const client = await connectPeer(t, port);
  client.queue(1000);
  const server = await backend.next();
  await server.play('expect 1000', 'send 1000');
  await client.play('expect 1000');
  return { client, server };
}

async function reloaded(proxy: LinkerdTcp, text: string): Promise<void> {
  proxy.folder.write('linkerd.yml', text);
  await proxy.post('/reload');
}

test('the ip of a server changes on the same port, and open connections continue', async t => {
  const [backend, port] = [await listeningPeer(t), await freePort()];
  const proxy = await startLinkerdTcp(t, { config: config([`port: ${port}, ip: 0.0.0.0, ${to(backend)}`]) });
  const { client, server } = await session(t, port, backend);
  await reloaded(proxy, config([`port: ${port}, ip: 127.0.0.1, ${to(backend)}`]));
  await session(t, port, backend);
  await client.play('send 1000');
  await server.play('expect 1000');
  assert.equal(await proxy.metric('l5d:srv:accepts', { srv_addr: `127.0.0.1:${port}` }), 1);
});

test('a changed backlog takes effect, and open connections continue', async t => {
  const [backend, port] = [await listeningPeer(t), await freePort()];
  const proxy = await startLinkerdTcp(t, { config: config([`port: ${port}, ${to(backend)}`]) });
  const { client, server } = await session(t, port, backend);
  await reloaded(proxy, config([`port: ${port}, backlog: 77, ${to(backend)}`]));
  const lines = (): readonly string[] =>
    spawnSync('ss', ['-Hltn', `sport = :${port}`], { encoding: 'utf8' })
      .stdout.trim()
      .split('\n');
  await until(() => lines().every(line => /^LISTEN +\d+ +77 /.test(line)), 'the sockets to have it');
  await session(t, port, backend);
  await client.play('send 1000');
  await server.play('expect 1000');
});

for (const driver of ['uring', 'epoll', 'portable'] as const) {
  test(`${driver}: reloads that change backlog, keepAlive or ip lose no connection`, async t => {
    const port = await freePort();
    const backend = createServer(socket => socket.on('error', () => {}).end('ok'));
    t.after(() => backend.close());
    await once(backend.listen(0, '127.0.0.1'), 'listening');
    const server = `port: ${port}, dstName: /$/inet/127.0.0.1/${(backend.address() as AddressInfo).port}`;
    const top = `admin: {port: 0}\ndriver: ${driver}`;
    const proxy = await startLinkerdTcp(t, { config: config([`${server}, ip: 0.0.0.0`], top) });
    let isOver = false;
    let served = 0;
    const failures: string[] = [];
    const ask = async (): Promise<void> => {
      const socket = connect(port, '127.0.0.1');
      const answer = await text(socket).catch(error => String(error));
      if (answer === 'ok') served++;
      else failures.push(answer);
    };
    const clients = Array.from({ length: 4 }, async () => {
      while (!isOver) await ask();
    });
    // In this order: a socket for 127.0.0.1 takes the new connections at once from the one for all addresses.
    for (const change of [
      'ip: 0.0.0.0, backlog: 7',
      'ip: 0.0.0.0, keepAlive: {idleSecs: 7}',
      'backlog: 9',
      'maxConcurrency: 50',
    ])
      await reloaded(proxy, config([`${server}, ${change}`], top));
    const before = served;
    await until(() => served > before, 'another connection');
    assert.equal(failures.length, 0, failures.join());
    // In the other order the old socket takes them until it closes, and may reset the last.
    await reloaded(proxy, config([`${server}, ip: 0.0.0.0`], top));
    isOver = true;
    await Promise.all(clients);
    assert.deepEqual(
      failures.filter(failure => !failure.includes('ECONNRESET')),
      [],
      'never refused',
    );
    assert.ok(failures.length <= clients.length, `${failures.length} failures`);
  });
}

test('with reusePort a second process takes the port over, and open connections of the first continue', async t => {
  const [backend, port] = [await listeningPeer(t), await freePort()];
  const server = `port: ${port}, reusePort: true, ${to(backend)}`;
  const first = await startLinkerdTcp(t, { config: config([server]) });
  const open = await session(t, port, backend);
  await startLinkerdTcp(t, { config: config([server]) });
  first.program.signal('SIGTERM');
  await open.client.play('send 1000');
  await open.server.play('expect 1000', 'shutdown');
  await open.client.play('expect end', 'shutdown');
  await until(() => first.program.exit, 'the first process to end');
  await session(t, port, backend);
});

test('a listener that leads elsewhere is logged with where', async t => {
  const [a, b] = [await listeningPeer(t), await listeningPeer(t)];
  const port = await freePort();
  const proxy = await startLinkerdTcp(t, { config: config([`port: ${port}, ${to(a)}`]) });
  await reloaded(proxy, config([`port: ${port}, ${to(b)}`]));
  await proxy.program.printed(
    new RegExp(`now routing on 127\\.0\\.0\\.1:${port} to /\\$/inet/127\\.0\\.0\\.1/${b.port} `),
  );
});

test('a reload that cannot listen is answered with 409, says where and what next, and is logged', async t => {
  const [backend, other] = [await listeningPeer(t), await listeningPeer(t)];
  const proxy = await startLinkerdTcp(t, { config: config([`port: 0, ${to(backend)}`]) });
  proxy.folder.write('linkerd.yml', config([`port: 0, ${to(backend)}`, `port: ${other.port}, ${to(backend)}`]));
  await assert.rejects(
    proxy.post('/reload'),
    /answered 409: .*CANNOT_LISTEN.*EADDRINUSE.*change routers\[0\]\.servers\[1\]\.port/,
  );
  await proxy.program.printed(
    /error \S+linkerd\.yml: reload failed; the running configuration stays in effect reason="cannot listen on /,
  );
});

test('with JSON logs the report of a bad file is one JSON line', async t => {
  const good = config(['port: 0, dstName: /svc/a']);
  const proxy = await startLinkerdTcp(t, { config: good, env: { ...process.env, LINKERD_TCP_LOG: 'json' } });
  proxy.folder.write('linkerd.yml', `${good}telemetri: 1\n`);
  proxy.program.signal('SIGHUP');
  const [line] = await proxy.program.printed(/^\{.*reload failed.*\}$/m);
  assert.match(JSON.parse(line).report, /^linkerd-tcp: 1 problem in .*\n.*telemetri: unknown key/);
});

test('changes that need a restart are logged at each reload, and /config.json shows the configuration in effect', async t => {
  const proxy = await startLinkerdTcp(t, {
    config: config(['port: 0, dstName: /svc/a'], 'admin: {port: 0}\nworkers: 2'),
  });
  const other = config(['port: 0, dstName: /svc/a'], `admin: {port: ${await freePort()}, graceSecs: 3}\nworkers: 1`);
  for (let i = 1; i <= 2; i++) {
    await reloaded(proxy, other);
    await until(() => proxy.program.output.split('needs a restart').length === i + 1, `warning ${i}`);
  }
  const { admin, workers } = JSON.parse(await proxy.get('/config.json'));
  assert.deepEqual([admin.port, admin.graceSecs, workers], [0, 3, 2]);
});

test('a reload while the proxy stops is refused, opens nothing, and the stop goes its way', async t => {
  const backend = await listeningPeer(t);
  const servers = [`port: 0, ${to(backend)}`];
  const proxy = await startLinkerdTcp(t, { config: config(servers, 'admin: {port: 0, graceSecs: 60}') });
  const { client } = await session(t, proxy.port, backend);
  const late = await freePort();
  proxy.folder.write('linkerd.yml', config([...servers, `port: ${late}, ${to(backend)}`]));
  proxy.program.signal('SIGTERM');
  await proxy.program.printed(/stopping \(SIGTERM\)/);
  await assert.rejects(proxy.post('/reload'), /answered 503: .*STOPPING/);
  await assert.rejects(connectPeer(t, late), { code: 'ECONNREFUSED' });
  await client.play('reset');
  assert.deepEqual(await within(proxy.program.exited, 'the proxy to end'), { code: 0, signal: null });
});

test('a stop that comes with a reload ends with 0', async t => {
  const servers = (count: number): string[] => Array.from({ length: count }, () => 'port: 0, dstName: /$/inet/127.1/1');
  for (let round = 0; round < 3; round++) {
    const proxy = await startLinkerdTcp(t, { config: config(servers(1)) });
    proxy.folder.write('linkerd.yml', config(servers(20)));
    proxy.program.signal('SIGHUP');
    if (round > 0) await proxy.program.printed(/routing on .*routing on /s);
    proxy.program.signal('SIGTERM');
    const exit = await within(proxy.program.exited, 'the proxy to end');
    assert.deepEqual(exit, { code: 0, signal: null }, proxy.program.output);
  }
});

test('SIGTERM after POST /shutdown ends it at once', async t => {
  const backend = await listeningPeer(t);
  const proxy = await startLinkerdTcp(t, {
    config: config([`port: 0, ${to(backend)}`], 'admin: {port: 0, graceSecs: 60}'),
  });
  await session(t, proxy.port, backend);
  await proxy.post('/shutdown');
  await proxy.program.printed(/stopping \(POST \/shutdown\)/);
  proxy.program.signal('SIGTERM');
  assert.equal((await within(proxy.program.exited, 'the proxy to end')).code, 1);
});

/** A program that sends itself the signal as soon as it follows signals. */
function starting(t: TestContext, signal: NodeJS.Signals) {
  const folder = tempDir(t);
  const file = folder.write('linkerd.yml', config(['port: 0, dstName: /$/inet/127.1/1']));
  const hook = folder.write(
    'hook.mjs',
    `const { on } = process;
     process.on = function (event, listener) {
       const result = on.call(this, event, listener);
       if (event === 'SIGHUP') process.kill(process.pid, '${signal}');
       return result;
     };`,
  );
  return startProgram(t, join(projectRoot, 'bin/linkerd-tcp'), [file], {
    cwd: folder.path,
    env: { ...process.env, NODE_OPTIONS: `--import ${hook}` },
  });
}

test('SIGHUP during the start is a reload after it', async t => {
  const program = starting(t, 'SIGHUP');
  await program.printed(/admin listening on .*linkerd\.yml reloaded/s);
  assert.equal(program.exit, undefined);
});

test('SIGTERM during the start ends it with 0', async t => {
  const program = starting(t, 'SIGTERM');
  assert.deepEqual(await within(program.exited, 'the program to end'), { code: 0, signal: null });
});
