/**
 * The graph of watches behind one bound name.
 *
 * Every node has a state and tells its parent when that changes. All work goes through one queue, so no table, however deep or
 * wide, needs a deep stack; the outcome is given out when the queue is empty, so nobody sees a change half done; and what is no
 * longer needed is let go of last, so a watch that a change keeps is not interrupted by it.
 */
import { map, type Observable, Subscription } from 'rxjs';
import { simplify } from '../dtab/evaluate.ts';
import type { NameTree, Weighted } from '../dtab/name-tree.ts';
import { leaf, neg, sizeOf } from '../dtab/name-tree.ts';
import type { Path } from '../dtab/path.ts';
import { showPath } from '../dtab/show.ts';
import { LinkerdTcpError } from '../errors.ts';
import { type Activity, failed, ok, pending } from '../live/activity.ts';
import type { Bound, Name } from './name.ts';

type State = Activity<NameTree<Bound>>;

export interface Lookups {
  readonly tree: NameTree<Name>;
  readonly maxDepth: number;
  /** One step of binding. */
  lookup(path: Path): Observable<Activity<NameTree<Name>>>;
}

/** Lookups at work at one time for one name: a table that doubles a name at every step must not bring the process down. */
export const maxLookups = 2000;

/** Nodes of all trees that these lookups lead to: a rule may have as many as fit in a request, and be asked again and again. */
const maxNodes = 10_000;

/** Trees in trees over all lookups of a name: no more than a recursive walk over the outcome bears. */
const maxNesting = 1000;

/** In the meta of a set of addresses: the weight of its branch of a Union. */
export const treeWeightKey = 'namer_nametree_weight';

/** Calls `emit` with the first state before it returns. @returns the end of all watches */
export function startBinding(lookups: Lookups, emit: (state: State) => void): () => void {
  const queue = new Queue();
  const work: Work = { lookups, queue, running: 0, nodes: 0 };
  const root: Node = nodeOf(lookups.tree, { work, depth: 0, nesting: 0, weight: undefined, changed: () => {} });
  queue.settled = () => emit(root.state);
  queue.push(() => root.start());
  return () => {
    queue.settled = () => {};
    root.detach();
    queue.push(() => {});
  };
}

/** Tasks in order, then releases, then `settled`. */
class Queue {
  settled: () => void = () => {};
  #tasks: (() => void)[] = [];
  #releases: (() => void)[] = [];
  #draining = false;

  push(task: () => void): void {
    this.#tasks.push(task);
    if (this.#draining) return;
    this.#draining = true;
    try {
      this.#drain();
    } finally {
      this.#draining = false;
    }
    this.settled();
  }

  #drain(): void {
    while (this.#tasks.length > 0 || this.#releases.length > 0) {
      const batch = this.#tasks.length > 0 ? this.#tasks : this.#releases;
      if (batch === this.#tasks) this.#tasks = [];
      else this.#releases = [];
      for (const each of batch) each();
    }
  }

  release(task: () => void): void {
    this.#releases.push(task);
  }
}

interface Work {
  readonly lookups: Lookups;
  readonly queue: Queue;
  running: number;
  /** Of the trees that the lookups led to. */
  nodes: number;
}

interface Place {
  readonly work: Work;
  /** Lookups on the way to here. */
  readonly depth: number;
  readonly nesting: number;
  /** Of the innermost branch of a Union that this is in. */
  readonly weight: number | undefined;
  /** Tells the parent. */
  readonly changed: (node: Node) => void;
}

function nodeOf(tree: NameTree<Name>, place: Place): Node {
  const limit = place.work.lookups.maxDepth;
  if (place.depth > limit || place.nesting > maxNesting)
    return new Fixed(place, failed(new LinkerdTcpError('NAME_TOO_DEEP', { limit })));
  if (tree.type === 'alt') return new Alternatives(place, tree.trees);
  if (tree.type === 'union') return new Shares(place, tree.branches);
  if (tree.type !== 'leaf') return new Fixed(place, ok(tree));
  if (tree.value.type === 'path') return new Followed(place, tree.value.path);
  return new Fixed(place, ok(leaf(weigh(tree.value.bound, place.weight))));
}

abstract class Node {
  state: State = pending;
  protected readonly place: Place;
  protected attached = true;
  #telling = false;

  constructor(place: Place) {
    this.place = place;
  }

  /** Sets a state, at once or as soon as the children have one. */
  abstract start(): void;
  protected abstract get children(): readonly Node[];
  protected release(): void {}

  protected set(state: State): void {
    this.state = state;
    if (this.#telling) return;
    this.#telling = true;
    this.later(() => {
      this.#telling = false;
      this.place.changed(this);
    });
  }

  protected later(task: () => void): void {
    this.place.work.queue.push(() => {
      if (this.attached) task();
    });
  }

  protected add(tree: NameTree<Name>, place: Partial<Place>): Node {
    const child = nodeOf(tree, { ...this.place, nesting: this.place.nesting + 1, ...place });
    child.later(() => child.start());
    return child;
  }

  /** Nothing is heard of this part of the graph any more; its watches end when the queue is empty. */
  detach(): void {
    const parts: Node[] = [this];
    for (const part of parts) {
      part.attached = false;
      this.place.work.queue.release(() => part.release());
      for (const child of part.children) parts.push(child);
    }
  }
}

class Fixed extends Node {
  readonly #known: State;

