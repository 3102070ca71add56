/** The whole proxy when it runs out of file descriptors. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { askAdmin, fsRouting, projectRoot, whereItListens } from '../support/linkerd-tcp.ts';
import { startProgram } from '../support/process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { within } from '../support/waiting.ts';

/** A worker repeats itself no sooner. */
const noticeEveryMs = 10_000;

for (const driver of ['portable', 'epoll', 'uring'] as const) {
  test(`${driver}: more connections than descriptors: it lives, says so once in a while, and serves again when some are free`, async t => {
    const upstream = net.createServer(socket => socket.on('error', () => {}).pipe(socket));
    t.after(() => upstream.close());
    upstream.listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    const { port: upstreamPort } = upstream.address() as net.AddressInfo;
    // Clients that were accepted and cannot get a connection any more soon make room.
    const servers = { '/svc/redis': 'connectTimeoutMs: 50' };
    const { config, files } = fsRouting({
      dtab: '/svc/redis => /#/io.l5d.fs/a;',
      disco: { a: [upstreamPort] },
      servers,
      driver,
    });
    const folder = tempDir(t);
    for (const [name, text] of Object.entries(files ?? {})) folder.write(name, text);
    const configFile = folder.write('linkerd.yml', config);
    const script = 'ulimit -n 64; exec "$@"';
    const program = startProgram(t, '/bin/sh', ['-c', script, 'sh', join(projectRoot, 'bin/linkerd-tcp'), configFile], {
      cwd: folder.path,
      env: { LINKERD_TCP_LOG: 'text' },
      stopTimeoutMs: 300,
    });
    const { ports, adminPort } = await whereItListens(program, 1);
    const port = ports.get('/svc/redis') as number;

    const start = performance.now();
    const open = new Set<net.Socket>();
    t.after(() => {
      for (const socket of open) socket.destroy();
    });
    let echoed = 0;
    const outcome = async (): Promise<void> => {
      const socket = net.connect(port, '127.0.0.1', () => socket.write('x'));
      open.add(socket);
      socket.on('error', () => {});
      const over = Promise.withResolvers<void>();
      socket.once('data', () => {
        echoed++;
        over.resolve();
      });
      socket.once('close', () => over.resolve());
      await within(over.promise, 'an echo or a close');
    };
    const outcomes = Array.from({ length: 50 }, outcome);
    await program.printed(
      /error cannot (connect to endpoints|accept connections): .*EMFILE.*raise the limit of open files/,
    );
    // The last descriptors are the control plane's.
    assert.match(await askAdmin(adminPort, 'GET', '/metrics'), /^process_open_fds|^# HELP/m);
    // While those are open the others wait in the kernel's queue, or are closed for want of a connection.
    for (const socket of open) socket.destroy();
    await Promise.all(outcomes);
    // None, when every descriptor was taken by an accepted client before the first endpoint was connected.
    assert.ok(echoed < 40, `${echoed} served`);

    // The portable driver closes clients until those before them have given their descriptors back.
    const before = echoed;
    await within(
      (async () => {
        while (echoed === before) {
          await outcome();
          await delay(5);
        }
      })(),
      'it to serve again',
    );
    assert.equal(program.exit, undefined);

    const lines = program.output.split('\n').filter(line => /\berror cannot (accept|connect)\b/.test(line));
    const allowed = availableParallelism() * (1 + Math.floor((performance.now() - start) / noticeEveryMs));
    assert.ok(lines.length <= allowed, lines.join('\n'));
  });
}

test('it raises its own limit of open files as far as it may', async t => {
  const { config, files } = fsRouting({ dtab: '/svc/redis => /#/io.l5d.fs/a;', disco: { a: [1] } });
  const folder = tempDir(t);
  for (const [name, text] of Object.entries(files ?? {})) folder.write(name, text);
  const configFile = folder.write('linkerd.yml', config);
  const script = 'ulimit -Sn 64; exec "$@"';
  const program = startProgram(t, '/bin/sh', ['-c', script, 'sh', join(projectRoot, 'bin/linkerd-tcp'), configFile], {
    cwd: folder.path,
  });
  await whereItListens(program, 1);
  const limits = readFileSync(`/proc/${program.pid}/limits`, 'utf8');
  const [, soft, hard] = /^Max open files +(\d+) +(\d+)/m.exec(limits) ?? [];
  assert.equal(soft, hard, limits);
});
