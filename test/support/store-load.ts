/**
 * Writers and observers on several stores of one backend while things happen to it, and what must be true in the end: every write
 * was either acknowledged and kept or refused with a reason, no observer saw an older value after a newer one, all stores agree.
 */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { parseDtab } from '../../src/dtab/parse.ts';
import { showDtab } from '../../src/dtab/show.ts';
import { LinkerdTcpError } from '../../src/errors.ts';
import type { Activity } from '../../src/live/activity.ts';
import type { DtabStore, VersionedDtab } from '../../src/stores/store.ts';
import { type Observer, observe } from './naming.ts';
import type { Scope } from './scope.ts';
import { until } from './waiting.ts';

type Outcome = 'acknowledged' | 'unknown' | 'refused';

interface Writer {
  readonly namespace: string;
  /** The outcome of each write, in order. */
  readonly outcomes: Outcome[];
  readonly observers: readonly Observer<Activity<VersionedDtab | null>>[];
}

export class StoreLoad {
  readonly #writers: readonly Writer[];
  readonly #running: Promise<unknown>;
  #isStopping = false;
  /** The reasons of refused writes, in order. */
  readonly #refusals: string[] = [];
  /** The longest it took to refuse a write that certainly had no effect. */
  slowestRefusalMs = 0;

  /** Each namespace has one writer, which goes to one of the stores, and an observer at every store. */
  constructor(t: Scope, stores: readonly DtabStore[], writers = 4) {
    this.#writers = Array.from({ length: writers }, (_, i) => ({
      namespace: `load${i}`,
      outcomes: [],
      observers: stores.map(store => observe(t, store.observe(`load${i}`))),
    }));
    t.after(() => {
      this.#isStopping = true;
    });
    this.#running = Promise.all(this.#writers.map((writer, i) => this.#write(writer, stores[i % stores.length]!)));
  }

  /** Writes refused so far, of all writers together. */
  get failed(): number {
    return this.#refusals.length;
  }

  /** Resolves when a write is refused in such words, from now on. */
  async refused(words: RegExp): Promise<void> {
    const before = this.failed;
    const since = () => this.#refusals.slice(before);
    await until(
      () => since().some(message => words.test(message)),
      () => `a refusal like ${words}; there are ${[...new Set(since())].join('\n')}`,
    );
  }

  /** Resolves when every writer has had `more` writes acknowledged from now on, and every observer has seen one. */
  async progress(more = 3, timeoutMs = 20_000): Promise<void> {
    const counts = () => this.#writers.map(({ outcomes }) => outcomes.filter(each => each === 'acknowledged').length);
    const before = counts();
    const observers = this.#writers.flatMap(writer => writer.observers);
    const isSeen = () => observers.every(({ last }) => last !== undefined && numberIn(last) !== undefined);
    const isDone = () => isSeen() && counts().every((now, i) => now >= before[i]! + more);
    await until(isDone, 'writes to be acknowledged and seen', { timeoutMs });
  }

  /** Resolves when every observer is notified that its value cannot be confirmed, and still has the value. */
  async unconfirmed(timeoutMs = 15_000): Promise<void> {
    const observers = this.#writers.flatMap(writer => writer.observers);
    await until(() => observers.every(({ last }) => last !== undefined && 'unconfirmed' in last), 'the mark', {
      timeoutMs,
    });
    for (const { last } of observers) assert.ok(last?.state === 'ok' && last.value !== null);
  }

  /** @param stored what the backend itself has in a namespace */
  async finish(stored: (namespace: string) => Promise<string>): Promise<void> {
    this.#isStopping = true;
    await this.#running;
    for (const { namespace, outcomes, observers } of this.#writers) {
      const kept = numberOf(await stored(namespace));
      const lastAcknowledged = outcomes.lastIndexOf('acknowledged');
      assert.ok(
        kept >= lastAcknowledged,
        `${namespace}: ${lastAcknowledged} was acknowledged and is lost, ${kept} is there`,
      );
      for (const observer of observers) {
        await observer.until(
          state => state.state === 'ok' && !state.unconfirmed && numberIn(state) === kept,
          'agreement',
        );
        const seen = observer.values.flatMap(state => numberIn(state) ?? []);
        // A write of unknown outcome may take effect at any later time: a paused backend reads its requests in any order.
        const ordered = seen.filter(number => outcomes[number] === 'acknowledged');
        assert.deepEqual(
          ordered,
          ordered.toSorted((a, b) => a - b),
          `${namespace}: older after newer`,
        );
        for (const number of seen)
          assert.notEqual(outcomes[number], 'refused', `${namespace}: ${number} had no effect`);
      }
    }
  }

  async #write({ namespace, outcomes }: Writer, store: DtabStore): Promise<void> {
    while (!this.#isStopping) {
      // Its number before its outcome: an observer may see it first.
      const number = outcomes.push('unknown') - 1;
      const started = performance.now();
      try {
        await store.put(namespace, parseDtab(`/n=>/${number}`));
        outcomes[number] = 'acknowledged';
      } catch (error) {
        assert.ok(error instanceof LinkerdTcpError && error.code === 'STORE_UNAVAILABLE', `${error}`);
        assert.doesNotMatch(error.message, /undefined|\{\w+\}/);
        this.#refusals.push(error.message);
        if (!/may still take effect/.test(error.message)) {
          outcomes[number] = 'refused';
          this.slowestRefusalMs = Math.max(this.slowestRefusalMs, performance.now() - started);
        }
        await delay(20);
      }
      await delay(3);
    }
  }
}

const numberOf = (text: string): number => Number(/\/n=>\/(\d+)/.exec(text)?.[1] ?? -1);

const numberIn = (state: Activity<VersionedDtab | null>): number | undefined =>
  state.state === 'ok' && state.value !== null ? numberOf(showDtab(state.value.dtab)) : undefined;
