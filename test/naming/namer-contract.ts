/**
 * The contract of namers, as a suite of tests that each namer runs.
 *
 *   - `lookup` is cold: nothing is watched before it is subscribed to, or after the last observer has left;
 *   - a name that exists is a leaf whose id begins with the namer's prefix and re-binds to itself; one that does not is Neg;
 *   - the tree changes when existence changes, and only then: changes of addresses are changes of `addr`;
 *   - `addr` is cold and can be subscribed to for as long as its id means anything, whatever became of the lookup that gave it.
 */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { firstValueFrom, type Observable } from 'rxjs';
import type { NameTree } from '../../src/dtab/name-tree.ts';
import { parsePath } from '../../src/dtab/parse.ts';
import { type Path, startsWith } from '../../src/dtab/path.ts';
import { showPath } from '../../src/dtab/show.ts';
import type { Activity } from '../../src/live/activity.ts';
import type { Addr } from '../../src/naming/addr.ts';
import type { Bound, Name, Namer } from '../../src/naming/name.ts';
import { until } from '../support/waiting.ts';

/** A namer and the service discovery behind it. */
export interface NamerUnderTest {
  readonly namer: Namer;
  readonly prefix: Path;
  /** A name that may have addresses, below the prefix: `/users`. */
  readonly path: string;
  /** Makes `path` exist with these addresses of port 80. */
  set(ips: readonly string[]): void;
  /** Makes it not exist. */
  remove(): void;
  /** Watches, connections and timers that are held at this moment. */
  held(): number;
}

type Tree = NameTree<Name>;

/** @param make asked for a namer for each test; nothing exists at first */
export function namerContract(kind: string, make: (t: TestContext) => NamerUnderTest): void {
  const titled = (title: string, run: (t: TestContext, made: NamerUnderTest) => Promise<void>) =>
    test(`${kind}: ${title}`, t => run(t, make(t)));

  titled('a name that exists is bound to an id below the prefix; one that does not is negative', async (t, made) => {
    const { namer, prefix, path } = made;
    const trees = collect(t, namer.lookup(parsePath(path)));
    await trees.until(isNeg, 'negative');
    made.set(['10.0.0.1']);
    const bound = await boundIn(trees);
    assert.ok(startsWith(bound.id, prefix), showPath(bound.id));
    assert.deepEqual(bound.residual, []);
    const again = collect(t, namer.lookup(bound.id.slice(prefix.length)));
    assert.deepEqual((await boundIn(again)).id, bound.id, 'it re-binds to itself');
    const deeper = collect(t, namer.lookup([...parsePath(path), 'rest']));
    assert.deepEqual((await boundIn(deeper)).residual, ['rest']);
    made.remove();
    await trees.until(isNeg, 'negative again');
  });

  titled('a change of addresses is a change of addr, and not of the tree', async (t, made) => {
    made.set(['10.0.0.1']);
    const trees = collect(t, made.namer.lookup(parsePath(made.path)));
    const addr = collect(t, (await boundIn(trees)).addr);
    await addr.until(has('10.0.0.1'), 'the first address');
    const ids = () => trees.seen.flatMap(state => (state.state === 'ok' ? [JSON.stringify(idsIn(state.value))] : []));
    const before = new Set(ids());
    made.set(['10.0.0.1', '10.0.0.2']);
    await addr.until(has('10.0.0.1', '10.0.0.2'), 'both addresses');
    assert.deepEqual(new Set(ids()), before);
  });

  titled('nothing is held before the first observer, or after the last', async (t, made) => {
    made.set(['10.0.0.1']);
    const lookup = made.namer.lookup(parsePath(made.path));
    assert.equal(made.held(), 0);
    const trees = collect(t, lookup);
    const addr = collect(t, (await boundIn(trees)).addr);
    await addr.until(has('10.0.0.1'), 'the address');
    assert.ok(made.held() > 0);
    addr.stop();
    trees.stop();
    await until(() => made.held() === 0, 'everything to be given up');
  });

  titled('addr stays alive when the lookup that gave it has ended', async (t, made) => {
    made.set(['10.0.0.1']);
    const trees = collect(t, made.namer.lookup(parsePath(made.path)));
    const bound = await boundIn(trees);
    trees.stop();
    const addr = collect(t, bound.addr);
    await addr.until(has('10.0.0.1'), 'the first address');
    made.set(['10.0.0.2']);
    await addr.until(has('10.0.0.2'), 'the second address');
  });

  // Observers keep the first addr of equal trees: one that dies with its lookup would freeze them.
  titled('the addr of an earlier lookup follows changes after a later lookup has replaced it', async (t, made) => {
    made.set(['10.0.0.1']);
    const first = await boundIn(collect(t, made.namer.lookup(parsePath(made.path))));
    const early = collect(t, first.addr);
    await early.until(has('10.0.0.1'), 'the first address');
    const later = collect(t, made.namer.lookup(parsePath(made.path)));
    await boundIn(later);
    later.stop();
    made.set(['10.0.0.2']);
    await early.until(has('10.0.0.2'), 'the second address');
  });

  titled(
    'addr can be subscribed to again after all observers have left, and after the name was away',
    async (t, made) => {
      made.set(['10.0.0.1']);
      const trees = collect(t, made.namer.lookup(parsePath(made.path)));
      const { addr } = await boundIn(trees);
      const once = collect(t, addr);
      await once.until(has('10.0.0.1'), 'the first address');
      once.stop();
      trees.stop();
      made.remove();
      const away = collect(t, addr);
      await away.until(({ state }) => state === 'neg', 'no addresses');
      away.stop();
      made.set(['10.0.0.3']);
      await collect(t, addr).until(has('10.0.0.3'), 'the address of the name that is back');
    },
  );

  titled('what it can list re-binds to itself', async (t, made) => {
    if (made.namer.list === undefined) return;
    made.set(['10.0.0.1']);
    const listed = await made.namer.list();
    const id = listed.find(each => each.at(-1) === parsePath(made.path).at(-1));
    assert.ok(id !== undefined, listed.map(showPath).join());
    const bound = await boundIn(collect(t, made.namer.lookup(id.slice(made.prefix.length))));
    assert.deepEqual(bound.id, id);
  });
}

