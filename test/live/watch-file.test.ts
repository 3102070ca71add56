/** Following one file. */
import assert from 'node:assert/strict';
import fs, { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type FileContent, watchFile } from '../../src/live/watch-file.ts';
import { countResources } from '../support/counted-watchers.ts';
import { observe } from '../support/naming.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

const options = { maxBytes: 1000 };
const isText = (text: string) => (content: FileContent) => content.type === 'text' && content.text === text;
const isOf = (type: FileContent['type']) => (content: FileContent) => content.type === type;

test('a file may be missing at first, even with its folder, come, go and come again', async t => {
  const folder = tempDir(t);
  const file = join(folder.path, 'a/b/file');
  const content = observe(t, watchFile(file, options));
  await content.until(isOf('missing'), 'nothing');
  mkdirSync(join(folder.path, 'a/b'), { recursive: true });
  writeFileSync(file, 'one');
  await content.until(isText('one'), 'the file');
  rmSync(join(folder.path, 'a'), { recursive: true });
  await content.until(isOf('missing'), 'the end of the folder');
  folder.write('a/b/file', 'two');
  await content.until(isText('two'), 'the file again');
});

test('a way to the file that cannot be gone is told, and it is found again when it can', async t => {
  const folder = tempDir(t);
  const file = folder.write('a/b/file', 'one');
  const content = observe(t, watchFile(file, { ...options, pollMs: 10 }));
  await content.until(isText('one'), 'the file');
  // Nothing happens in the folder that is watched.
  renameSync(join(folder.path, 'a'), join(folder.path, 'elsewhere'));
  symlinkSync('a', join(folder.path, 'a'));
  await content.until(isOf('unknown'), 'the link to itself');
  folder.remove('a');
  folder.write('a/b/file', 'two');
  await content.until(isText('two'), 'the file again');
});

test('a folder in place of the file, and a file too large, are told', async t => {
  const folder = tempDir(t);
  const file = folder.write('file', 'x');
  const content = observe(t, watchFile(file, options));
  await content.until(isText('x'), 'the file');
  writeFileSync(file, 'y'.repeat(1001));
  await content.until(isOf('unreadable'), 'the size');
  rmSync(file);
  mkdirSync(file);
  await content.until(isOf('directory'), 'the folder');
});

test('edits are seen where the system notifies of nothing', async t => {
  t.mock.method(fs, 'watch', () => {
    throw Object.assign(new Error('ENOSPC: no space left for watches'), { code: 'ENOSPC' });
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  const folder = tempDir(t);
  const file = folder.write('file', 'one');
  const content = observe(t, watchFile(file, { ...options, pollMs: 10 }));
  await content.until(isText('one'), 'the file');
  // The same size, within the same tick of a coarse clock.
  writeFileSync(file, 'two');
  await content.until(isText('two'), 'the edit');
});

test('an edit that empties the file before it writes is one change', async t => {
  const folder = tempDir(t);
  const file = folder.write('file', 'one');
  const content = observe(t, watchFile(file, options));
  await content.until(isText('one'), 'the file');
  writeFileSync(file, '');
  writeFileSync(file, 'two');
  await content.until(isText('two'), 'the edit');
  writeFileSync(file, '');
  await content.until(isText(''), 'a file that stays empty');
  assert.deepEqual(
    content.values.map(value => value.type === 'text' && value.text),
    ['one', 'two', ''],
  );
});

test('a file that is empty for less than a second keeps its text', async t => {
  const folder = tempDir(t);
  const file = folder.write('file', 'one');
  const content = observe(t, watchFile(file, options));
  await content.until(isText('one'), 'the file');
  writeFileSync(file, '');
  await delay(300);
  writeFileSync(file, 'two');
  await content.until(isText('two'), 'the edit');
  assert.ok(!content.values.some(isText('')));
});

test('a file in another directory, behind a link, is looked at by each poll: nothing there is notified', async t => {
  const [folder, other] = [tempDir(t), tempDir(t)];
  const target = other.write('file', 'one');
  symlinkSync(target, join(folder.path, 'link'));
  // A tenth of the polls would take a minute.
  const content = observe(t, watchFile(join(folder.path, 'link'), { ...options, pollMs: 50 }));
  await content.until(isText('one'), 'the file');
  writeFileSync(target, 'two');
  await content.until(isText('two'), 'the edit');
});

test('what does not change the text is no change', async t => {
  const folder = tempDir(t);
  const file = folder.write('file', 'one');
  const content = observe(t, watchFile(file, { ...options, pollMs: 10 }));
  await content.until(isText('one'), 'the file');
  chmodSync(file, 0o600);
  folder.write('file', 'one');
  folder.write('other', 'x');
  renameSync(file, `${file}2`);
  renameSync(`${file}2`, file);
  writeFileSync(file, 'two');
  await content.until(isText('two'), 'the edit');
  assert.deepEqual(
    content.values.filter(value => value.type === 'text').map(({ text }) => text),
    ['one', 'two'],
  );
});

test('nothing is left open by an observer that leaves', async t => {
  const open = countResources(t);
  const file = tempDir(t).write('file', 'one');
  const content = observe(t, watchFile(file, options));
  await content.until(isText('one'), 'the file');
  assert.deepEqual([open.watchers(), open.intervals()], [1, 1]);
  writeFileSync(file, 'two');
  content.stop();
  await until(() => open.watchers() === 0, 'the end of the watch');
  assert.equal(open.intervals(), 0);
});
