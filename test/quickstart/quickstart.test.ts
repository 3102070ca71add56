/** The backends of the quickstart, and what it tells people to try. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { startQuickstart } from '../../src/quickstart/quickstart.ts';
import { kinds } from '../../src/settings/linkerd-tcp/kinds.ts';
import { loadLinkerdTcp } from '../../src/settings/linkerd-tcp/load.ts';
import { freePort } from '../support/ports.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

async function quickstart(t: TestContext, installed: readonly string[]) {
  const folder = tempDir(t);
  const blue = await freePort();
  const green = await freePort();
  folder.write('disco/blue', `127.0.0.1 ${blue}\n`);
  folder.write('disco/green', `127.0.0.1 ${green}\n`);
  const config = loadLinkerdTcp(
    {
      file: join(folder.path, 'quickstart.yml'),
      text: `namers: [{kind: io.l5d.fs, rootDir: disco}]
routers: [{label: q, interpreter: {kind: io.l5d.fs, dtabFile: routes.dtab}, servers: [{port: 7474, dstName: /svc/default}]}]`,
    },
    kinds,
  );
  const has = (program: string) => installed.includes(program);
  return { blue, green, config, has, start: () => startQuickstart(config, { has }) };
}

async function ask(port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(request, 'latin1');
  return text(socket);
}

for (const [installed, kind] of [
  [[], 'built-in backends'],
  [['redis-server'], 'redis-server'],
] as const)
  test(`each group answers with its name, by ${kind}, and is gone after stop`, async t => {
    const { blue, green, start } = await quickstart(t, installed);
    const { stop } = await start();
    try {
      assert.equal(await ask(blue, 'GET group\r\nQUIT\r\n'), '$4\r\nblue\r\n+OK\r\n');
      assert.equal(
        await ask(green, '*2\r\n$3\r\nget\r\n$5\r\ngroup\r\n*1\r\n$4\r\nQUIT\r\n'),
        '$5\r\ngreen\r\n+OK\r\n',
      );
      assert.equal(await ask(blue, 'SET a b\r\nGET a\r\nPING\r\nQUIT\r\n'), '+OK\r\n$1\r\nb\r\n+PONG\r\n+OK\r\n');
      assert.match(await ask(blue, 'INFO\r\nQUIT\r\n'), /# Server\r\n/);
    } finally {
      await stop();
    }
    await assert.rejects(ask(blue, 'PING\r\n'), { code: 'ECONNREFUSED' });
  });

for (const installed of [[], ['redis-server']])
  test(`a taken port is said, and what was started is stopped, with ${installed[0] ?? 'built-in backends'}`, async t => {
    const { blue, green, start } = await quickstart(t, installed);
    const server = createServer().listen(green, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    await assert.rejects(start(), {
      code: 'CANNOT_LISTEN',
      message: `cannot listen on 127.0.0.1:${green} for the example backend green: the port is taken; is another quickstart running?`,
    });
    await assert.rejects(ask(blue, 'PING\r\n'), { code: 'ECONNREFUSED' });
  });

test('the first screen shows what runs, and four things to try', async t => {
  const { blue, green, start } = await quickstart(t, []);
  const { stop, guide } = await start();
  t.after(stop);
  const said = guide('http://127.0.0.1:9989');
  for (const part of [
    'no redis-server is installed here',
    `blue    127.0.0.1:${blue}`,
    `green   127.0.0.1:${green}`,
    'npm run try',
    'npm run route -- blue=90 green=10',
    `npm run break -- ${blue}`,
    'bin/linkerd-tcp init > edge.yml',
    'routes.dtab (watched)',
    '/svc/default => 9 * /#/io.l5d.fs/blue & 1 * /#/io.l5d.fs/green ;',
    'http://127.0.0.1:9989/metrics',
  ])
    assert.ok(said.includes(part), `${part} is not in:\n${said}`);
});

test('a built-in backend answers a request cut anywhere, and survives anything', async t => {
  const { blue, start } = await quickstart(t, []);
  const { stop } = await start();
  t.after(stop);
  const request = '*2\r\n$3\r\nget\r\n$5\r\ngroup\r\n*1\r\n$4\r\nQUIT\r\n';
  await fc.assert(
    fc.asyncProperty(fc.nat(request.length), async cut => {
      const socket = connect(blue, '127.0.0.1').setNoDelay();
      socket.write(request.slice(0, cut));
      await once(socket, 'connect');
      socket.end(request.slice(cut));
      assert.equal(await text(socket), '$4\r\nblue\r\n+OK\r\n');
    }),
    { numRuns: 20 },
  );
  const junk = fc.array(fc.constantFrom('*', '$', '1', '-9', '\r\n', '\n', 'GET', ' ', '\0', 'group'), {
    maxLength: 30,
  });
  await fc.assert(
    fc.asyncProperty(junk, async parts => {
      await ask(blue, `${parts.join('')}\r\nQUIT\r\n`).catch(() => {});
    }),
    { numRuns: 30 },
  );
  assert.equal(await ask(blue, 'PING\r\nQUIT\r\n'), '+PONG\r\n+OK\r\n');
});

for (const installed of [[], ['redis-server']])
  test(`a backend that shuts down starts again after a while, ${installed[0] ?? 'built in'}`, async t => {
    const { blue, config, has } = await quickstart(t, installed);
    const { stop } = await startQuickstart(config, { has, restartMs: 1 });
    t.after(stop);
    await ask(blue, 'SHUTDOWN NOSAVE\r\n').catch(() => '');
    await until(async () => (await ask(blue, 'PING\r\nQUIT\r\n').catch(() => '')).startsWith('+PONG'), 'it to answer');
  });
