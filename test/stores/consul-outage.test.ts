/** The store `io.l5d.consul` while Consul fails in all the ways it can: nothing is lost, nothing is emptied, all goes on after. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { parseDtab } from '../../src/dtab/parse.ts';
import { showDtab } from '../../src/dtab/show.ts';
import { LinkerdTcpError } from '../../src/errors.ts';
import type { DtabStore } from '../../src/stores/store.ts';
import { launchConsul } from '../support/consul-process.ts';
import type { Fault } from '../support/fake-consul.ts';
import { observe, recordedLog } from '../support/naming.ts';
import { until } from '../support/waiting.ts';
import { openStore, startConsul } from './consul-setup.ts';
import { known, presentOf, rejects } from './contract.ts';

const folder = 'namerd/dtabs/';
const namespaces = ['n0', 'n1', 'n2', 'n3'];
const numbered = (i: number) => parseDtab(`/svc=>/i${i}`);
const numberIn = (text: string) => Number(/\/i(\d+)$/.exec(text)?.[1]);

/** Writes to one namespace again and again, each write a higher number. */
class Writer {
  readonly #store: DtabStore;
  readonly #namespace: string;
  #isStopping = false;
  /** The one that is under way, or was the last. */
  latest = 0;
  answered = 0;
  /** Refused, but with the warning that they may have been done. */
  readonly doubtful = new Set<number>();
  readonly refusals: string[] = [];
  readonly done: Promise<void>;

  constructor(store: DtabStore, namespace: string) {
    this.#store = store;
    this.#namespace = namespace;
    this.done = this.#run();
  }

  /** Ends with a write that is answered. */
  stop(): Promise<void> {
    this.#isStopping = true;
    return this.done;
  }

  async #run(): Promise<void> {
    for (;;) {
      const i = ++this.latest;
      try {
        await this.#store.put(this.#namespace, numbered(i));
        this.answered = i;
        if (this.#isStopping) return;
      } catch (error) {
        assert.ok(error instanceof LinkerdTcpError, `${error}`);
        assert.equal(error.code, 'STORE_UNAVAILABLE');
        this.refusals.push(error.message);
        if (/may still take effect/.test(error.message)) this.doubtful.add(i);
      }
      await new Promise(resolve => setTimeout(resolve, 5));
    }
  }
}

/** What each namespace was seen as, never less than known once it was known. */
function follow(t: TestContext, store: DtabStore) {
  const seen = namespaces.map(namespace => observe(t, store.observe(namespace)));
  return {
    known: () => Promise.all(seen.map(each => known(each))),
    doubted: () =>
      Promise.all(seen.map(each => each.until(is => is.state === 'ok' && is.unconfirmed !== undefined, 'doubt'))),
    confirmed: () =>
      Promise.all(seen.map(each => each.until(is => is.state === 'ok' && is.unconfirmed === undefined, 'no doubt'))),
    numbers: () => seen.map(each => numberIn(presentOf(each)?.dtab ?? '')),
    check() {
      for (const { values } of seen) {
        const from = values.findIndex(({ state }) => state === 'ok');
        let last = 0;
        for (const is of values.slice(from)) {
          assert.ok(is.state === 'ok' && is.value !== null, `it was ${is.state} after it was known`);
          const number = numberIn(showDtab(is.value.dtab));
          assert.ok(number >= last, `it went from ${last} back to ${number}`);
          last = number;
        }
      }
    },
  };
}

