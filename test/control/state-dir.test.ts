/** The last known meaning of names on disk. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeNames, encodeNames, maxAgeMs, maxNames } from '../../src/control/saved-names.ts';
import { StateDir } from '../../src/control/state-dir.ts';
import type { Branch, Destination } from '../../src/naming/destination.ts';
import { recordedLog } from '../support/naming.ts';
import type { Scope } from '../support/scope.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

const branches = (port: number): readonly Branch[] => [
  { weight: 1, id: ['#', 'a'], residual: [], addresses: [{ ip: '10.0.0.1', port, weight: 1, meta: { zone: 'x' } }] },
];
const bound = (port: number): Destination => ({ state: 'bound', branches: branches(port) });

async function opened(t: Scope, dir: string, { now = 0 } = {}) {
  const log = recordedLog();
  const state = await StateDir.open({ dir, log, now: () => now, settleMs: 0, refreshMs: 10_000 });
  t.after(() => state?.close());
  return { state, log };
}

/** A directory with one name, `web`, written by an earlier run. */
async function earlier(t: Scope, port = 80): Promise<string> {
  const dir = join(tempDir(t).path, 'state');
  const { state } = await opened(t, dir);
  state?.learned('web', bound(port));
  await state?.close();
  return dir;
}

test('what names mean is kept for the next start, readable by this user alone', async t => {
  const dir = await earlier(t);
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  assert.equal(statSync(join(dir, 'names.json')).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(dir), ['names.json']);
  const { state, log } = await opened(t, dir, { now: 1000 });
  const fallback = state?.fallbackOf('web');
  assert.deepEqual(fallback?.branches, branches(80));
  const ageMs = 1000 - (fallback?.sinceMs ?? 0);
  assert.ok(ageMs >= 0 && ageMs < 60_000, `${ageMs}`);
  assert.equal(state?.fallbackOf('other'), undefined);
  assert.match(log.lines[0], /^info: stateDir: .*names\.json has 1 name, for use while naming is unreachable$/);
});

test('it is written after a change without being asked, as a whole', async t => {
  const dir = join(tempDir(t).path, 'deep', 'state');
  const { state } = await opened(t, dir);
  state?.learned('web', bound(80));
  await until(() => existsSync(join(dir, 'names.json')), 'the first state');
  state?.learned('web', bound(81));
  await until(() => readFileSync(join(dir, 'names.json'), 'utf8').includes('"port":81'), 'the second state');
});

test('an answer that is stale is kept with its age, and a name that means nothing is not kept', async t => {
  const dir = await earlier(t);
  const { state } = await opened(t, dir, { now: 3_600_000 });
  const stale = { sinceMs: 0, reason: 'x', isTold: true };
  state?.learned('old', { state: 'bound', branches: branches(1), stale });
  state?.learned('failing', { state: 'failed', reason: 'x' });
  state?.learned('web', { state: 'negative', reason: 'x' });
  await state?.close();
  const next = await opened(t, dir, { now: 0 });
  assert.ok((next.state?.fallbackOf('old')?.sinceMs ?? 0) <= -3_600_000);
  assert.equal(next.state?.fallbackOf('web'), undefined);
  assert.equal(next.state?.fallbackOf('failing'), undefined);
});

test('what is learned after the end is not written: routes that are taken down are still to be known', async t => {
  const dir = await earlier(t);
  const { state } = await opened(t, dir);
  await state?.close();
  state?.learned('web', { state: 'negative', reason: 'stopped' });
  assert.ok((await opened(t, dir)).state?.fallbackOf('web'));
});

for (const [what, text, reason] of [
  ['a file that is no JSON', '{"version":1,"names":[', /JSON/],
  ['a file of another version', '{"version":2,"names":[]}', /not a state file of this version: version/],
  [
    'an address that is none',
    '{"version":1,"names":[{"key":"web","confirmedAt":0,"branches":[{"weight":1,"id":[],"residual":[],"addresses":[{"ip":"db","port":1,"weight":1,"meta":{}}]}]}]}',
    /not a state file of this version: names\.0\.branches\.0\.addresses\.0\.ip/,
  ],
] as const)
  test(`${what} is ignored with a warning, and replaced later`, async t => {
    const dir = await earlier(t);
    const file = join(dir, 'names.json');
    writeFileSync(file, text);
    const { state, log } = await opened(t, dir);
    assert.match(log.lines[0], /^warn: stateDir: \S+names\.json is ignored: /);
    assert.match(log.lines[0], reason);
    assert.equal(state?.fallbackOf('web'), undefined);
    state?.learned('web', bound(80));
    await state?.close();
    assert.ok((await opened(t, dir)).state?.fallbackOf('web'));
  });

test('a file or a directory that others can write is not used', async t => {
  const dir = await earlier(t);
  chmodSync(join(dir, 'names.json'), 0o666);
  const open = await opened(t, dir);
  assert.equal(open.state?.fallbackOf('web'), undefined);
  assert.match(open.log.lines[0], /other users can write \S+names\.json; run: chmod go-w/);
  chmodSync(dir, 0o777);
  const { state, log } = await opened(t, dir);
  assert.equal(state, undefined);
  assert.match(log.lines[0], /^warn: stateDir is not used: other users can write /);
});

test('a symbolic link in place of the file is not followed', async t => {
  const dir = await earlier(t);
  const other = join(tempDir(t).path, 'state');
  mkdirSync(other, { mode: 0o700 });
  symlinkSync(join(dir, 'names.json'), join(other, 'names.json'));
  const { state, log } = await opened(t, other);
  assert.equal(state?.fallbackOf('web'), undefined);
  assert.match(log.lines[0], /it is not a regular file/);
});

test('a directory that cannot be made is a warning, not the end', async t => {
  const file = join(tempDir(t).path, 'file');
  writeFileSync(file, '');
  const { state, log } = await opened(t, join(file, 'state'));
  assert.equal(state, undefined);
  assert.match(log.lines[0], /^warn: stateDir is not used: .*ENOTDIR/);
});

test('a write that fails is logged once, and changes nothing', async t => {
  const dir = await earlier(t);
  const { state, log } = await opened(t, dir);
  mkdirSync(join(dir, 'names.json.new'));
  for (const port of [81, 82]) {
    state?.learned('web', bound(port));
    await until(() => log.lines.some(line => line.includes('cannot write')), 'the failure');
  }
  await state?.close();
  assert.equal(log.lines.filter(line => line.includes('cannot write')).length, 1);
  assert.deepEqual((await opened(t, dir)).state?.fallbackOf('web')?.branches, branches(80));
});

test('the state is bounded in names, in bytes and in age', () => {
  const name = (confirmedAt: number) => ({ branches: branches(80), confirmedAt });
  const many = new Map(Array.from({ length: maxNames + 10 }, (_, i) => [`n${i}`, name(0)]));
  const kept = decodeNames(encodeNames(many), 0);
  assert.equal(kept.size, maxNames);
  assert.ok(kept.has(`n${maxNames + 9}`), 'the newest are kept');
  const large = { branches: [{ ...branches(1)[0], id: ['x'.repeat(20_000_000)] }], confirmedAt: 0 };
  assert.deepEqual(
    [
      ...decodeNames(
        encodeNames(
          new Map([
            ['a', large],
            ['b', large],
          ]),
        ),
        0,
      ).keys(),
    ],
    ['b'],
  );
  const aged = new Map([
    ['old', name(0)],
    ['new', name(1)],
  ]);
  assert.deepEqual([...decodeNames(encodeNames(aged), maxAgeMs + 1).keys()], ['new']);
});