  constructor(place: Place, known: State) {
    super(place);
    this.#known = known;
  }

  protected get children(): readonly Node[] {
    return [];
  }

  start(): void {
    this.set(this.#known);
  }
}

/** A path, and what the tree that it leads to is bound to. */
class Followed extends Node {
  readonly #path: Path;
  readonly #watch = new Subscription();
  #child: Node | undefined;
  #nodes = 0;

  constructor(place: Place, path: Path) {
    super(place);
    this.#path = path;
  }

  protected get children(): readonly Node[] {
    return this.#child ? [this.#child] : [];
  }

  start(): void {
    const { work } = this.place;
    if (work.running >= maxLookups || work.nodes >= maxNodes) {
      this.set(this.#tooWide());
      return;
    }
    work.running++;
    this.#watch.add(() => work.running--);
    this.#watch.add(work.lookups.lookup(this.#path).subscribe(state => this.#heard(state)));
  }

  /** Counted at once: those that wait for their turn to look something up must know. */
  #heard(state: Activity<NameTree<Name>>): void {
    this.#count(state.state === 'ok' ? sizeOf(state.value) : 0);
    this.later(() => this.#follow(this.place.work.nodes > maxNodes ? this.#tooWide() : state));
  }

  #follow(state: Activity<NameTree<Name>>): void {
    this.#child?.detach();
    this.#child = undefined;
    if (state.state !== 'ok') this.set(state);
    else
      this.#child = this.add(state.value, {
        depth: this.place.depth + 1,
        changed: child => {
          if (child === this.#child) this.set(child.state);
        },
      });
  }

  #tooWide(): Activity<never> {
    return failed(new LinkerdTcpError('NAME_TOO_WIDE', { path: showPath(this.#path), limit: maxLookups }));
  }

  #count(nodes: number): void {
    this.place.work.nodes += nodes - this.#nodes;
    this.#nodes = nodes;
  }

  protected override release(): void {
    this.#count(0);
    this.#watch.unsubscribe();
  }
}

/** Watches alternatives up to the first that is not Neg; those before it may come to life. */
class Alternatives extends Node {
  readonly #trees: readonly NameTree<Name>[];
  readonly #watched: Node[] = [];

  constructor(place: Place, trees: readonly NameTree<Name>[]) {
    super(place);
    this.#trees = trees;
  }

  protected get children(): readonly Node[] {
    return this.#watched;
  }

  start(): void {
    this.#advance();
  }

  #advance(): void {
    const index = this.#watched.length;
    if (index === this.#trees.length) this.set(ok(neg));
    else this.#watched.push(this.add(this.#trees[index], { changed: child => this.#heard(child, index) }));
  }

  #heard(child: Node, index: number): void {
    if (this.#watched[index] !== child) return;
    const isNeg = child.state.state === 'ok' && child.state.value.type === 'neg';
    if (isNeg) {
      if (index === this.#watched.length - 1) this.#advance();
      return;
    }
    for (const behind of this.#watched.splice(index + 1)) behind.detach();
    this.set(child.state);
  }
}

class Shares extends Node {
  readonly #branches: readonly Weighted<Name>[];
  #watched: readonly Node[] = [];
  #merging = false;

  constructor(place: Place, branches: readonly Weighted<Name>[]) {
    super(place);
    this.#branches = branches;
  }

  protected get children(): readonly Node[] {
    return this.#watched;
  }

  start(): void {
    const changed = () => this.#merge();
    this.#watched = this.#branches.map(({ weight, tree }) => this.add(tree, { weight, changed }));
    if (this.#watched.length === 0) this.set(ok(neg));
  }

  /** Once for all branches that change together. */
  #merge(): void {
    if (this.#merging) return;
    this.#merging = true;
    this.later(() => {
      this.#merging = false;
      this.set(this.#merged());
    });
  }

  #merged(): State {
    const known = this.#watched.flatMap(({ state }, i) =>
      state.state === 'ok' ? [{ weight: this.#branches[i].weight, tree: state.value }] : [],
    );
    if (known.length > 0) {
      const isPartial = this.#watched.some(({ state }) => state.state === 'pending' || isPart(state));
      return { ...ok(simplify({ type: 'union', branches: known })), ...(isPartial && { isPartial }) };
    }
    return this.#watched.find(({ state }) => state.state === 'failed')?.state ?? pending;
  }
}

const isPart = (state: State): boolean => state.state === 'ok' && state.isPartial === true;

function weigh(bound: Bound, weight: number | undefined): Bound {
  if (weight === undefined) return bound;
  return {
    ...bound,
    addr: bound.addr.pipe(
      map(addr => (addr.state === 'bound' ? { ...addr, meta: { ...addr.meta, [treeWeightKey]: weight } } : addr)),
    ),
  };
}
