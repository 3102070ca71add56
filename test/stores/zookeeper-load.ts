/**
 * Writers and observers that go on through an outage, and what must be true afterwards.
 *
 * Each write names the version of the one before, and versions count the writes: had one been acknowledged and lost, the next
 * would be answered with a conflict.
 */
import assert from 'node:assert/strict';
import { parseDtab } from '../../src/dtab/parse.ts';
import { showDtab } from '../../src/dtab/show.ts';
import { LinkerdTcpError } from '../../src/errors.ts';
import type { Activity } from '../../src/naming/activity.ts';
import type { DtabStore, Version, VersionedDtab } from '../../src/stores/store.ts';
import { type Observer, observe } from '../support/naming.ts';
import type { Scope } from '../support/scope.ts';
import { until, within } from '../support/waiting.ts';

type Observed = Observer<Activity<VersionedDtab | null>>;

const dtab = (n: number) => parseDtab(`/n=>/${n}`);
const numberIn = (state: Activity<VersionedDtab | null> | undefined): number =>
  state?.state === 'ok' && state.value !== null ? Number(/\d+$/.exec(showDtab(state.value.dtab))![0]) : Number.NaN;

/** One namespace with one writer, observed through every store. */
class Writer {
  readonly namespace: string;
  readonly #store: DtabStore;
  readonly observers: readonly Observed[];
  readonly #running: Promise<void>;
  #isStopped = false;
  #attempts = 0;
  readonly refusals: LinkerdTcpError[] = [];
  /** Values whose writes may or may not have taken effect. */
  readonly #doubtful = new Set<number>();
  acknowledged = 0;
  slowestRefusalMs = 0;

  constructor(t: Scope, namespace: string, store: DtabStore, stores: readonly DtabStore[]) {
    this.namespace = namespace;
    this.#store = store;
    this.observers = [store, ...stores.filter(each => each !== store)].map(each => observe(t, each.observe(namespace)));
    this.#running = this.#write();
    t.after(() => this.stop());
  }

  async #write(): Promise<void> {
    let version = await this.#store.create(this.namespace, dtab(0));
    while (!this.#isStopped) {
      const n = ++this.#attempts;
      const started = performance.now();
      try {
        version = await this.#store.update(this.namespace, dtab(n), version);
        this.acknowledged = n;
        this.#doubtful.clear();
      } catch (error) {
        assert.ok(error instanceof LinkerdTcpError, `${error}`);
        if (error.code === 'STORE_CONFLICT') {
          version = await this.#resolved();
          continue;
        }
        assert.equal(error.code, 'STORE_UNAVAILABLE');
        assert.doesNotMatch(error.message, /undefined|\{\w+\}/);
        this.refusals.push(error);
        if (/may (have taken|still take) effect/.test(error.message)) this.#doubtful.add(n);
        else this.slowestRefusalMs = Math.max(this.slowestRefusalMs, performance.now() - started);
      }
      await new Promise(resolve => setTimeout(resolve, 3));
    }
  }

  /** There is another version than the last one acknowledged: that of a write of unknown outcome, or one was lost. */
  async #resolved(): Promise<Version> {
    const tried = [...this.#doubtful].join(', ') || 'none';
    const own = this.observers[0]!;
    const found = () => (this.#doubtful.has(numberIn(own.last)) ? own.last : undefined);
    const state = await until(
      found,
      () => `${this.namespace} to be one of ${tried} after ${this.acknowledged}; it is ${numberIn(own.last)}`,
      { timeoutMs: 5000 },
    );
    this.acknowledged = numberIn(state);
    this.#doubtful.clear();
    return (state as { value: VersionedDtab }).value.version;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await within(this.#running, `the last write to ${this.namespace}`, 20_000);
  }

  async settled(n: number): Promise<void> {
    for (const each of this.observers)
      await until(
        () => numberIn(each.last) === n && each.last?.state === 'ok' && each.last.unconfirmed === undefined,
        () =>
          `${this.namespace} to be ${n}: ${JSON.stringify(each.last?.state === 'ok' ? numberIn(each.last) : each.last)}`,
      );
  }
}

export interface Load {
  /** All writers have had another write acknowledged. */
  progress(): Promise<void>;
  /** Every observer knows that what it has may be out of date, and has it. */
  marked(): Promise<void>;
  /** From now on some write is refused in such words. */
  refused(words: RegExp): Promise<void>;
  readonly slowestRefusalMs: number;
  /** Ends the writers; everybody has seen the last acknowledged writes, and nobody forgot one. */
  finish(): Promise<void>;
}

export async function startLoad(t: Scope, stores: readonly DtabStore[], writersEach = 3): Promise<Load> {
  const all = stores.flatMap((store, s) =>
    Array.from({ length: writersEach }, (_, i) => new Writer(t, `ns-${s}-${i}`, store, stores)),
  );
  const load: Load = {
    progress: async () => {
      const before = all.map(({ acknowledged }) => acknowledged);
      const behind = () => all.filter(({ acknowledged }, i) => acknowledged < before[i]! + 2);
      await until(
        () => behind().length === 0,
        () => `writes to ${behind().map(({ namespace, refusals }) => `${namespace} (${refusals.at(-1)?.message})`)}`,
      );
    },
    marked: async () => {
      for (const { namespace, observers } of all)
        for (const each of observers) {
          const isMarked = () => each.last?.state === 'ok' && each.last.unconfirmed !== undefined;
          await until(isMarked, `the mark on ${namespace}`);
          assert.ok(numberIn(each.last) >= 0, `${namespace} is still there`);
        }
    },
    refused: async words => {
      for (const each of all) each.refusals.length = 0;
      const refusals = () => all.flatMap(each => each.refusals.map(({ message }) => message));
      await until(
        () => refusals().some(message => words.test(message)),
        () => `a refusal like ${words}; there are ${[...new Set(refusals())].join('\n')}`,
      );
    },
    get slowestRefusalMs() {
      return Math.max(...all.map(each => each.slowestRefusalMs));
    },
    finish: async () => {
      await load.progress();
      await Promise.all(all.map(each => each.stop()));
      for (const each of all) await each.settled(each.acknowledged);
    },
  };
  await load.progress();
  return load;
}
