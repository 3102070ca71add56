/** How the table of strace is read, and which thread it is about. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { allCalls, busiestThread, callsOf, turnsOf } from '../../bench/traced-calls.ts';

const table = `strace: Process 4711 attached
strace: Process 4711 detached
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
  0.66    0.011040         480        23         1 futex
 99.23    1.661240          52     31639           io_uring_enter
  0.11    0.001790         149        12           epoll_pwait
------ ----------- ----------- --------- --------- ----------------
100.00    1.674070          52     31674         1 total
`;

test('the calls of a table are read with their failures, the most frequent first, without the total', () => {
  assert.deepEqual(callsOf(table), [
    { name: 'io_uring_enter', count: 31639, errors: 0 },
    { name: 'futex', count: 23, errors: 1 },
    { name: 'epoll_pwait', count: 12, errors: 0 },
  ]);
});

test('a turn is a wait of the driver that runs', () => {
  const traced = { seconds: 3, requests: 100, calls: callsOf(table) };
  assert.equal(allCalls(traced), 31674);
  assert.equal(turnsOf(traced, 'uring'), 31639);
  assert.equal(turnsOf(traced, 'epoll'), 12);
});

test('no table, no calls', () => {
  assert.deepEqual(callsOf('strace: attach: ptrace(PTRACE_SEIZE, 4711): Operation not permitted\n'), []);
});

test('the busiest thread of a process is the one that computes', async t => {
  // Prints its thread id, then computes without end.
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads');
     parentPort.postMessage(require('node:fs').readlinkSync('/proc/thread-self').split('/').at(-1));
     for (;;) Math.random();`,
    { eval: true },
  );
  t.after(() => worker.terminate());
  const thread = await new Promise<string>(resolve => worker.once('message', resolve));
  assert.equal(await busiestThread(process.pid), Number(thread));
});
