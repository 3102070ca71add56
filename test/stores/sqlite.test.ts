/** The store `io.l5d.sqlite`: the contract, and what a file promises through kills, full disks, and other programs' files. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import test, { type TestContext } from 'node:test';
import { parseDtab } from '../../src/dtab/parse.ts';
import { showDtab } from '../../src/dtab/show.ts';
import { FileThread } from '../../src/stores/sqlite/file-thread.ts';
import { migrations, sql } from '../../src/stores/sqlite/schema.ts';
import { sqliteStore, storeOn } from '../../src/stores/sqlite/sqlite.ts';
import type { DtabStore, HistoryPage } from '../../src/stores/store.ts';
import { observe, recordedLog } from '../support/naming.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until, within } from '../support/waiting.ts';
import { dtabs, hex, presentOf, storeContract } from './contract.ts';

let epoch = 1_000;
const context = { log: recordedLog(), now: () => 0, random: () => 0.5, epochMs: () => epoch++ };

function open(t: TestContext, path: string, history = 1000, maxHistoryBytes = 2 ** 30): DtabStore {
  const store = sqliteStore.create({ path, history, maxHistoryBytes }, context);
  t.after(() => store.close());
  return store;
}

const newFile = (t: TestContext) => join(tempDir(t).path, 'dtabs.sqlite');

storeContract('io.l5d.sqlite', async t => ({ store: open(t, newFile(t)), log: context.log }), {
  invalidNamespace: 'a/b',
  runs: 20,
});

test('everything is there after a restart: dtabs, versions, history', async t => {
  const path = newFile(t);
  const before = open(t, path);
  for (const dtab of dtabs) await before.put('web', dtab);
  const version = await before.put('api', dtabs[1]!);
  await before.close();
  const after = open(t, path);
  assert.deepEqual(observe(t, after.list()).last, { state: 'ok', value: ['api', 'web'] });
  assert.deepEqual(presentOf(observe(t, after.observe('api'))), { dtab: showDtab(dtabs[1]!), version: hex(version) });
  assert.deepEqual(await textsOf(after, 'web'), dtabs.map(showDtab).toReversed());
  await after.update('api', dtabs[2]!, version);
});

const textsOf = async (store: DtabStore, namespace: string) =>
  (await store.history!(namespace, { withText: true })).versions.map(({ text, isDeletion }) =>
    isDeletion ? 'deleted' : text,
  );

test('a version is never used again, not after a deletion and a restart either', async t => {
  const path = newFile(t);
  const used: string[] = [];
  for (let restart = 0; restart < 3; restart++) {
    const store = open(t, path, 0);
    used.push(hex(await store.create('web', dtabs[0]!)));
    await store.delete('web');
    await store.close();
  }
  assert.deepEqual(used, ['0000000000000001', '0000000000000003', '0000000000000005']);
});

test('as much history is kept as the config says, and as much again for all deleted namespaces together', async t => {
  const store = open(t, newFile(t), 3);
  for (const namespace of ['a', 'b'])
    for (let i = 1; i <= 9; i++) await store.put(namespace, parseDtab(`/${namespace}=>/${i}`));
  assert.deepEqual(await textsOf(store, 'a'), ['/a=>/9', '/a=>/8', '/a=>/7', '/a=>/6']);
  await store.delete('a');
  assert.deepEqual(await textsOf(store, 'a'), ['deleted', '/a=>/9', '/a=>/8', '/a=>/7']);
  await store.delete('b');
  assert.deepEqual(await textsOf(store, 'a'), []);
  assert.deepEqual(await textsOf(store, 'b'), ['deleted', '/b=>/9', '/b=>/8', '/b=>/7']);
  await store.create('a', dtabs[0]!);
  assert.deepEqual(
    (await store.history!('a')).versions.map(({ number }) => number),
    [1],
  );
  await store.create('b', dtabs[0]!);
  assert.deepEqual(
    (await store.history!('b')).versions.map(({ number }) => number),
    [11, 10, 9, 8],
  );
});

test('history is bounded by the bytes of its texts, too', async t => {
  const store = open(t, newFile(t), 1000, 5000);
  const large = (i: number) => parseDtab(`/a=>/${String(i).padStart(1995, 'x')}`);
  for (let i = 1; i <= 9; i++) await store.put('a', large(i));
  assert.deepEqual(
    (await store.history!('a')).versions.map(({ number }) => number),
    [9, 8],
  );
  await store.put('a', parseDtab(`/a=>/${'x'.repeat(9000)}`));
  assert.deepEqual(
    (await store.history!('a')).versions.map(({ number }) => number),
    [10],
    'the current one stays',
  );
  await store.delete('a');
  assert.deepEqual(await textsOf(store, 'a'), ['deleted']);
});

test('a page with texts ends after about a mebibyte of text, and the next one goes on there', async t => {
  const store = open(t, newFile(t));
  for (let i = 1; i <= 5; i++) await store.put('a', parseDtab(`/a=>/${String(i).padStart(600_000, 'x')}`));
  const numbers: number[][] = [];
  for (let before: number | undefined = 6; before !== undefined; ) {
    const page: HistoryPage = await store.history!('a', { before, withText: true });
    numbers.push(page.versions.map(({ number }) => number));
    before = page.next;
  }
  assert.deepEqual(numbers, [[5], [4], [3], [2], [1]]);
  assert.equal((await store.history!('a')).versions.length, 5);
});

test('a deletion takes no longer for the versions of other namespaces', async t => {
  const path = newFile(t);
  await open(t, path).close();
  const db = new DatabaseSync(path);
  const plan = Object.values(sql).flatMap(text =>
    (db.prepare(`EXPLAIN QUERY PLAN ${text}`).all() as { detail: string }[]).map(({ detail }) => detail),
  );
  db.close();
  // At start all current versions are read, and no more; the totals are those of deleted namespaces.
  assert.deepEqual(
    plan.filter(detail => detail.startsWith('SCAN')),
    ['SCAN n', 'SCAN namespaces USING INDEX namespaces_deleted', 'SCAN namespaces USING INDEX namespaces_deleted'],
  );
});

test('a file of format 1 is brought to the present one with its versions, in order', async t => {
  const path = newFile(t);
  const old = new DatabaseSync(path);
  old.exec(migrations[0]);
  old.exec(`PRAGMA user_version = 1;
    INSERT INTO versions VALUES (3, 'web', '/a=>/1', 100), (4, 'gone', '/g=>/1', 150), (7, 'web', '/a=>/2', 200);
    INSERT INTO present VALUES ('web', 7);
    UPDATE sqlite_sequence SET seq = 9 WHERE name = 'versions'`);
  old.close();
  const store = open(t, path);
  const { versions } = await store.history!('web', { withText: true });
  assert.deepEqual(
    versions.map(({ number, version, at, text }) => [number, hex(version), at, text]),
    [
      [2, '0000000000000007', 200, '/a=>/2'],
      [1, '0000000000000003', 100, '/a=>/1'],
    ],
  );
  assert.deepEqual(await textsOf(store, 'gone'), ['/g=>/1']);
  assert.deepEqual(presentOf(observe(t, store.observe('web'))), { dtab: '/a=>/2', version: '0000000000000007' });
  assert.equal(presentOf(observe(t, store.observe('gone'))), null);
  assert.equal(hex(await store.put('web', dtabs[0]!)), '000000000000000a');
});

/** The lines a writer says, parsed; the writer is killed when the test is over. */
function writer(t: TestContext, command: string, args: readonly string[]) {
  const child: ChildProcess = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  return { child, exited, lines: createInterface({ input: child.stdout! }) };
}

