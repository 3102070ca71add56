/** Keeps the history within its bounds: versions and bytes of each namespace, and as much for all deleted ones together. */
import type { Statements } from './statements.ts';

export interface HistoryLimits {
  /** Earlier versions, beside the current one. */
  readonly versions: number;
  /** Text of all versions together. The current one is kept however long it is. */
  readonly bytes: number;
}

/** The versions of a namespace that are kept. */
export interface Kept {
  readonly last: number;
  readonly kept: number;
  readonly bytes: number;
}

/** A lower limit in the configuration takes effect over several writes, so that none of them takes long. */
const maxRemovals = 1000;

/** @returns what is left of `all` */
export function pruned(statements: Statements, namespace: string, all: Kept, limits: HistoryLimits): Kept {
  let { last, kept, bytes } = all;
  for (let i = 0; i < maxRemovals && kept > 1 && (kept > limits.versions + 1 || bytes > limits.bytes); i++) {
    bytes -= removeOldest(statements, namespace, { last, kept, bytes });
    kept--;
  }
  return { last, kept, bytes };
}

/** Namespaces that were deleted first lose their history first. The newest deletion is always kept. */
export function pruneDeleted(statements: Statements, limits: HistoryLimits): void {
  let { kept, bytes } = statements.deletedTotal.get() as unknown as Kept;
  for (let i = 0; i < maxRemovals && kept > 1 && (kept > limits.versions + 1 || bytes > limits.bytes); i++) {
    const oldest = statements.deletedFirst.get() as unknown as Kept & { readonly namespace: string };
    const removed = removeOldest(statements, oldest.namespace, oldest);
    kept--;
    bytes -= removed;
    if (oldest.kept === 1) statements.removeNamespace.run(oldest.namespace);
    else statements.setKept.run({ namespace: oldest.namespace, kept: oldest.kept - 1, bytes: oldest.bytes - removed });
  }
}

/** @returns its length */
function removeOldest({ removeVersion }: Statements, namespace: string, { last, kept }: Kept): number {
  const removed = removeVersion.get(namespace, last - kept + 1) as { bytes: number } | undefined;
  return removed?.bytes ?? 0;
}
