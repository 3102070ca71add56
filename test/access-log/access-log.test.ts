/** The access log's destination: never waited for, rotated, and honest about what it lost. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AccessLog } from '../../src/access-log/access-log.ts';
import { type Log, silentLog } from '../../src/log.ts';
import { Registry } from '../../src/metrics/registry.ts';
import type { ConnectionRecord } from '../../src/proxy/record.ts';
import { until, within } from '../support/waiting.ts';

const recordOf = (rx: number): ConnectionRecord => ({
  at: 0,
  router: 'edge',
  server: '127.0.0.1:7474',
  dst: '/svc/web',
  client: '10.0.0.7:50312',
  endpoint: '10.0.1.3:8080',
  branch: '/#/io.l5d.fs/web',
  bindMs: 0,
  connectMs: 1,
  totalMs: 5,
  rx,
  tx: 0,
  retries: 0,
  serverName: null,
  tls: null,
  upstreamTls: null,
  end: '--',
  reason: null,
});

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'access-log-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

interface Parts {
  readonly registry?: Registry;
  readonly log?: Log;
  readonly limit?: number;
}

const openLog = (file: string, { registry = new Registry({ pages: 1 }), log = silentLog, limit }: Parts = {}) =>
  AccessLog.open({ format: 'json', file, registry, log, limit });

const rxOf = async (file: string): Promise<readonly number[]> =>
  (await readFile(file, 'utf8'))
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line).rxBytes as number);

test('records are appended to the file in order, each on a line', async t => {
  const file = join(await folder(t), 'access.log');
  for (const start of [0, 500]) {
    const log = await openLog(file);
    log.write(Array.from({ length: 300 }, (_, i) => recordOf(start + i)));
    log.write(Array.from({ length: 200 }, (_, i) => recordOf(start + 300 + i)));
    await log.close();
  }
  assert.deepEqual(
    await rxOf(file),
    Array.from({ length: 1000 }, (_, i) => i),
  );
});

test('a file that cannot be written is named, and leaves no series behind', async t => {
  const registry = new Registry({ pages: 1 });
  const file = join(await folder(t), 'missing', 'access.log');
  await assert.rejects(openLog(file, { registry }), {
    code: 'CANNOT_WRITE',
    message: `cannot write ${file}: no such file`,
  });
  assert.equal(registry.expose(), '');
});

test('after rotation lines go to a new file, and none is lost', async t => {
  const file = join(await folder(t), 'access.log');
  const log = await openLog(file);
  log.write([recordOf(1), recordOf(2)]);
  await rename(file, `${file}.1`);
  log.write([recordOf(3)]);
  const reopened = log.reopen();
  log.write([recordOf(4)]);
  await reopened;
  log.write([recordOf(5)]);
  await log.close();
  assert.deepEqual(await rxOf(`${file}.1`), [1, 2, 3, 4]);
  assert.deepEqual(await rxOf(file), [5]);
});

test('when the new file cannot be opened, the old one is written on and the log says so', async t => {
  const file = join(await folder(t), 'access.log');
  const errors: string[] = [];
  const log = await openLog(file, { log: { ...silentLog, error: message => void errors.push(message) } });
  await rename(file, `${file}.1`);
  await mkdir(file);
  await log.reopen();
  log.write([recordOf(7)]);
  await log.close();
  assert.deepEqual(await rxOf(`${file}.1`), [7]);
  assert.deepEqual(errors, ['access log not reopened; logging continues to the old file']);
});

test('a reader that stalls is not waited for; what does not fit is dropped and counted', async t => {
  const { pipe, reader } = await fifo(t);
  const registry = new Registry({ pages: 1 });
  const log = await openLog(pipe, { registry, limit: 256 * 1024 });
  const dropped = () => Number(/^l5d:accesslog:dropped (\d+)$/m.exec(registry.expose())?.[1]);

  const written = 20_000;
  for (let i = 0; i < written / 50; i++) log.write(Array.from({ length: 50 }, (_, k) => recordOf(i * 50 + k)));
  assert.ok(dropped() > 0);

  let text = '';
  const chunk = Buffer.alloc(1 << 16);
  const lines = () => text.split('\n').length - 1;
  await until(
    () => {
      text += chunk.toString('utf8', 0, readNow(reader, chunk));
      return lines() + dropped() === written;
    },
    () => `${written} lines, saw ${lines()} and ${dropped()} dropped`,
  );
  for (const line of text.trimEnd().split('\n')) JSON.parse(line);
  await log.close();
});

test('closing gives up on a stalled reader after the bound', async t => {
  const { pipe } = await fifo(t);
  const log = await openLog(pipe);
  log.write(Array.from({ length: 2000 }, (_, i) => recordOf(i)));
  const began = performance.now();
  await log.close(50);
  assert.ok(performance.now() - began < 2000);
});

const chatty = `
  import { AccessLog } from ${JSON.stringify(import.meta.resolve('../../src/access-log/access-log.ts'))};
  import { silentLog } from ${JSON.stringify(import.meta.resolve('../../src/log.ts'))};
  import { Registry } from ${JSON.stringify(import.meta.resolve('../../src/metrics/registry.ts'))};
  const log = await AccessLog.open({ format: 'json', file: '-', registry: new Registry({ pages: 1 }), log: silentLog });
  log.write(Array.from({ length: 20000 }, () => (${JSON.stringify(recordOf(1))})));
  await log.close(50);
  process.exit(0);
`;

for (const kind of ['pipe', 'socket'] as const) {
  test(`a process whose standard output is a stalled ${kind} still exits`, async t => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', chatty], {
      stdio: ['ignore', kind === 'pipe' ? await stalledPipe(t) : 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    const [code] = await within(once(child, 'exit'), 'the process to exit');
    assert.equal(code, 0);
    child.stdout?.destroy();
  });
}

/** The writing end of a pipe whose reader holds it open and never reads. */
async function stalledPipe(t: TestContext): Promise<number> {
  const { pipe } = await fifo(t);
  const writer = openSync(pipe, constants.O_WRONLY);
  t.after(() => closeSync(writer));
  return writer;
}

async function fifo(t: TestContext): Promise<{ readonly pipe: string; readonly reader: number }> {
  const pipe = join(await folder(t), 'pipe');
  assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  t.after(() => closeSync(reader));
  return { pipe, reader };
}

/** What is there now, without waiting. */
function readNow(descriptor: number, into: Buffer): number {
  try {
    return readSync(descriptor, into);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
      return 0;
    }
    throw error;
  }
}