const writerFile = join(import.meta.dirname, 'sqlite-writer.ts');

test('of 1000 answered writes none is lost to SIGKILL, whenever it comes', async t => {
  const path = newFile(t);
  const answered = new Map<string, { readonly i: number; readonly version: string }>();
  let writes = 0;
  let kills = 0;
  let next = 0;
  while (writes < 1000) {
    const { child, exited, lines } = writer(t, process.execPath, [writerFile, path, 'count', String(next)]);
    const lifetime = 20 + Math.floor(Math.random() * 200);
    let lived = 0;
    lines.on('line', line => {
      const [i, version] = JSON.parse(line) as [number, string];
      answered.set(`n${i % 5}`, { i, version });
      next = i + 1;
      writes++;
      lived++;
      if (lived === lifetime) setTimeout(() => child.kill('SIGKILL'), Math.random() * 3);
    });
    await within(Promise.all([exited, once(lines, 'close')]), 'the writer to die');
    assert.equal(child.signalCode, 'SIGKILL');
    kills++;
    const store = open(t, path);
    for (const [namespace, { i, version }] of answered) {
      const present = presentOf(observe(t, store.observe(namespace)));
      const found = Number(/\/i(\d+)$/.exec(present?.dtab ?? '')?.[1]);
      // A write that was under way when the process died may have been done.
      assert.ok(found === i || found === i + 5, `${namespace} has ${present?.dtab}, answered was ${i}`);
      assert.ok(present!.version >= version);
      next = Math.max(next, found + 1);
    }
    const newest = [...answered.values()]
      .map(({ version }) => version)
      .toSorted()
      .at(-1)!;
    assert.ok(hex(await store.put('after-kill', dtabs[0]!)) > newest);
    await store.close();
  }
  t.diagnostic(`${writes} writes, ${kills} kills`);
});

