/** Rules that, once one of them applies, always lead to the next and back. Of loops that cross, each is found once. */
import type { Dtab } from '../../dtab/dtab.ts';
import { leavesOf } from '../../dtab/name-tree.ts';
import { PrefixIndex, type SamePrefix } from '../../dtab/prefix-index.ts';

type NextRule = (rule: number) => number | undefined;

/**
 * Yields each loop, from its first rule on, and between them the number of prefixes visited so far.
 *
 * Ends early when that exceeds `maxVisits`: every visit may also keep a reference.
 */
export function* rulesInLoops(dtab: Dtab, maxVisits: number): Generator<readonly number[] | number, void> {
  const graph = new RuleGraph(dtab);
  for (const visited of graph.build()) {
    yield visited;
    if (visited > maxVisits) return;
  }
  for (const _ of graph.prune()) yield graph.visited;
  const walkOf = new Map<number, number>();
  for (const start of dtab.keys()) {
    let at: number | undefined = start;
    for (; at !== undefined && !walkOf.has(at); at = graph.next(at)) {
      walkOf.set(at, start);
      yield graph.visited;
    }
    if (at !== undefined && walkOf.get(at) === start) yield loopFrom(at, graph.next);
  }
}

/** Which rules may follow on which: a rule leads to all rules of a prefix that covers one of its targets. */
class RuleGraph {
  readonly #dtab: Dtab;
  readonly #index = new PrefixIndex();
  /** By rule: the rules that share its prefix. */
  readonly #own: SamePrefix[] = [];
  readonly #following: Set<SamePrefix>[] = [];
  readonly #leadingTo = new Map<SamePrefix, number[]>();
  /** Rules that are not known to end. */
  readonly #left = new Map<SamePrefix, Set<number>>();

  constructor(dtab: Dtab) {
    this.#dtab = dtab;
  }

  get visited(): number {
    return this.#index.visited;
  }

  *build(): Generator<number, void> {
    for (const [i, { prefix }] of this.#dtab.entries()) {
      this.#own.push(this.#index.add(prefix, i));
      yield this.visited;
    }
    for (const [i, { dst }] of this.#dtab.entries()) {
      const following = new Set<SamePrefix>();
      this.#following.push(following);
      for (const path of leavesOf(dst)) {
        for (const group of this.#index.covering(path)) following.add(group);
        yield this.visited;
      }
      for (const group of following) {
        const rules = this.#leadingTo.get(group) ?? [];
        this.#leadingTo.set(group, rules);
        rules.push(i);
      }
    }
  }

  /** Removes the rules that lead to no other, then those that only led there, and so on. The rest leads to loops. */
  *prune(): Generator<void, void> {
    for (const group of this.#leadingTo.keys()) {
      this.#left.set(group, new Set(group.rules));
      yield;
    }
    const ends = this.#dtab.flatMap((_, i) => (this.#following[i].size === 0 ? [i] : []));
    for (const rule of ends) {
      yield;
      const group = this.#own[rule];
      const siblings = this.#left.get(group);
      siblings?.delete(rule);
      if (siblings?.size !== 0) continue;
      for (const before of this.#leadingTo.get(group)!) {
        this.#following[before].delete(group);
        if (this.#following[before].size === 0) ends.push(before);
      }
    }
  }

  /** After pruning: a rule that follows on one in or before a loop, and leads to a loop itself. */
  readonly next: NextRule = rule => {
    const following = this.#following[rule];
    if (following.has(this.#own[rule])) return rule;
    const [group] = following;
    return group && this.#left.get(group)!.values().next().value;
  };
}

/** The loop that `rule` is in, from its first rule on. */
function loopFrom(rule: number, next: NextRule): readonly number[] {
  const loop = [rule];
  for (let at = next(rule)!; at !== rule; at = next(at)!) loop.push(at);
  const first = loop.indexOf(loop.reduce((least, each) => Math.min(least, each)));
  return [...loop.slice(first), ...loop.slice(0, first)];
}
