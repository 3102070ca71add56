/** A request after a write is answered by the new dtab, never by the one before, whatever is slow. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { NEVER } from 'rxjs';
import { pending } from '../../src/live/activity.ts';
import { namerKinds } from '../../src/namers/kinds.ts';
import { transformerKinds } from '../../src/naming/transformers/kinds.ts';
import { memoryStore } from '../../src/stores/memory.ts';
import type { DtabStore } from '../../src/stores/store.ts';
import { boundTo, type FakeNamer, fixedAddr } from '../support/fake-namer.ts';
import { mountNamers, namingContext } from '../support/naming.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type Rig, startRig } from './rig.ts';

const asked = (path: string, more = '') => `?path=${encodeURIComponent(path)}${more}`;

/** The ports that an answer of any endpoint shows. */
const portsIn = (text: string) => [...text.matchAll(/"port":(\d+)/g)].map(match => Number(match[1]));

const newStore = (): DtabStore => memoryStore.create({ namespaces: {} }, { ...namingContext(), epochMs: () => 0 });

/** A namer at `/#/io.l5d.namer` for which `/<port>` is that port of this machine. */
function ports(namer: FakeNamer, count: number): void {
  for (let port = 1; port <= count; port++)
    namer.answer(`/${port}`, boundTo(`/#/io.l5d.namer/${port}`, '/', fixedAddr(port)));
}

/** All ways to ask for `/svc` once. */
const questions = ['bind/tea', 'resolve/tea', 'delegate/tea'].flatMap(endpoint => [
  endpoint + asked('/svc'),
  endpoint + asked('/svc', '&dtab=/other=>/x'),
]);

async function answersFollow(rig: Rig, dst: (port: number) => string, count: number): Promise<void> {
  for (let round = 0; round < count; round++) {
    const port = (round % 9) + 1;
    assert.equal((await rig.put('tea', `/svc => ${dst(port)}`)).status, 204);
    const answers = await Promise.all(questions.map(each => rig.ask('GET', each)));
    for (const [i, { status, text }] of answers.entries())
      assert.deepEqual([questions[i], status, portsIn(text)], [questions[i], 200, [port]], `round ${round}`);
  }
}

const stores: readonly [string, () => DtabStore | undefined][] = [
  ['the store of the tests', () => undefined],
  ['the store in memory', newStore],
];
for (const [what, open] of stores) {
  const start = (t: TestContext, more: object = {}) => {
    const store = open();
    return startRig(t, { ...(store && { api: { store }, namespaces: { store } }), ...more });
  };

  test(`${what}: 100 writes, and every question right after each is answered by it`, async t => {
    await answersFollow(await start(t), port => `/$/inet/127.1/${port}`, 100);
  });

  test(`${what}: the same with names of a namer, whether they are watched already or not`, async t => {
    const rig = await start(t);
    ports(rig.namer, 9);
    await answersFollow(rig, port => `/#/io.l5d.namer/${port}`, 60);
  });

  test(`${what}: the same with files, which take a moment to be read`, async t => {
    const dir = tempDir(t);
    for (let port = 1; port <= 9; port++) dir.write(`disco/${port}`, `127.0.0.1 ${port}\n`);
    const config = { kind: 'io.l5d.fs', prefix: '/io.l5d.fs', rootDir: join(dir.path, 'disco'), transformers: [] };
    const { namers } = mountNamers([config], namerKinds, transformerKinds, namingContext());
    await answersFollow(await start(t, { namers }), port => `/#/io.l5d.fs/${port}`, 30);
  });
}

test('the same when nothing is kept warm', async t => {
  const rig = await startRig(t, { namespaces: { idleMs: 0, negativeIdleMs: 0, keptIdle: 0 } });
  ports(rig.namer, 9);
  await answersFollow(rig, port => `/#/io.l5d.namer/${port}`, 60);
});

test('a new rule whose name is not known yet is waited for, or given up: the old tree is no answer', async t => {
  const rig = await startRig(t, { api: { answerTimeoutMs: 30, addrWaitMs: 30 } });
  rig.namer.answer('/slow', pending);
  await rig.put('tea', '/svc => /$/inet/127.1/1');
  for (const each of questions) assert.deepEqual(portsIn((await rig.ask('GET', each)).text), [1]);
  const watched = await rig.watch(`bind/tea${asked('/svc', '&watch=1')}`);
  assert.deepEqual(portsIn(await watched.line()), [1]);
  await rig.put('tea', '/svc => /#/io.l5d.namer/slow');
  for (const each of questions.filter(question => !question.startsWith('delegate'))) {
    const { status, text } = await rig.ask('GET', each);
    assert.deepEqual([status, portsIn(text)], [503, []], each);
  }
  const late = await rig.watch(`resolve/tea${asked('/svc', '&watch=1')}`);
  rig.namer.answer('/slow', boundTo('/#/io.l5d.namer/slow', '/', fixedAddr(2)));
  assert.deepEqual(portsIn(await late.line()), [2], 'what a watch says first is by the new rule');
  assert.deepEqual(portsIn(await watched.line()), [2]);
});

