/** The rules that a write of a namespace changes, and whether they affect a name. */
import { type Dentry, type Dtab, sameDentry } from '../../dtab/dtab.ts';
import type { Path } from '../../dtab/path.ts';
import { PrefixIndex } from '../../dtab/prefix-index.ts';

/**
 * The rules between the common beginning and the common end of both tables. A path that none of them matches finds the same
 * rules in the same order in either table.
 */
export function changedRules(before: Dtab, after: Dtab): readonly Dentry[] {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && sameDentry(before[start], after[start])) start++;
  let end = 0;
  while (end < shorter - start && sameDentry(before[before.length - 1 - end], after[after.length - 1 - end])) end++;
  return [...before.slice(start, before.length - end), ...after.slice(start, after.length - end)];
}

/** Looked up by every bound name at every write: an index, so that many rules and many names do not multiply. */
export class ChangedRules {
  readonly isEmpty: boolean;
  readonly #rules: readonly Dentry[];
  #index: PrefixIndex | undefined;

  constructor(before: Dtab, after: Dtab) {
    this.#rules = changedRules(before, after);
    this.isEmpty = this.#rules.length === 0;
  }

  match(path: Path): boolean {
    if (this.isEmpty) return false;
    if (this.#index === undefined) {
      this.#index = new PrefixIndex();
      for (const [i, { prefix }] of this.#rules.entries()) this.#index.add(prefix, i);
    }
    return this.#index.covering(path).length > 0;
  }
}

/** The rules one name is bound by, and the paths that were looked up in them. */
export class RulesInUse {
  /** The table for further lookups. */
  dtab: Dtab;
  readonly #asked = new Set<{ readonly path: Path }>();

  constructor(dtab: Dtab) {
    this.dtab = dtab;
  }

  /** @returns to call when the name no longer depends on the path */
  ask(path: Path): () => void {
    // The same path may be looked up several times.
    const question = { path };
    this.#asked.add(question);
    return () => void this.#asked.delete(question);
  }

  isAffectedBy(changed: ChangedRules): boolean {
    for (const { path } of this.#asked) if (changed.match(path)) return true;
    return false;
  }
}