/** For namers that only rewrite names: they hold nothing, and answer at once. */
export function rewriterContract(kind: string, namer: Namer, paths: { known: string; unknown: string }): void {
  test(`${kind}: a name that it knows becomes a path at once, another is negative`, async () => {
    const known = await firstValueFrom(namer.lookup(parsePath(paths.known)));
    assert.ok(known.state === 'ok' && known.value.type === 'leaf' && known.value.value.type === 'path');
    assert.equal(isNeg(await firstValueFrom(namer.lookup(parsePath(paths.unknown)))), true);
  });
}

class Collected<T> {
  readonly seen: T[] = [];
  readonly stop: () => void;

  constructor(source: Observable<T>) {
    const subscription = source.subscribe(value => this.seen.push(value));
    this.stop = () => subscription.unsubscribe();
  }

  /** The last value, once it `holds`. */
  async until(holds: (value: T) => boolean, what: string): Promise<T> {
    await until(
      () => this.seen.length > 0 && holds(this.seen.at(-1)!),
      () => `${what}; last seen ${JSON.stringify(this.seen.at(-1))}`,
    );
    return this.seen.at(-1)!;
  }
}

function collect<T>(t: TestContext, source: Observable<T>): Collected<T> {
  const collected = new Collected(source);
  t.after(() => collected.stop());
  return collected;
}

async function boundIn(trees: Collected<Activity<Tree>>): Promise<Bound> {
  const state = await trees.until(({ state }) => state === 'ok', 'a tree');
  const tree = await trees.until(now => now.state === 'ok' && now.value.type === 'leaf', 'a leaf').catch(() => state);
  assert.ok(tree.state === 'ok' && tree.value.type === 'leaf' && tree.value.value.type === 'bound');
  return tree.value.value.bound;
}

const isNeg = (state: Activity<Tree>): boolean => state.state === 'ok' && state.value.type === 'neg';

const has =
  (...ips: string[]) =>
  (addr: Addr): boolean =>
    addr.state === 'bound' &&
    addr.addresses
      .map(({ ip }) => ip)
      .toSorted()
      .join() === ips.join();

function idsIn(tree: Tree): readonly string[] {
  if (tree.type === 'leaf') return tree.value.type === 'bound' ? [showPath(tree.value.bound.id)] : [];
  if (tree.type === 'alt') return tree.trees.flatMap(idsIn);
  return tree.type === 'union' ? tree.branches.flatMap(({ tree: each }) => idsIn(each)) : [];
}