for (const [what, slow] of [
  ['a tree that is pending', pending],
  ['addresses that are', boundTo('/#/io.l5d.namer/slow', '/', NEVER)],
] as const)
  test(`a watch does not keep the old answer alive for other requests: ${what}`, async t => {
    const rig = await startRig(t, { api: { answerTimeoutMs: 30, addrWaitMs: 30 } });
    rig.namer.answer('/slow', slow);
    await rig.put('tea', '/svc => /$/inet/127.1/1');
    const watches = [];
    for (const each of questions.filter(question => !question.startsWith('delegate'))) {
      const stream = await rig.watch(`${each}&watch=1`);
      assert.deepEqual(portsIn(await stream.line()), [1]);
      watches.push(stream);
    }
    await rig.put('tea', '/svc => /#/io.l5d.namer/slow');
    for (const each of questions) {
      const { text } = await rig.ask('GET', each);
      assert.deepEqual(portsIn(text), [], each);
    }
    const flat = await rig.ask('GET', `resolve/tea${asked('/svc', '&flatten=weighted')}`);
    assert.deepEqual(portsIn(flat.text), []);
    rig.namer.answer('/slow', boundTo('/#/io.l5d.namer/slow', '/', fixedAddr(2)));
  });

test('a deleted namespace has no rules at once, and a new one has its new rules at once', async t => {
  const rig = await startRig(t);
  for (let port = 1; port <= 30; port++) {
    await rig.ask('POST', 'dtabs/tea', { 'content-type': 'application/dtab' }, `/svc => /$/inet/127.1/${port}`);
    for (const each of questions) assert.deepEqual(portsIn((await rig.ask('GET', each)).text), [port]);
    await rig.ask('DELETE', 'dtabs/tea');
    for (const each of questions) assert.deepEqual(portsIn((await rig.ask('GET', each)).text), []);
  }
});

test('property: whatever is written, watched, asked and forgotten in between, an answer is by the newest dtab', async t => {
  const port = fc.integer({ min: 1, max: 4 });
  /** Port 4 of the namer is never known. */
  const dst = fc.oneof(
    port.map(each => `/$/inet/127.1/${each}`),
    port.map(each => `/#/io.l5d.namer/${each}`),
    port.map(each => `/#/io.l5d.namer/none | /$/inet/127.1/${each}`),
    fc.constantFrom('~', '!', '/#/other/x'),
  );
  const step = fc.oneof(
    { weight: 4, arbitrary: dst.map(to => ({ type: 'put', to }) as const) },
    fc.constant({ type: 'delete' } as const),
    fc.constant({ type: 'watch' } as const),
    fc.constant({ type: 'leave' } as const),
  );
  const rig = await startRig(t, { api: { answerTimeoutMs: 15, addrWaitMs: 15 }, namespaces: { keptIdle: 2 } });
  ports(rig.namer, 3);
  rig.namer.answer('/none', { state: 'ok', value: { type: 'neg' } });
  const expected = (rule: string | undefined): readonly number[] => {
    const found = /(inet\/127\.1|namer)\/(\d)$/.exec(rule ?? '');
    return found && !(found[1] === 'namer' && found[2] === '4') ? [Number(found[2])] : [];
  };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async steps => {
      let rule: string | undefined;
      const streams = [];
      if ((await rig.ask('HEAD', 'dtabs/tea')).status === 200) await rig.ask('DELETE', 'dtabs/tea');
      for (const each of steps) {
        if (each.type === 'put') {
          rule = each.to;
          await rig.put('tea', `/svc => ${rule}`);
        } else if (each.type === 'delete') {
          await rig.ask('DELETE', 'dtabs/tea');
          rule = undefined;
        } else if (each.type === 'watch') streams.push(await rig.watch(`bind/tea${asked('/svc', '&watch=1')}`));
        else streams.pop()?.leave();
        for (const endpoint of ['bind', 'resolve']) {
          const { text } = await rig.ask('GET', `${endpoint}/tea${asked('/svc')}`);
          assert.deepEqual(portsIn(text), expected(rule), `${endpoint} after ${rule}: ${text}`);
        }
      }
      for (const stream of streams) stream.leave();
    }),
    { numRuns: 40 },
  );
});

test('of many clients that write and ask at the same time each receives its own write or a later one', async t => {
  const rig = await startRig(t);
  const versions = new Map<number, number>();
  const told: { readonly mine: number; readonly port: number }[] = [];
  let next = 1;
  const writer = async () => {
    for (let i = 0; i < 20; i++) {
      const mine = next++;
      const { headers } = await rig.put('tea', `/svc => /$/inet/127.1/${mine}`);
      versions.set(mine, Buffer.from(headers.etag!, 'base64').readUInt32BE(4));
      const [port] = portsIn((await rig.ask('GET', `bind/tea${asked('/svc')}`)).text);
      told.push({ mine, port });
    }
  };
  await Promise.all(Array.from({ length: 8 }, writer));
  for (const { mine, port } of told)
    assert.ok(versions.get(port)! >= versions.get(mine)!, `who wrote ${mine} was told ${port}`);
});
