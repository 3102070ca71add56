/** What a write of a namespace changes: the rules it takes away or adds, and whether a name has anything to do with them. */
import { type Dentry, type Dtab, matches, sameDentry } from '../../dtab/dtab.ts';
import type { Path } from '../../dtab/path.ts';

/**
 * The rules between what both tables begin with and what both end with. A path that none of them matches finds the same rules in
 * the same order in either table.
 */
export function changedRules(before: Dtab, after: Dtab): readonly Dentry[] {
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && sameDentry(before[start], after[start])) start++;
  let end = 0;
  while (end < most - start && sameDentry(before[before.length - 1 - end], after[after.length - 1 - end])) end++;
  return [...before.slice(start, before.length - end), ...after.slice(start, after.length - end)];
}

/** The rules one name is bound by, and the paths on its way that were looked up in them. */
export class RulesInUse {
  /** What has not been looked up yet will be looked up here. */
  dtab: Dtab;
  readonly #asked = new Set<{ readonly path: Path }>();

  constructor(dtab: Dtab) {
    this.dtab = dtab;
  }

  /** @returns to call when the path is no longer on the way */
  ask(path: Path): () => void {
    // The same path may be on the way several times.
    const question = { path };
    this.#asked.add(question);
    return () => void this.#asked.delete(question);
  }

  isTouchedBy(changed: readonly Dentry[]): boolean {
    for (const { path } of this.#asked) for (const { prefix } of changed) if (matches(prefix, path)) return true;
    return false;
  }
}
