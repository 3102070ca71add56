/** Blocking queries: what is asked after which answer, and how fast. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { blockingQuery } from '../../../src/clients/consul/blocking-query.ts';

interface Answer {
  readonly index: bigint;
}

/** A query whose questions the test answers; time passes only when it says so. */
function query(t: TestContext, least?: () => bigint) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let time = 0;
  const open: { readonly index: bigint; readonly signal: AbortSignal; answer(index: bigint): void; fail(): void }[] =
    [];
  const told: bigint[] = [];
  let error: Error | undefined;
  const events = blockingQuery<Answer>({
    now: () => time,
    waitMs: 5000,
    ...(least !== undefined && { least }),
    ask: (index, signal) => {
      const { promise, resolve, reject } = Promise.withResolvers<Answer>();
      open.push({
        index,
        signal,
        answer: given => resolve({ index: given }),
        fail: () => reject(new Error('no luck')),
      });
      return promise;
    },
  });
  const subscription = events.subscribe({
    next: event => event.type === 'answered' && told.push(event.answer.index),
    error: failure => {
      error = failure;
    },
  });
  t.after(() => subscription.unsubscribe());
  const pass = async (ms: number) => {
    await turn();
    time += ms;
    t.mock.timers.tick(ms);
    await turn();
  };
  return {
    open,
    told,
    subscription,
    pass,
    error: () => error,
    asked: () => open.map(({ index }) => index),
    answer: async (index: bigint, afterMs = 5000) => {
      time += afterMs;
      open.at(-1)!.answer(index);
      await turn();
    },
  };
}

test('each question asks for what is later than the answer before', async t => {
  const { asked, answer, told } = query(t);
  await answer(7n);
  await answer(9n);
  await answer(9n);
  assert.deepEqual(asked(), [0n, 7n, 9n, 9n]);
  assert.deepEqual(told, [7n, 9n, 9n]);
});

test('an index that goes backwards begins anew, and is not told', async t => {
  const { asked, answer, told } = query(t);
  await answer(90n);
  await answer(30n);
  await answer(30n);
  assert.deepEqual(asked(), [0n, 90n, 0n, 30n]);
  assert.deepEqual(told, [90n, 30n]);
});

test('an answer below what is known from elsewhere begins anew', async t => {
  let known = 0n;
  const { asked, answer, told } = query(t, () => known);
  await answer(10n);
  await answer(11n);
  known = 50n;
  await answer(12n);
  await answer(13n);
  assert.deepEqual(asked(), [0n, 10n, 11n, 12n, 0n]);
  assert.deepEqual(told, [10n, 11n, 12n], 'the question for 11 was asked before 50 was known');
});

test('an index of 0 is never sent back: it would not block', async t => {
  const { asked, pass, answer } = query(t);
  await answer(0n);
  await pass(1000);
  assert.deepEqual(asked(), [0n, 1n]);
});

test('a server that does not block is asked once a second', async t => {
  const { asked, answer, pass } = query(t);
  await answer(5n);
  for (let i = 0; i < 3; i++) {
    await answer(5n, 0);
    const before = asked().length;
    await pass(999);
    assert.equal(asked().length, before);
    await pass(1);
    assert.equal(asked().length, before + 1);
  }
});

test('a store that is written all the time is read twenty times a second', async t => {
  const { asked, answer, pass } = query(t);
  await answer(5n);
  await answer(6n, 1);
  assert.equal(asked().length, 2);
  await pass(48);
  assert.equal(asked().length, 2);
  await pass(1);
  assert.deepEqual(asked(), [0n, 5n, 6n]);
});

test('a question that fails ends it', async t => {
  const { open, error, pass } = query(t);
  open[0]!.fail();
  await pass(10_000);
  assert.equal(error()?.message, 'no luck');
  assert.equal(open.length, 1);
});

test('whoever turns away cuts the question, and hears nothing more', async t => {
  const { open, subscription, pass, told, error } = query(t);
  subscription.unsubscribe();
  assert.equal(open[0]!.signal.aborted, true);
  open[0]!.fail();
  await pass(10_000);
  assert.deepEqual([told, error(), open.length], [[], undefined, 1]);
});

test('whoever turns away between two questions is the end of it', async t => {
  const { open, subscription, pass, answer } = query(t);
  await answer(5n, 0);
  subscription.unsubscribe();
  await pass(10_000);
  assert.equal(open.length, 1);
});
