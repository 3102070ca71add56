/** The store `io.l5d.k8s` while its API server is killed, stopped, cut off, restored and started again, with writers at work. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parseDtab } from '../../src/dtab/parse.ts';
import { showDtab } from '../../src/dtab/show.ts';
import { LinkerdTcpError } from '../../src/errors.ts';
import type { RemoteStore } from '../../src/stores/remote.ts';
import { type FakeKubernetes, startKubernetes } from '../support/fake-kubernetes.ts';
import { observe } from '../support/naming.ts';
import { until } from '../support/waiting.ts';
import { known } from './contract.ts';
import { openKubernetes } from './kubernetes-rig.ts';

const quick = { watchSeconds: 1, answerMs: 300, writeMs: 400 };
const numbered = (n: number) => parseDtab(`/svc=>/n${n}`);
const numberOf = (text: string) => Number(/\/n(\d+)$/.exec(text)?.[1]);

/** Writes a namespace of its own, again and again, one number after the other. */
class Writer {
  readonly namespace: string;
  /** The last that was acknowledged, and all that may have taken effect since. */
  acknowledged = 0;
  unsure: number[] = [];
  refusals = 0;
  #isOver = false;
  readonly done: Promise<void>;

  constructor(store: RemoteStore, namespace: string) {
    this.namespace = namespace;
    this.done = this.#run(store);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.done;
  }

  async #run(store: RemoteStore): Promise<void> {
    for (let n = 1; !this.#isOver; n++) {
      try {
        await store.put(this.namespace, numbered(n));
        this.acknowledged = n;
        this.unsure = [];
      } catch (error) {
        assert.ok(error instanceof LinkerdTcpError && error.code === 'STORE_UNAVAILABLE', `${error}`);
        this.refusals++;
        if (/may (still|have)/.test(error.message)) this.unsure.push(n);
      }
      // As writers are: not all at once.
      await delay(5);
    }
  }
}

async function underLoad(t: TestContext, server: FakeKubernetes) {
  const stores = [0, 1].map(() => openKubernetes(t, server, quick).store);
  const writers = stores.flatMap((store, i) => [new Writer(store, `w${i}a`), new Writer(store, `w${i}b`)]);
  t.after(() => Promise.all(writers.map(writer => writer.stop())));
  await until(() => writers.every(({ acknowledged }) => acknowledged > 3), 'the first writes');
  const seenBy = (store: RemoteStore) =>
    writers.map(async ({ namespace }) => ({ namespace, seen: await known(observe(t, store.observe(namespace))) }));
  const observers = await Promise.all(stores.flatMap(seenBy));

  return {
    writers,
    observers,
    /** Until what is known of everything is said to be unconfirmed. */
    async noticed(): Promise<void> {
      await until(
        () => observers.every(({ seen: { last } }) => last?.state === 'ok' && last.unconfirmed !== undefined),
        'the outage to be noticed',
      );
    },
    async recovered(): Promise<void> {
      const before = writers.map(({ acknowledged }) => acknowledged);
      await until(() => writers.every(({ acknowledged }, i) => acknowledged > before[i]! + 3), 'writes to succeed');
    },
    /** What was acknowledged is there and seen by all; nobody ever saw less than a good dtab, or an older one again. */
    async converges(): Promise<void> {
      for (const writer of writers) await writer.stop();
      for (const { namespace, acknowledged, unsure } of writers) {
        const stored = (server.objects.get(namespace)['dentries'] as { dst: string }[])[0]!.dst;
        assert.ok(
          [acknowledged, ...unsure].includes(numberOf(stored)),
          `${stored}, not /n${acknowledged} (or ${unsure})`,
        );
        for (const { seen } of observers.filter(each => each.namespace === namespace))
          await seen.until(
            state =>
              state.state === 'ok' &&
              state.unconfirmed === undefined &&
              showDtab(state.value!.dtab) === `/svc=>${stored}`,
            `${namespace} to be ${stored}`,
          );
      }
      for (const { seen } of observers) {
        const states = seen.values.slice(seen.values.findIndex(({ state }) => state === 'ok'));
        const numbers = states.map(state => {
          assert.ok(state.state === 'ok' && state.value !== null, `told ${state.state} in between`);
          return numberOf(showDtab(state.value.dtab));
        });
        assert.deepEqual(
          numbers,
          numbers.toSorted((a, b) => a - b),
          'an older dtab was told again',
        );
      }
    },
  };
}

test('killed and started again under load: what was acknowledged is kept, and reads go on meanwhile', async t => {
  const server = await startKubernetes(t);
  const load = await underLoad(t, server);
  for (let round = 0; round < 3; round++) {
    await server.stop();
    await load.noticed();
    await server.start();
    await load.recovered();
  }
  assert.ok(load.writers.every(({ refusals }) => refusals > 0));
  await load.converges();
});

test('stopped and continued under load: it is noticed, writes are refused in time, and all goes on by itself', async t => {
  const server = await startKubernetes(t);
  const load = await underLoad(t, server);
  for (let round = 0; round < 2; round++) {
    server.pause();
    await load.noticed();
    const refused = load.writers.map(({ refusals }) => refusals);
    await until(() => load.writers.every(({ refusals }, i) => refusals > refused[i]!), 'writes to be refused');
    server.resume();
    await load.recovered();
  }
  await load.converges();
});

test('watches that are cut, lost, ended and forgotten under load lose nothing', async t => {
  const server = await startKubernetes(t);
  const load = await underLoad(t, server);
  for (const disturb of [
    () => server.cutWatches(),
    () => server.muteWatches(),
    () => server.endWatches(),
    () => server.objects.compact(),
    () => server.sendRaw('<html>\n'),
    () => {
      server.muteWatches();
      server.objects.compact();
    },
  ]) {
    disturb();
    await load.recovered();
  }
  await load.converges();
});

test('after a hundred failures of every kind nothing is left behind: connections, watches, log lines', async t => {
  const server = await startKubernetes(t);
  const { store, log } = openKubernetes(t, server, quick);
  await store.put('web', numbered(1));
  const seen = observe(t, store.observe('web'));
  await known(seen);
  const begunWith = server.connections;
  for (let i = 0; i < 100; i++) {
    const isOk = () => seen.last?.state === 'ok' && seen.last.unconfirmed === undefined;
    await until(() => isOk() && server.watches === 1, 'the watch', { everyMs: 2 });
    if (i % 2 === 0) server.cutWatches();
    else server.sendRaw('x\n');
    await until(() => !isOk(), 'the failure to be told', { everyMs: 1 });
  }
  await until(() => server.watches === 1, 'the watch');
  assert.ok(server.connections <= begunWith + 1, `${server.connections} connections, ${begunWith} at first`);
  seen.stop();
  await until(() => server.watches === 0, 'the watch to end');
  assert.ok(log.lines.length <= 202, `${log.lines.length} lines for 100 failures and recoveries`);
  await store.close();
  await until(() => server.connections === 0, 'all connections to be closed');
});

test('an API server that is away is not asked in a loop', async t => {
  const server = await startKubernetes(t);
  const { store } = openKubernetes(t, server);
  let answers = 0;
  server.instead = (_verb, response) => {
    answers++;
    response.writeHead(503).end('starting');
  };
  observe(t, store.list());
  await delay(1000);
  // Waits of up to 20, 40, 80, 160 and then 200 ms: some 15 in a second.
  assert.ok(answers > 2 && answers < 40, `${answers} requests in a second`);
});