/** Two stores on one Consul, each with a writer of two namespaces and observers of all. */
async function underLoad(t: TestContext) {
  const consul = await launchConsul(t);
  const logs = [recordedLog(), recordedLog()];
  const stores = logs.map(log => openStore(t, consul, { log, writeTimeoutMs: 800 }));
  for (const namespace of namespaces) await stores[0]!.put(namespace, numbered(0));
  const writers = namespaces.map((namespace, i) => new Writer(stores[i % 2]!, namespace));
  const followers = stores.map(store => follow(t, store));
  for (const follower of followers) await follower.known();
  const answered = async (more: number) => {
    const from = writers.map(writer => writer.answered);
    await until(() => writers.every((writer, i) => writer.answered > from[i]! + more), 'some writes to be answered');
  };
  await answered(5);
  return {
    consul,
    logs,
    writers,
    followers,
    answered,
    /** Everybody has the last answered writes, and Consul as well. */
    async settle() {
      await Promise.all(writers.map(writer => writer.stop()));
      const expected = writers.map(writer => writer.answered);
      for (const follower of followers) {
        await until(
          () => String(follower.numbers()) === String(expected),
          () => `${expected}, not ${follower.numbers()}`,
        );
        await follower.confirmed();
        follower.check();
      }
      for (const [i, namespace] of namespaces.entries())
        assert.equal(await consul.call('value', folder + namespace), `/svc=>/i${expected[i]}`);
    },
  };
}

test('a Consul that is killed under load loses no answered write, and is followed again when it is back', async t => {
  const { consul, writers, followers, logs, answered, settle } = await underLoad(t);
  for (let round = 0; round < 3; round++) {
    await consul.kill();
    for (const follower of followers) await follower.doubted();
    const before = writers.map(writer => writer.answered);
    const refused = writers.map(writer => writer.refusals.length);
    await until(() => writers.every((writer, i) => writer.refusals.length > refused[i]! + 2), 'writes to be refused');
    assert.deepEqual(
      writers.map(writer => writer.answered),
      before,
    );
    await consul.start();
    // What was answered is there; what is there beyond it was said to be possible.
    for (const [i, namespace] of namespaces.entries()) {
      const found = numberIn((await consul.call('value', folder + namespace)) ?? '');
      const writer = writers[i]!;
      assert.ok(found >= before[i]!, `${namespace} has ${found}, answered was ${before[i]}`);
      const isKnown = found === before[i] || writer.doubtful.has(found) || found === writer.latest;
      assert.ok(isKnown || found <= writer.answered, `${namespace} has ${found}, answered was ${writer.answered}`);
    }
    await answered(5);
    for (const follower of followers) await follower.confirmed();
  }
  await settle();
  for (const writer of writers)
    assert.ok(
      writer.refusals.every(text =>
        /cannot write namespace n\d: it cannot be reached: .*; (reads go on; try again|the write may still)/.test(text),
      ),
      writer.refusals.join('\n'),
    );
  for (const log of logs) assert.ok(log.lines.length < 30, log.lines.join('\n'));
});

test('a Consul that is paused under load is noticed, and is followed again when it goes on', async t => {
  const { consul, writers, followers, answered, settle } = await underLoad(t);
  consul.signal('SIGSTOP');
  const begun = performance.now();
  for (const follower of followers) await follower.doubted();
  assert.ok(performance.now() - begun < 5000, 'half a second of waiting and the grace of 2.5 s');
  await until(() => writers.every(writer => writer.refusals.length > 0), 'writes to be refused');
  consul.signal('SIGCONT');
  await answered(5);
  await settle();
  for (const writer of writers)
    assert.match(writer.refusals[0]!, /no answer within 800 ms; the write may still take effect: read the namespace/);
});

const faults: readonly Fault[] = [
  { status: 500, body: 'No cluster leader' },
  { status: 500, body: 'rpc error making call: No path to datacenter' },
  { status: 502, body: '<html>bad gateway</html>' },
  { status: 503, body: '' },
  { status: 429, body: 'Your IP is issuing too many concurrent connections, please rate limit your calls' },
  { status: 404, body: 'no such page' },
  { status: 200, body: '' },
  { status: 200, body: 'hello', headers: { 'x-consul-index': '1000' } },
  { status: 200, body: '[]', headers: { 'x-consul-index': '1000' } },
  { status: 200, body: '{}', headers: { 'x-consul-index': '1000' } },
  { status: 200, body: 'null', headers: { 'x-consul-index': '1000' } },
  { status: 200, body: '[{"Key": "namerd/dtabs/n0"}]', headers: { 'x-consul-index': '1000' } },
  { status: 200, body: '[{"Key": "x", "Value": null, "ModifyIndex": 1000}]', headers: { 'x-consul-index': '1000' } },
  {
    status: 200,
    body: '[{"Key": "namerd/dtabs/n0", "Value": "", "ModifyIndex": -1}]',
    headers: { 'x-consul-index': '1000' },
  },
  { status: 409, body: '{"Errors": []}' },
];

