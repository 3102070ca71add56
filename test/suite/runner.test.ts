/** The suite's own runner: what it counts, what it takes for a failure, in which order it runs. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { planTests } from '../../scripts/test/plan.ts';
import { runPool } from '../../scripts/test/pool.ts';
import { sumCounts, summaryLines } from '../../scripts/test/results.ts';
import { runTests } from '../../scripts/test/run-job.ts';
import { readTimings, writeTimings } from '../../scripts/test/timings.ts';
import { projectRoot } from '../support/linkerd-tcp.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

const reporter = join(projectRoot, 'scripts/test/reporter.ts');

/** Runs test files with these contents in one process. */
async function run(t: TestContext, bodies: readonly string[], timeoutMs = 60_000) {
  const directory = tempDir(t);
  const files = bodies.map((body, i) =>
    directory.write(
      `${i}.test.mjs`,
      `import { test } from 'node:test';\nimport assert from 'node:assert/strict';\n${body}`,
    ),
  );
  const args = ['--test', '--test-isolation=none', `--test-reporter=${reporter}`, '--test-reporter-destination=stdout'];
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const command = { program: process.execPath, args: [...args, ...files], cwd: directory.path, env, timeoutMs };
  return runTests('test/sample', command);
}

test('the counts of all files of a process are reported once, and each file has its time', async t => {
  const body = `test('passes', () => {}); test('later', { skip: true }, () => {});`;
  const { ok, counts, failures, output, timings } = await run(t, [body, body]);
  assert.equal(ok, true);
  assert.deepEqual(counts, { tests: 4, suites: 0, pass: 2, fail: 0, cancelled: 0, skipped: 2, todo: 0 });
  assert.equal(failures, '');
  assert.match(output, /✔ passes/);
  assert.doesNotMatch(output, /^ℹ tests/m);
  assert.deepEqual(Object.keys(timings), ['0.test.mjs', '1.test.mjs']);
});

test('the details of a failed test are kept for the end of the run', async t => {
  const { ok, counts, failures, output } = await run(t, [`test('adds', () => assert.equal(1 + 1, 3));`]);
  assert.equal(ok, false);
  assert.equal(counts.fail, 1);
  assert.match(failures, /✖ adds[\s\S]*2 !== 3/);
  assert.doesNotMatch(output, /failing tests/);
});

test('a process that ends before its tests do is one failed test', async t => {
  for (const end of ['process.exit(0)', 'process.exit(3)', "process.kill(process.pid, 'SIGKILL')"]) {
    const { ok, counts, failures } = await run(t, [
      `test('one', () => console.log('nearly')); test('two', () => ${end});`,
    ]);
    assert.equal(ok, false, end);
    assert.deepEqual([counts.tests, counts.fail], [1, 1], end);
    assert.match(
      failures,
      /✖ test\/sample (?:ended before its tests did|ended with exit code 3|was ended by SIGKILL)\n/,
    );
    assert.match(failures, /nearly/);
  }
});

test('an error after the tests of a file are over is a failure', async t => {
  const { ok, counts } = await run(t, [`test('one', () => void setTimeout(() => { throw new Error('late') }, 50));`]);
  assert.equal(ok, false);
  assert.ok(counts.fail >= 1);
});

test('a process that does not end is stopped together with the programs it started', async t => {
  const body = `
    import { spawn } from 'node:child_process';
    const { pid } = spawn('sleep', ['600']);
    test('one', () => console.log('sleeper ' + pid + '.'));
    setInterval(() => {}, 1000);`;
  const { ok, failures, output } = await run(t, [body], 3_000);
  assert.equal(ok, false);
  assert.match(failures, /test\/sample did not end within 3 s and was stopped/);
  const pid = /sleeper (\d+)\./.exec(output)?.[1];
  await until(() => !existsSync(`/proc/${pid}`) || pid === undefined, 'the program to be gone');
});

test('the summed counts end as those of one node --test do', () => {
  const one = { tests: 2, suites: 1, pass: 1, fail: 1, cancelled: 0, skipped: 0, todo: 0 };
  const lines = summaryLines(sumCounts([one, one]), 12.5)
    .trimEnd()
    .split('\n');
  assert.deepEqual(lines.slice(0, 4), ['ℹ tests 4', 'ℹ suites 2', 'ℹ pass 2', 'ℹ fail 2']);
  assert.deepEqual(lines.slice(4), ['ℹ cancelled 0', 'ℹ skipped 0', 'ℹ todo 0', 'ℹ duration_ms 12.5']);
});

test('the longest job starts first, and jobs that only wait run beside busy ones', async () => {
  const ends = new Map<string, () => void>();
  const started: string[] = [];
  const run = (job: { readonly name: string }): Promise<string> => {
    started.push(job.name);
    return new Promise(resolve => ends.set(job.name, () => resolve(job.name)));
  };
  const jobs = [
    { name: 'short', seconds: 1, cores: 1 },
    { name: 'waits', seconds: 5, cores: 0.1 },
    { name: 'long', seconds: 9, cores: 1 },
    { name: 'longer', seconds: 10, cores: 1 },
    { name: 'needs short', seconds: 20, cores: 1, after: ['short'] },
  ];
  const all = runPool(jobs, { cores: 2.2, atOnce: 9 }, run);
  assert.deepEqual(started, ['longer', 'long', 'waits']);
  for (const name of ['long', 'short', 'needs short', 'longer', 'waits']) {
    await until(() => started.includes(name), `${name} to start`);
    ends.get(name)?.();
  }
  assert.deepEqual(await all, ['long', 'short', 'needs short', 'longer', 'waits']);
  assert.deepEqual(started.slice(3), ['short', 'needs short']);
});

test('short files of a directory share a process; long ones and those that start the programs do not', () => {
  const files = [
    'test/dtab/a.test.ts',
    'test/dtab/b.test.ts',
    'test/dtab/c.test.ts',
    'test/e2e/x.test.ts',
    'test/log.test.ts',
  ];
  const jobs = planTests(files, { 'test/dtab/b.test.ts': { seconds: 9, cpuSeconds: 3 } }, 'packages');
  const [dtab, long, e2e, top] = jobs;
  assert.deepEqual(
    jobs.map(job => job.files),
    [
      ['test/dtab/a.test.ts', 'test/dtab/c.test.ts'],
      ['test/dtab/b.test.ts'],
      ['test/e2e/x.test.ts'],
      ['test/log.test.ts'],
    ],
  );
  assert.deepEqual([dtab?.after, long?.after, e2e?.after], [[], [], ['packages']]);
  assert.deepEqual([long?.seconds, long?.cores], [9, 1 / 3]);
  assert.equal(top?.name, 'test/');
});

test('recorded times are read as they were written', t => {
  const file = tempDir(t).write('timings.json', '');
  writeTimings(file, {
    'test/b.test.ts': { seconds: 1.25, cpuSeconds: 0.5 },
    'test/a.test.ts': { seconds: 2, cpuSeconds: 1 },
  });
  assert.deepEqual(Object.entries(readTimings(file)), [
    ['test/a.test.ts', { seconds: 2, cpuSeconds: 1 }],
    ['test/b.test.ts', { seconds: 1.3, cpuSeconds: 0.5 }],
  ]);
});
