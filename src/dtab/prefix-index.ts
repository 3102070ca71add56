/** Rules indexed by prefix: finds the rules for a path without scanning the others. */
import type { Path } from './path.ts';

/** `null` is the wildcard `*`, which matches any one label. */
export type Prefix = readonly (string | null)[];

/** The rules with one prefix, in the order of the dtab. */
export interface SamePrefix {
  readonly rules: number[];
}

interface Level extends SamePrefix {
  readonly next: Map<string | null, Level>;
}

export class PrefixIndex {
  readonly #root: Level = { rules: [], next: new Map() };
  /** Levels looked at so far: the cost of all searches. Wildcards may make one search visit as many as there are rules. */
  visited = 0;

  /** @returns all rules with this prefix */
  add(prefix: Prefix, rule: number): SamePrefix {
    let level = this.#root;
    for (const label of prefix) {
      const next = level.next.get(label) ?? { rules: [], next: new Map() };
      level.next.set(label, next);
      level = next;
    }
    level.rules.push(rule);
    return level;
  }

  /** The prefixes that match every path that `narrow` matches. */
  covering(narrow: Prefix): readonly SamePrefix[] {
    let levels: readonly Level[] = [this.#root];
    const found = levels.filter(hasRules);
    for (const label of narrow) {
      levels = this.#below(levels, label);
      found.push(...levels.filter(hasRules));
    }
    return found;
  }

  /** Whether a prefix may match `path` followed by more labels. */
  mayMatch(path: Path): boolean {
    let levels: readonly Level[] = [this.#root];
    for (const label of path) {
      if (levels.some(hasRules)) return true;
      levels = this.#below(levels, label);
    }
    // Every level has rules or leads to a level that does.
    return levels.some(level => hasRules(level) || level.next.size > 0);
  }

  #below(levels: readonly Level[], label: string | null): readonly Level[] {
    this.visited += levels.length;
    const labels = label === null ? [null] : [label, null];
    return levels.flatMap(({ next }) => labels.flatMap(each => next.get(each) ?? []));
  }
}

const hasRules = ({ rules }: Level): boolean => rules.length > 0;
