/** Stopping: what is established may finish within the grace, what is new is refused, and impatience is heeded. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fsRouting, startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { connectPeer, listeningPeer } from '../support/peer.ts';
import { until, within } from '../support/waiting.ts';

/** A proxy with one established session that has carried bytes both ways. */
async function established(t: TestContext, graceSecs: number) {
  const upstream = await listeningPeer(t);
  const proxy = await startLinkerdTcp(
    t,
    fsRouting({
      dtab: '/svc/echo => /#/io.l5d.fs/a;',
      disco: { a: [upstream.port] },
      servers: { '/svc/echo': '' },
      admin: `graceSecs: ${graceSecs}`,
    }),
  );
  const client = await connectPeer(t, proxy.port);
  await client.play('send 1k');
  await upstream.play('expect 1k', 'send 1k');
  await client.play('expect 1k');
  return { client, proxy, upstream };
}

async function isRefused(t: TestContext, port: number): Promise<boolean> {
  try {
    // A reset: a connection that was still accepted must not count as a session to wait for.
    await (await connectPeer(t, port)).abort();
    return false;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ECONNREFUSED') return true;
    // It was queued when the listener closed: the next one will be refused.
    if (code === 'ECONNRESET') return false;
    throw error;
  }
}

for (const [what, stop] of [
  ['SIGTERM', async ({ proxy }) => proxy.program.signal('SIGTERM')],
  ['SIGINT', async ({ proxy }) => proxy.program.signal('SIGINT')],
  ['POST /shutdown', async ({ proxy }) => void (await proxy.post('/shutdown'))],
] as const satisfies readonly (readonly [string, (s: Awaited<ReturnType<typeof established>>) => Promise<void>])[]) {
  test(`${what} lets the established session finish, refuses new connections and ends with exit code 0`, async t => {
    const session = await established(t, 60);
    const { client, proxy, upstream } = session;
    await stop(session);
    await until(() => isRefused(t, proxy.port), 'new connections to be refused');
    assert.equal(proxy.program.exit, undefined, 'the proxy waits for its session');

    await client.play('send 100k', 'shutdown');
    await upstream.play('expect 100k', 'expect end', 'send 100k', 'close');
    await client.play('expect 100k', 'expect end', 'close');
    assert.deepEqual(await within(proxy.program.exited, 'the proxy to end'), { code: 0, signal: null });
  });
}

test('a second signal ends it at once', async t => {
  const { client, proxy } = await established(t, 60);
  proxy.program.signal('SIGTERM');
  await until(() => isRefused(t, proxy.port), 'new connections to be refused');
  assert.equal(proxy.program.exit, undefined, 'the proxy waits for its session');
  // Two within half a second count as one: Ctrl-C under npm arrives twice.
  await until(
    () => {
      proxy.program.signal('SIGTERM');
      return proxy.program.exit;
    },
    'the proxy to end',
    { everyMs: 100 },
  );
  await client.play('expect over');
});

test('a session that does not finish is cut off after graceSecs', async t => {
  const { client, proxy } = await established(t, 1);
  const start = performance.now();
  proxy.program.signal('SIGTERM');
  await proxy.program.printed(/stopping \(SIGTERM\): 1 connection open, 1 s to finish; a second signal stops at once/);
  const exit = await within(proxy.program.exited, 'the proxy to end');
  const took = performance.now() - start;
  await client.play('expect over');
  assert.equal(exit.signal, null);
  assert.ok(took >= 900 && took < 9000, `it took ${took} ms; without the key it would be 10 s`);
});