test('a file that another process has open is refused', async t => {
  const path = newFile(t);
  const { lines } = writer(t, process.execPath, [writerFile, path, 'fill']);
  await within(once(lines, 'line'), 'the writer to write');
  refuses(t, path, /another process has the file open; stop that process, or use another file/);
});

test('a disk that takes no more stops writes alone, and these work again when there is room', async t => {
  const path = newFile(t);
  // A limit on the size of files acts as a full disk, and needs no rights.
  const limit = ['--fsize=600000:', process.execPath, writerFile, path, 'fill'];
  const { child, exited, lines } = writer(t, 'prlimit', limit);
  const said = lines[Symbol.asyncIterator]();
  const { message, version, ...full } = JSON.parse((await within(said.next(), 'the disk to be full')).value ?? '{}');
  assert.deepEqual(full, { code: 'STORE_UNAVAILABLE', served: true, past: 11 });
  assert.match(message, /cannot write namespace web: reading or writing the file failed .*check the file system of/);
  execFileSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited:']);
  child.stdin!.write('\n');
  const later = JSON.parse((await within(said.next(), 'the next write')).value ?? '{}');
  assert.deepEqual(Object.keys(later), ['version']);
  assert.ok(later.version > version);
  await within(exited, 'the writer to end');
  assert.equal(child.exitCode, 0);
});

test('a disk that stalls stops writes alone: they time out, say what may have happened, and take effect later', async t => {
  const path = newFile(t);
  const quick = open(t, path);
  const before = await quick.put('web', dtabs[0]!);
  await quick.close();
  const stalled = new Int32Array(new SharedArrayBuffer(4));
  const entry = new URL('./slow-disk-thread.ts', import.meta.url);
  const limits = { versions: 10, bytes: 2 ** 30 };
  const file = new FileThread({ path, store: 'slow', limits }, { entry, data: { stalled } });
  const log = recordedLog();
  const store = storeOn(file, { store: 'slow', log, epochMs: () => 0, writeTimeoutMs: 50 });
  const move = (isStalled: boolean) => {
    Atomics.store(stalled, 0, Number(isStalled));
    Atomics.notify(stalled, 0);
  };
  t.after(async () => {
    move(false);
    await store.close();
  });
  const seen = observe(t, store.observe('web'));
  move(true);
  const late = [dtabs[1]!, dtabs[2]!].map(dtab => store.put('web', dtab));
  // This thread is free meanwhile: otherwise neither timers nor reads would come to their turn.
  const [begun, queued] = await Promise.allSettled(late);
  const reasonOf = (result: PromiseSettledResult<unknown>) => `${result.status === 'rejected' && result.reason}`;
  assert.match(
    reasonOf(begun!),
    /slow: cannot write namespace web: no answer within 50 ms; the write may still take eff/,
  );
  assert.match(reasonOf(queued!), /no answer within 50 ms; nothing was written; try again once the disk answers/);
  assert.deepEqual(presentOf(seen), { dtab: showDtab(dtabs[0]!), version: hex(before) });
  assert.deepEqual(
    log.lines.map(line => line.split(': no answer')[0]),
    ['error: slow: cannot write namespace web'],
  );
  move(false);
  await seen.until(() => presentOf(seen)?.dtab === showDtab(dtabs[1]!), 'the write that had begun');
  await until(() => store.put('web', dtabs[3]!).catch(() => undefined), 'a write to work');
  assert.ok(log.lines.includes('info: slow: writes recovered'), log.lines.join());
  const { versions } = await store.history!('web', { withText: true });
  assert.ok(!versions.some(({ text }) => text === showDtab(dtabs[2]!)), 'the queued write was dropped');
});

test('a file that was deleted or replaced is not written any more: writes are refused, and reads go on', async t => {
  for (const replace of [
    (path: string) => rmSync(path),
    (path: string) => renameSync(path, `${path}.old`),
    (path: string) => {
      writeFileSync(`${path}.new`, readFileSync(path));
      renameSync(`${path}.new`, path);
    },
    (path: string) => rmSync(`${path}-wal`),
  ]) {
    const path = newFile(t);
    const log = recordedLog();
    const store = sqliteStore.create({ path, history: 10, maxHistoryBytes: 2 ** 30 }, { ...context, log });
    t.after(() => store.close());
    const version = await store.put('web', dtabs[0]!);
    replace(path);
    for (let i = 0; i < 2; i++)
      await assert.rejects(store.put('web', dtabs[1]!), {
        code: 'STORE_UNAVAILABLE',
        message: /was (deleted|replaced) while namerd has it open; restart namerd to use the file that is there now/,
      });
    assert.deepEqual(presentOf(observe(t, store.observe('web'))), { dtab: showDtab(dtabs[0]!), version: hex(version) });
    assert.equal(log.lines.length, 1, log.lines.join());
  }
});

