/** The system calls of a loaded worker, counted by strace. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { allCalls, traceLoadedWorker, turnsOf } from '../../bench/traced-calls.ts';
import { projectRoot } from '../support/linkerd-tcp.ts';
import { runProgram } from '../support/process.ts';
import { withoutSystemCalls } from '../support/refuse-system-calls.ts';

test('a loaded io_uring worker makes about one system call per turn of its loop', async t => {
  const traced = await traceLoadedWorker(t, { driver: 'uring', seconds: 1.5, warmUpSeconds: 1 });
  const seen = traced.calls.map(({ name, count }) => `${name} ${count}`).join(', ');
  const turns = turnsOf(traced, 'uring');
  assert.ok(traced.requests > 100 && turns > 100, `${traced.requests} requests, ${seen}: that is no load`);
  const ratio = allCalls(traced) / turns;
  assert.ok(ratio <= 1.2, `${ratio.toFixed(2)} calls per turn: ${seen}`);
});

test('if ptrace is refused, the measurement fails and names the permission it needs', async t => {
  const ptrace = process.arch === 'arm64' ? 117 : 101;
  const [program = '', ...args] = [
    ...withoutSystemCalls('EPERM', [ptrace]),
    ...[process.execPath, '--disable-warning=ExperimentalWarning', join(projectRoot, 'bench/syscalls.ts')],
    ...['--driver', 'portable', '--seconds', '1'],
  ];
  const { code, output } = await runProgram(t, program, args);
  assert.equal(code, 1, output);
  assert.match(output, /portable FAILED: strace cannot attach to thread \d+: .*Operation not permitted/s);
  assert.match(output, /CAP_SYS_PTRACE/);
});
