/** Killed with SIGKILL in the middle of writes, again and again: a write that was answered is there when namerd is back. */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type OwnNamerd, startOwnNamerd } from '../support/namerd-own.ts';
import { sized } from '../support/size.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

const acknowledgements = sized({ quick: 200, full: 1_000 });
const writers = 4;
/** Each writer has a namespace of its own; all of them write this one too, each on top of the version it has read. */
const common = 'common';
const namespaces = [...Array.from({ length: writers }, (_, writer) => `own-${writer}`), common];
/** Between two deaths. */
const mostAcknowledged = sized({ quick: 80, full: 200 });

/** By version, the rule that was written. */
type Acknowledged = ReadonlyMap<string, Map<string, string>>;

interface Entry {
  readonly version: string;
  readonly dtab?: string;
}

const config = `
admin: {port: 0}
storage: {kind: io.l5d.sqlite, path: dtabs.sqlite, history: 100000}
interfaces:
- {kind: io.l5d.httpController, port: 0}
`;

const countOf = (acknowledged: Acknowledged): number =>
  [...acknowledged.values()].reduce((sum, { size }) => sum + size, 0);

/** Writes until the connection breaks: with PUT, or where `base` gives a version, only on top of that. */
async function write({ url }: OwnNamerd, writer: number, acknowledged: Acknowledged): Promise<void> {
  for (let turn = writer; ; turn++) {
    const isCommon = turn % 2 === 0;
    const namespace = isCommon ? common : `own-${writer}`;
    const target = `${url}/api/1/dtabs/${namespace}`;
    const dst = `/w${writer}/${crypto.randomUUID()}`;
    const headers = new Headers({ 'content-type': 'application/dtab' });
    if (isCommon) headers.set('if-match', (await fetch(target, { method: 'HEAD' })).headers.get('etag') ?? '');
    const answer = await fetch(target, { method: 'PUT', headers, body: `/svc=>${dst}` });
    if (isCommon && answer.status === 412) continue;
    assert.equal(answer.status, 204, await answer.text());
    acknowledged.get(namespace)!.set(answer.headers.get('etag')!, dst);
  }
}

/** Starts namerd, writes to it from all sides, and kills it at a moment of its own. */
async function writeAndCrash(t: TestContext, folder: TempDir, acknowledged: Acknowledged): Promise<void> {
  const namerd = await startOwnNamerd(t, { config, folder });
  await findAll(namerd, acknowledged);
  await fetch(`${namerd.url}/api/1/dtabs/${common}`, {
    method: 'POST',
    headers: { 'content-type': 'application/dtab' },
    body: '',
  });
  const lanes = Array.from({ length: writers }, (_, writer) => write(namerd, writer, acknowledged));
  // A broken connection is how each of them ends.
  const ends = Promise.allSettled(lanes);
  const enough = countOf(acknowledged) + Math.random() * mostAcknowledged;
  await until(() => countOf(acknowledged) >= enough, 'writes to be acknowledged', { everyMs: 1 });
  await delay(Math.random() * 3);
  process.kill(namerd.program.pid, 'SIGKILL');
  assert.deepEqual(await namerd.program.exited, { code: null, signal: 'SIGKILL' });
  for (const end of await ends) {
    assert.ok(end.status === 'rejected');
    if (!(end.reason instanceof TypeError)) throw end.reason;
  }
}

async function historyOf(url: string): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  let next: number | undefined = Number.MAX_SAFE_INTEGER;
  while (next !== undefined) {
    const answer: Response = await fetch(`${url}?dtab=true&limit=1000&before=${next}`);
    assert.equal(answer.status, 200, url);
    const page = (await answer.json()) as { versions: Entry[]; next?: number };
    entries.push(...page.versions);
    next = page.next;
  }
  return entries;
}

/** Every acknowledged write is in the history, under its version and as it was written. */
async function findAll({ url }: OwnNamerd, acknowledged: Acknowledged): Promise<void> {
  for (const [namespace, writes] of acknowledged) {
    if (writes.size === 0) continue;
    const entries = await historyOf(`${url}/api/1/dtabs/${namespace}/history`);
    const stored = new Map(entries.map(({ version, dtab }) => [version, dtab?.split('=>')[1]]));
    assert.equal(stored.size, entries.length, `${namespace}: a version came twice`);
    for (const [version, dst] of writes) assert.equal(stored.get(version), dst, `${namespace}, version ${version}`);
  }
}

test(`${acknowledgements} acknowledged writes survive the death of namerd at any moment`, async t => {
  const folder = tempDir(t);
  const acknowledged: Acknowledged = new Map(namespaces.map(namespace => [namespace, new Map()]));
  let crashes = 0;
  while (countOf(acknowledged) < acknowledgements) {
    await writeAndCrash(t, folder, acknowledged);
    crashes++;
  }
  await findAll(await startOwnNamerd(t, { config, folder }), acknowledged);
  t.diagnostic(`${countOf(acknowledged)} writes, ${crashes} crashes`);
});
