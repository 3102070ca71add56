/** A worker that breaks takes the program with it, at once and in words: half a proxy is worse than none. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fsRouting, type LinkerdTcp, startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { connectPeer, listeningPeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until, within } from '../support/waiting.ts';

/** Loaded into every thread before its own module: when the file `fault` appears, what it says happens in the workers. */
const faultModule = `
import { readFileSync, writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
const fault = () => {
  try {
    return readFileSync(process.env.FAULT_FILE, 'utf8');
  } catch {
    return '';
  }
};
if (!isMainThread) {
  setInterval(() => {
    const what = fault();
    if (what !== '') writeFileSync(process.env.FAULT_FILE + '.began', '');
    if (what === 'die') throw new Error('broken on purpose');
    if (what === 'hang') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  }, 10).unref();
}
`;

interface Faulty {
  readonly proxy: LinkerdTcp;
  /** Makes it happen, and waits until it does. */
  readonly strike: (fault: 'die' | 'hang') => Promise<void>;
}

async function established(t: TestContext, driver: 'portable' | 'epoll' | 'uring', graceSecs: number): Promise<Faulty> {
  const folder = tempDir(t);
  const module = folder.write('fault.mjs', faultModule);
  const upstream = await listeningPeer(t);
  const { config, files } = fsRouting({
    dtab: '/svc/echo => /#/io.l5d.fs/a;',
    disco: { a: [upstream.port] },
    servers: { '/svc/echo': '' },
    admin: `graceSecs: ${graceSecs}`,
    driver,
  });
  const proxy = await startLinkerdTcp(t, {
    config: `workers: 1\n${config}`,
    files,
    env: { NODE_OPTIONS: `--import=${module}`, FAULT_FILE: join(folder.path, 'fault') },
  });
  const client = await connectPeer(t, proxy.port);
  await client.play('send 1k');
  await (await upstream.next()).play('expect 1k', 'send 1k');
  await client.play('expect 1k');
  const strike = async (fault: string): Promise<void> => {
    folder.write('fault', fault);
    await until(() => existsSync(join(folder.path, 'fault.began')), 'the fault to begin');
  };
  return { proxy, strike };
}

// They wait for clocks more than they work.
describe('a worker', { concurrency: true }, () => {
  for (const driver of ['portable', 'epoll', 'uring'] as const) {
    test(`on ${driver} that dies ends the program, with its number, its words and exit code 70`, async t => {
      const { proxy, strike } = await established(t, driver, 60);
      await strike('die');
      const { code } = await within(proxy.program.exited, 'the program to end');
      assert.equal(code, 70, proxy.program.output);
      assert.match(proxy.program.output, /data plane worker \d+ ended unexpectedly: .*broken on purpose/);
    });

    test(`on ${driver} that hangs cannot keep the program from stopping`, async t => {
      const { proxy, strike } = await established(t, driver, 0);
      await strike('hang');
      proxy.program.signal('SIGTERM');
      const { code } = await within(proxy.program.exited, 'the program to end');
      assert.equal(code, 0, proxy.program.output);
      assert.match(proxy.program.output, /data plane worker \d+ hangs, and is ended by force/);
    });
  }
});
