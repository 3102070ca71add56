/** An interpreter for tests: everything is quick, every value that comes is kept and can be waited for. */
import type { Observable, Subscription } from 'rxjs';
import { NamerdHttpClient } from '../../../src/clients/namerd/http-client.ts';
import type { NameTree } from '../../../src/dtab/name-tree.ts';
import { parseDtab, parsePath } from '../../../src/dtab/parse.ts';
import { showPath, showTreeOf } from '../../../src/dtab/show.ts';
import { NamerdHttpInterpreter, type NamerdHttpOptions } from '../../../src/interpreters/namerd-http.ts';
import type { Activity } from '../../../src/live/activity.ts';
import { systemClock } from '../../../src/live/clock.ts';
import type { Addr } from '../../../src/naming/addr.ts';
import type { Bound } from '../../../src/naming/name.ts';

export interface Cleanup {
  after(done: () => unknown): void;
}

export class Logged {
  readonly lines: string[] = [];
  readonly info = (message: string) => void this.lines.push(`info ${message}`);
  readonly warn = (message: string) => void this.lines.push(`warn ${message}`);
  readonly error = (message: string) => void this.lines.push(`error ${message}`);
}

type Changed = Partial<Omit<NamerdHttpOptions, 'client'>> & Partial<ConstructorParameters<typeof NamerdHttpClient>[0]>;

export function interpreterOf(t: Cleanup, url: string, changed: Changed = {}) {
  const log = new Logged();
  const outcomes: { ok: boolean; latencyMs?: number }[] = [];
  const client = new NamerdHttpClient({
    baseUrl: new URL(url),
    requestTimeoutMs: 5000,
    maxBodyBytes: 100_000,
    clock: systemClock,
    ...changed,
  });
  const interpreter = new NamerdHttpInterpreter({
    client,
    namespace: 'default',
    periodMs: 20,
    backoff: { baseMs: 20, maxMs: 50 },
    watchIdleTimeoutMs: 60_000,
    maxDocumentBytes: 100_000,
    probeMs: 60_000,
    lingerMs: 5,
    clock: systemClock,
    log,
    observer: { requestDone: outcome => void outcomes.push(outcome) },
    ...changed,
  });
  const bind = (path: string, dtab = '') => observe(t, interpreter.bind(parseDtab(dtab), parsePath(path)));
  t.after(() => interpreter.close());
  return { interpreter, client, log, outcomes, bind };
}

export class Observed<T> {
  readonly seen: T[] = [];
  readonly #subscription: Subscription;
  #waiting: (() => void)[] = [];

  constructor(source: Observable<T>) {
    this.#subscription = source.subscribe(value => {
      this.seen.push(value);
      for (const resolve of this.#waiting.splice(0)) resolve();
    });
  }

  get last(): T {
    return this.seen[this.seen.length - 1];
  }

  /** The first value, seen already or still to come, that `holds`. */
  async first(holds: (value: T) => boolean): Promise<T> {
    for (let i = 0; ; i++) {
      while (i >= this.seen.length) await new Promise<void>(resolve => this.#waiting.push(resolve));
      if (holds(this.seen[i])) return this.seen[i];
    }
  }

  stop(): void {
    this.#subscription.unsubscribe();
  }
}

export function observe<T>(t: Cleanup, source: Observable<T>): Observed<T> {
  const observed = new Observed(source);
  t.after(() => observed.stop());
  return observed;
}

/** The tree over its ids as the dtab language prints it, or the state where there is no tree. */
export function shown(activity: Activity<NameTree<Bound>>): string {
  if (activity.state === 'ok') return showTreeOf(activity.value, ({ id }) => showPath(id));
  return activity.state === 'failed' ? `failed: ${activity.error.message}` : 'pending';
}

/** One turn of the event loop: what is looked at is changed by sockets, which tell nobody. */
export const nextTurn = () => new Promise(resolve => setImmediate(resolve));

/** What was seen one after the other; that a value could not be confirmed, or could again, is no change. */
export function changes<T>(seen: readonly T[], show: (value: T) => string): string[] {
  return seen.map(show).filter((text, i, all) => text !== all[i - 1]);
}

/** `127.0.0.1:80,127.0.0.2:80`, or the state where there are no addresses. */
export function shownAddr(addr: Addr): string {
  if (addr.state === 'bound') return addr.addresses.map(({ ip, port }) => `${ip}:${port}`).join(',');
  return addr.state === 'failed' ? `failed: ${addr.error.message}` : addr.state;
}

/** The first tree that is known. */
export async function treeOf(observed: Observed<Activity<NameTree<Bound>>>): Promise<NameTree<Bound>> {
  const activity = await observed.first(({ state }) => state === 'ok');
  if (activity.state !== 'ok') throw new Error('unreachable');
  return activity.value;
}

/** The bound names of a tree, left to right. */
export function leavesOf(tree: NameTree<Bound>): Bound[] {
  switch (tree.type) {
    case 'leaf':
      return [tree.value];
    case 'alt':
      return tree.trees.flatMap(leavesOf);
    case 'union':
      return tree.branches.flatMap(branch => leavesOf(branch.tree));
    default:
      return [];
  }
}