test('no failure of Consul and no nonsense it says empties anything; each is told, and over when it is over', async t => {
  const consul = await startConsul(t);
  const log = recordedLog();
  const store = openStore(t, consul, { log });
  for (const namespace of namespaces) await store.put(namespace, numbered(1));
  const follower = follow(t, store);
  const names = observe(t, store.list());
  await follower.known();
  for (const fault of faults) {
    consul.setFault(fault);
    await follower.doubted();
    await rejects(store.put('n0', numbered(2)), 'STORE_UNAVAILABLE');
    await rejects(store.create('n9', numbered(2)), 'STORE_UNAVAILABLE');
    await rejects(store.delete('n0'), 'STORE_UNAVAILABLE');
    consul.setFault(null);
    await follower.confirmed();
  }
  follower.check();
  assert.deepEqual(follower.numbers(), [1, 1, 1, 1]);
  assert.ok(names.values.every(is => is.state !== 'ok' || is.value.join() === namespaces.join()));
  assert.equal(log.lines.filter(line => line.startsWith('info:')).length, faults.length);
});

test('a Consul that takes requests and answers none is given up, also when it never answered before', async t => {
  const consul = await startConsul(t);
  consul.setHanging(true);
  const store = openStore(t, consul, { requestTimeoutMs: 300, writeTimeoutMs: 200 });
  const seen = observe(t, store.observe('web'));
  const { error } = (await seen.until(({ state }) => state === 'failed', 'the failure')) as { error: Error };
  assert.match(error.message, /cannot watch its namespaces: no complete answer within 300 ms; retrying/);
  await assert.rejects(store.put('web', numbered(1)), /no answer within 200 ms; the write may still take effect/);
  consul.setHanging(false);
  await known(seen);
});

test('a write that fails half way is said to be in doubt', async t => {
  const consul = await startConsul(t);
  const store = openStore(t, consul);
  consul.setFault({ status: 500, body: 'rpc error making call: leadership lost while committing log' }, 'writes');
  await assert.rejects(
    store.put('web', numbered(1)),
    /leadership lost while committing log; the write may still take effect/,
  );
  consul.setFault({ status: 500, body: 'No cluster leader' }, 'writes');
  await assert.rejects(store.put('web', numbered(1)), /No cluster leader; reads go on; try again/);
});

test('watches that begin and end, and connections that are cut, leave nothing behind', async t => {
  const consul = await startConsul(t);
  const store = openStore(t, consul, { waitMs: 60_000 });
  await store.put('web', numbered(1));
  for (let i = 0; i < 100; i++) {
    const seen = observe(t, store.observe('web'));
    await known(seen);
    if (i % 10 === 0) {
      await until(() => consul.blocked() === 1, 'the question');
      consul.cut();
      await seen.until(is => is.state === 'ok' && is.unconfirmed !== undefined, 'doubt');
      await seen.until(is => is.state === 'ok' && is.unconfirmed === undefined, 'no doubt');
    }
    seen.stop();
    assert.equal(store.watches, 0);
  }
  await until(() => consul.blocked() === 0, 'all questions to be gone');
  assert.ok(consul.connections() <= 16, `${consul.connections()} connections`);
  observe(t, store.observe('web'));
  await until(() => consul.blocked() === 1, 'a question');
  await store.close();
  await until(() => consul.connections() === 0, 'the connections to be closed');
});