test('a file of 0 bytes becomes an empty store, with a warning', async t => {
  const path = newFile(t);
  writeFileSync(path, '');
  const log = recordedLog();
  const store = sqliteStore.create({ path, history: 1, maxHistoryBytes: 1 }, { ...context, log });
  await store.close();
  assert.deepEqual(log.lines, [`warn: io.l5d.sqlite (${path}): the file had 0 bytes; starting with an empty store`]);
});

const refuses = (t: TestContext, path: string, reason: RegExp) =>
  assert.throws(
    () => open(t, path),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, 'STORE_UNAVAILABLE');
      assert.match(error.message, /^io\.l5d\.sqlite \(.*\): cannot start: .*; .*/);
      assert.match(error.message, reason);
      return true;
    },
  );

test('a file that is no database is refused and left alone', t => {
  const dir = tempDir(t);
  for (const text of ['hello', 'a config\n'.repeat(1000)]) {
    const path = dir.write('notes', text);
    refuses(t, path, /the file is not a database; use another file for the store/);
    assert.equal(readFileSync(path, 'utf8'), text);
  }
});

test("another program's database is refused and left alone", t => {
  const path = newFile(t);
  const db = new DatabaseSync(path);
  db.exec('CREATE TABLE birds (name TEXT)');
  db.close();
  const before = readFileSync(path);
  refuses(t, path, /the file is a database of another program/);
  assert.deepEqual(readFileSync(path), before);
});

test('a file of a newer format is refused, with what to do', async t => {
  const path = newFile(t);
  await open(t, path).close();
  const db = new DatabaseSync(path);
  db.exec('PRAGMA user_version = 3');
  db.close();
  refuses(t, path, /the file has format 3, and this namerd reads formats up to 2; run the namerd that wrote it/);
});

test('a damaged file is refused wherever the damage is', async t => {
  const path = newFile(t);
  const store = open(t, path);
  for (let i = 0; i < 50; i++) await store.put(`n${i}`, parseDtab(`/svc=>/${'a'.repeat(1000)}`));
  await store.close();
  const sound = readFileSync(path);
  const pages = statSync(path).size / 4096;
  for (let page = 1; page < pages; page++) {
    writeFileSync(path, Buffer.from(sound).fill(0xa5, page * 4096, page * 4096 + 64));
    refuses(t, path, /damaged|not a dtab/);
  }
});

test('a file whose dtabs were changed into something else is refused, naming the namespace', async t => {
  const path = newFile(t);
  const store = open(t, path);
  await store.put('web', dtabs[0]!);
  await store.close();
  const db = new DatabaseSync(path);
  db.exec("UPDATE versions SET dtab = 'nonsense'");
  db.close();
  refuses(t, path, /what the file has for namespace web is not a dtab: '\/' expected/);
});

test('a file that cannot be made is told with its folder', t => {
  const { path } = tempDir(t);
  refuses(
    t,
    join(path, 'no/dtabs.sqlite'),
    /the file cannot be opened; check that the directory .*\/no exists and is writable/,
  );
  refuses(t, path, /is a directory; set `path` to a file/);
  mkdirSync(join(path, 'other.sqlite-wal'));
  refuses(t, join(path, 'other.sqlite'), /other\.sqlite-wal is a directory/);
});

test('without a path the file is in the state folder, which is made', async t => {
  const dir = tempDir(t);
  const before = process.env['STATE_DIRECTORY'];
  t.after(() => {
    if (before === undefined) delete process.env['STATE_DIRECTORY'];
    else process.env['STATE_DIRECTORY'] = before;
  });
  process.env['STATE_DIRECTORY'] = join(dir.path, 'namerd');
  const store = sqliteStore.create({ history: 1, maxHistoryBytes: 1 }, context);
  await store.close();
  assert.ok(statSync(join(dir.path, 'namerd/dtabs.sqlite')).isFile());
  process.env['STATE_DIRECTORY'] = join(dir.write('file', ''), 'namerd');
  assert.throws(
    () => sqliteStore.create({ history: 1, maxHistoryBytes: 1 }, context),
    /io\.l5d\.sqlite: cannot start: .*; set `path`/,
  );
});
