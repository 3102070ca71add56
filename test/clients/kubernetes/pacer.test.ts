/** Requests to a server that refuses them because it is overloaded. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Pacer } from '../../../src/clients/kubernetes/pacer.ts';
import { outcomeOf } from '../../../src/clients/outcome.ts';

const forever = new AbortController().signal;

/** Serves so many at once, and asks those beyond to retry. */
class Overloaded {
  readonly #pacer = new Pacer(() => 0.5);
  readonly #capacity: number;
  #running = 0;
  refusals = 0;
  readonly served: number[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  async ask(name: number): Promise<void> {
    for (;;) if (await this.#pacer.run(() => this.#answer(name), forever)) return;
  }

  async #answer(name: number): Promise<boolean> {
    if (this.#running === this.#capacity) {
      this.refusals++;
      this.#pacer.refused(20);
      return false;
    }
    this.#running++;
    await delay(1);
    this.#running--;
    this.served.push(name);
    return true;
  }
}

test('80 requests that are refused together are not sent together again', async () => {
  const server = new Overloaded(5);
  await Promise.all(Array.from({ length: 80 }, (_, i) => server.ask(i)));
  assert.equal(server.served.length, 80);
  // The first 75, and then one or a few for each time that the limit was found.
  assert.ok(server.refusals < 75 + 60, `${server.refusals} refusals`);
});

test('after a pause the first request goes alone, and the others follow in their order', async () => {
  const pacer = new Pacer(() => 0);
  pacer.refused(10);
  const started: number[] = [];
  let running = 0;
  let most = 0;
  const use = (name: number) => async () => {
    started.push(name);
    running++;
    if (name < 2) most = Math.max(most, running);
    await delay(1);
    running--;
  };
  await Promise.all([0, 1, 2, 3, 4].map(name => pacer.run(use(name), forever)));
  assert.deepEqual(started, [0, 1, 2, 3, 4]);
  assert.equal(most <= 2, true);
});

test('a request whose time is over while it waits was certainly not sent, and says when the server wants the next', async () => {
  const pacer = new Pacer(() => 0);
  pacer.refused(30_000);
  const stop = new AbortController();
  const waiting = pacer.run(async () => assert.fail('it was sent'), stop.signal);
  stop.abort();
  await assert.rejects(waiting, error => {
    assert.equal(outcomeOf(error), 'none');
    assert.match((error as Error).message, /^the server asks to retry after 30 s$/);
    return true;
  });
  pacer.close();
});

test('the pause is longer than the server asked for by up to a quarter, so that its clients do not come back at once', async () => {
  const pacer = new Pacer(() => 0.999);
  const since = performance.now();
  pacer.refused(40);
  await pacer.run(async () => undefined, forever);
  assert.ok(performance.now() - since >= 49);
});
