/** Where the kernel refuses io_uring, as the default seccomp profiles of containers do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fsRouting, launcher, startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { runProgram } from '../support/process.ts';
import { askRedis, startRedis } from '../support/redis.ts';
import { startRedisBenchmark } from '../support/redis-benchmark.ts';
import { type Refusal, uringCalls, withoutSystemCalls } from '../support/refuse-system-calls.ts';
import type { Scope } from '../support/scope.ts';
import { tempDir } from '../support/temp-dir.ts';

const routing = { dtab: '/svc/redis => /#/io.l5d.fs/a;' };

const minimal = `
admin: {port: 0}
routers:
- label: test
  dtab: /svc/redis => /$/inet/127.0.0.1/1;
  servers: [{port: 0, dstName: /svc/redis}]
`;

/** A real load through it: nothing lost, nothing wrong. */
async function passesTraffic(t: Scope, port: number): Promise<void> {
  assert.match(await askRedis(port, 'SET greeting hello'), /^\+OK/);
  assert.match(await askRedis(port, 'GET greeting'), /^\$5\r\nhello\r\n/);
  await startRedisBenchmark(t, port, { connections: 20, requests: 5000 }).finished;
}

const runCommand = (t: Scope, [program = '', ...args]: readonly string[]) => runProgram(t, program, args);

const refusals: Readonly<Record<Refusal, string>> = {
  EPERM: 'operation not permitted (EPERM)',
  ENOSYS: 'function not implemented (ENOSYS)',
};

for (const [refusal, words] of Object.entries(refusals) as [Refusal, string][]) {
  const through = withoutSystemCalls(refusal, uringCalls);

  test(`${refusal}: auto takes epoll, says why, and traffic flows`, async t => {
    const redis = await startRedis(t);
    const proxy = await startLinkerdTcp(t, { ...fsRouting({ ...routing, disco: { a: [redis.port] } }), through });
    const choice = `driver epoll (no io_uring: ${words})`;
    assert.ok(proxy.program.output.includes(choice), `${choice}, in:\n${proxy.program.output}`);
    assert.equal(await proxy.metric('l5d:driver_info', { driver: 'epoll' }), 1);
    assert.equal(await proxy.metric('l5d:driver_info'), 1, 'no other driver is told');
    await passesTraffic(t, proxy.port);
  });

  test(`${refusal}: uring by name is an error of the configuration that says what refused it and what to do`, async t => {
    const file = tempDir(t).write('linkerd.yml', `driver: uring\n${minimal}`);
    const { code, output } = await runCommand(t, [...through, launcher, file]);
    assert.equal(code, 78, output);
    const message = `linkerd-tcp: driver uring cannot run here: ${words}`;
    assert.ok(output.includes(message), `${message}, in:\n${output}`);
    assert.match(output, /driver: auto/, 'the next step');
    assert.doesNotMatch(output, /^ +at /m, 'no stack trace');
    assert.doesNotMatch(output, /routing on/, 'nothing was started');
  });

  for (const driver of ['epoll', 'portable'] as const) {
    test(`${refusal}: ${driver} by name runs as ever`, async t => {
      const redis = await startRedis(t);
      const routed = fsRouting({ ...routing, driver, disco: { a: [redis.port] } });
      const proxy = await startLinkerdTcp(t, { ...routed, through });
      assert.ok(proxy.program.output.includes(`driver ${driver} (configured)`), proxy.program.output);
      assert.equal(await proxy.metric('l5d:driver_info', { driver }), 1);
      await passesTraffic(t, proxy.port);
    });
  }
}

test('the refusal is real: io_uring answers with the errno asked for, in what the command starts too', async t => {
  const probe = JSON.stringify(new URL('../../src/io/native/probe.ts', import.meta.url).href);
  const script = `console.log((await import(${probe})).uringObstacle())`;
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script];
  for (const [refusal, words] of Object.entries(refusals) as [Refusal, string][]) {
    const { output } = await runCommand(t, [
      ...withoutSystemCalls(refusal, uringCalls),
      'sh',
      '-c',
      '"$@"',
      'sh',
      ...node,
    ]);
    assert.equal(output.trim(), words);
  }
});
